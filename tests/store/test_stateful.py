"""The real store against the model, through every order of moves that Hypothesis thinks of."""

import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from jobhost.clock import Instant, ManualClock
from jobhost.ids import new_ids
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.outcomes import (
    BeyondMe,
    Cancelled,
    Counts,
    DeadLettered,
    Deferred,
    Discarded,
    Outcome,
    Released,
    Snoozed,
    Succeeded,
    TooNew,
    Unstorable,
    decide,
)
from jobhost.jobs.queues import stored_changes
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.store.plans.ageing import raise_up_to
from jobhost.store.plans.cycle import read_back
from jobhost.store.plans.deferral import resume
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.expiry import expire
from jobhost.store.plans.queues import set_queue
from jobhost.store.sqlite.store import SqliteStore

from .conftest import DIALECTS, Direct
from .conservation import assert_conserved, numbers, standings
from .model import Job, Model, Node
from .world import BOOM, FAILED, LEASE, QUEUE, World

SECOND = 1_000_000
LEASE_US = LEASE // timedelta(microseconds=1)
TASKS = ["a", "b", "c"]
OUTCOMES: list[Outcome] = [
    Succeeded("1"),
    Unstorable(error=BOOM),
    FAILED,
    Snoozed(delay_seconds=0),
    Snoozed(delay_seconds=7),
    Deferred(reason="the invoice"),
    TooNew(version=2, known=1),
    BeyondMe(error=BOOM),
    Released(),
    Cancelled(reason="stop"),
    Discarded(reason="sent"),
    DeadLettered(reason="no"),
]
POLICIES = [
    Retry(max_attempts=2, first_delay="0s"),
    Retry(max_attempts=3, first_delay="5s"),
]


class StoreAgainstModel(RuleBasedStateMachine):
    """Each rule does the same to both; after each step they must agree."""

    jobs = Bundle("jobs")
    workers = Bundle("workers")
    deliveries = Bundle("deliveries")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        clock = ManualClock()
        # What is tested here is not durability: a thousand syncs would only take time.
        store = SqliteStore(folder / "jobs.db", clock, synchronous="OFF")
        store.migrate()
        look = partial(DIALECTS["sqlite"].query, folder)
        self.world = World(store, clock, Direct(store), look)
        self.model = Model(clock.now())
        self.highest_epochs: dict[int, int] = {}

    def teardown(self) -> None:
        self.world.store.close()
        self._folder.cleanup()

    @initialize(target=workers)
    def first_worker(self) -> int:
        return self._register(frozenset(TASKS))

    @rule(target=workers, tasks=st.frozensets(st.sampled_from(TASKS), min_size=1))
    def register(self, tasks: frozenset[str]) -> int:
        return self._register(tasks)

    @rule(
        target=jobs,
        task=st.sampled_from(TASKS),
        priority=st.sampled_from([0, 0, 0, 5, -5]),
        count=st.integers(1, 3),
        wait=st.sampled_from([None, None, None, 0, 1, 10 * SECOND]),
        expires=st.sampled_from([None, None, None, 3 * SECOND, 12 * SECOND]),
    )
    def enqueue(
        self, task: str, priority: int, count: int, wait: int | None, expires: int | None
    ) -> Any:
        ids = [bytes(one) for one in new_ids(count)]
        self._enqueue(ids, task, priority, wait, expires)
        return multiple(*ids)

    @rule(target=jobs, again=jobs, task=st.sampled_from(TASKS))
    def enqueue_an_id_again_beside_a_new_job(self, again: bytes, task: str) -> bytes:
        new = bytes(new_ids(1)[0])
        self._enqueue([again, new], task, 0, None)
        return new

    @rule(target=deliveries, worker=workers, slots=st.integers(1, 4))
    def claim(self, worker: int, slots: int) -> Any:
        return self._cycle(worker, [], slots)

    @rule(
        target=deliveries,
        taken=st.lists(consumes(deliveries), min_size=1, max_size=4),
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=4, max_size=4),
        policy=st.sampled_from(POLICIES),
        slots=st.integers(0, 2),
    )
    def record_and_claim(
        self,
        taken: list[tuple[int, Delivery]],
        outcomes: list[Outcome],
        policy: Retry,
        slots: int,
    ) -> Any:
        worker = taken[0][0]
        pairs = zip(taken, outcomes, strict=False)
        batch = [_ended(one, how, policy) for (owner, one), how in pairs if owner == worker]
        return self._cycle(worker, batch, slots)

    @rule(taken=deliveries, outcome=st.sampled_from(OUTCOMES))
    def record_and_keep_to_record_again(
        self, taken: tuple[int, Delivery], outcome: Outcome
    ) -> None:
        self._cycle(taken[0], [_ended(taken[1], outcome, POLICIES[0])], 0)

    @rule(taken=deliveries, other=workers, outcome=st.sampled_from(OUTCOMES))
    def record_in_the_name_of_another_node(
        self, taken: tuple[int, Delivery], other: int, outcome: Outcome
    ) -> None:
        self._cycle(other, [_ended(taken[1], outcome, POLICIES[0])], 0)

    @rule(worker=workers)
    def heartbeat(self, worker: int) -> None:
        assert self.world.heartbeat(worker) == self.model.heartbeat(worker, LEASE_US)

    @rule(
        worker=workers,
        rescuer=workers,
        died=st.booleans(),
        own_doing=st.sampled_from([None, True, False]),
    )
    def rescue(self, worker: int, rescuer: int, died: bool, own_doing: bool | None) -> None:
        report = self.world.rescue(worker, rescuer, died=died, own_doing=own_doing)
        expected = self.model.rescue(worker, rescuer, died=died, own_doing=own_doing)
        assert report.total == expected

    @rule(target=deliveries, worker=workers)
    def claim_a_suspect(self, worker: int) -> Any:
        taken = self.world.claim_suspect(worker, *self.model.nodes[worker].tasks)
        expected = self.model.claim_suspect(worker)
        if taken is None:
            assert expected is None
            return multiple()
        assert expected is not None
        assert (taken.job, taken.epoch, taken.crashes) == (
            expected.number, expected.epoch, expected.crashes,
        )  # fmt: skip
        return worker, taken

    @rule(job=jobs, reason=st.sampled_from(["one", "two"]))
    def cancel(self, job: bytes, reason: str) -> None:
        assert self.world.cancel(job, reason) is self.model.cancel(job, reason)

    @rule(job=jobs)
    def redrive(self, job: bytes) -> None:
        redriven = self.world.redrive(job)
        assert redriven is not None
        assert redriven.done == self.model.redrive(job)

    @rule(job=jobs)
    def resume(self, job: bytes) -> None:
        resumed = self.world.write(lambda: resume(job))
        assert resumed is not None
        assert resumed.done == self.model.resume(job)

    @rule()
    def stage(self) -> None:
        report = self.world.stage()
        assert (report.staged, report.parked, report.unparked) == self.model.stage()

    @rule()
    def raise_all_that_waits(self) -> None:
        raised, _ = self.world.write(lambda: raise_up_to(QUEUE, 2**62))
        assert raised == self.model.raise_waiting()

    @rule(how=st.sampled_from([{"hours": "12:00-13:00"}, {"hours": None}]))
    def close_or_open(self, how: dict[str, Any]) -> None:
        """By hours that are far from where the clock is."""
        changes = stored_changes(how)
        self.world.write(lambda: set_queue(QUEUE, changes))
        self.model.shut = how["hours"] is not None

    @rule()
    def expire(self) -> None:
        assert self.world.write(expire).expired == self.model.expire()

    @rule(seconds=st.sampled_from([1, 5, 10]))
    def tick(self, seconds: int) -> None:
        self.world.move(seconds=seconds)
        self.model.now = self.world.clock.now()

    @precondition(lambda self: any(self.model.live(node) for node in self.model.nodes))
    @rule()
    def let_all_leases_lapse(self) -> None:
        last = max(node.lease_until for node in self.model.nodes.values())
        self.world.move(microseconds=max(0, last - self.model.now))
        self.model.now = self.world.clock.now()

    @invariant()
    def both_agree_and_no_job_is_lost(self) -> None:
        assert_conserved(self.world.query)
        assert standings(self.world.query) == {
            job.number: job.standing for job in self.model.jobs.values()
        }

    @invariant()
    def both_tell_the_same_history(self) -> None:
        told: dict[int, list[str]] = {}
        for number, outcome in self.world.query(
            "SELECT job, outcome FROM jobhost_attempts ORDER BY job, epoch"
        ):
            told.setdefault(number, []).append(outcome)
        expected = {job.number: job.outcomes for job in self.model.jobs.values() if job.outcomes}
        assert told == expected

    @invariant()
    def no_epoch_ever_falls(self) -> None:
        for number, standing in standings(self.world.query).items():
            assert standing.epoch >= self.highest_epochs.get(number, 0)
            self.highest_epochs[number] = standing.epoch

    @invariant()
    def each_worker_reads_back_just_what_it_holds(self) -> None:
        for node in self.model.nodes:
            held = self.world.read(lambda node=node: read_back(node))
            expected = {
                (job.number, job.epoch): Counts(failures=job.failures, crashes=job.crashes)
                for job in self.model.jobs.values()
                if job.state == "running" and job.node == node
            }
            assert held == expected

    def _register(self, tasks: frozenset[str]) -> int:
        number = self.world.node(*sorted(tasks))
        self.model.nodes[number] = Node(number, tasks, self.model.now + LEASE_US)
        return number

    def _enqueue(
        self,
        ids: list[bytes],
        task: str,
        priority: int,
        wait: int | None,
        expires: int | None = None,
    ) -> None:
        due = None if wait is None else Instant(self.model.now + wait)
        jobs = [NewJob(one, "[]", None) for one in ids]
        expiry = None if expires is None else Expiry(after_us=expires)
        batch = Batch(
            task=task, queue=QUEUE, priority=priority, jobs=jobs, run_at=due, expiry=expiry
        )
        self.world.write(lambda: self.world.store.hot.enqueue(batch))
        number_of = numbers(self.world.query)
        for one in ids:
            job = Job(number_of[one], task, priority)
            job.expires_at = None if expires is None else self.model.now + expires
            self.model.enqueue(one, job, due)

    def _cycle(self, worker: int, batch: list[Ended], slots: int) -> Any:
        asked = {
            job.number: job.cancel
            for job in self.model.jobs.values()
            if job.cancel is not None and job.node == worker
        }
        tasks = sorted(self.model.nodes[worker].tasks)
        report = self.world.cycle(worker, *batch, slots=slots, tasks=tasks)
        assert report.lease_live == self.model.live(worker)
        if not report.lease_live:
            assert not report.claimed
            return multiple()
        assert report.cancels == asked
        ends = [(end.job, end.epoch, end.settlement) for end in batch]
        assert report.lost == self.model.settle(ends, worker)
        claimed = self.model.claim(worker, slots)
        assert [
            (one.job, one.epoch, one.deliveries, one.failures, one.crashes)
            for one in report.claimed
        ] == [(job.number, *job.standing[1:]) for job in claimed]
        return multiple(*[(worker, delivery) for delivery in report.claimed])


def _ended(taken: Delivery, outcome: Outcome, policy: Retry) -> Ended:
    counts = Counts(deliveries=taken.deliveries, failures=taken.failures, crashes=taken.crashes)
    result = outcome.result if isinstance(outcome, Succeeded) else None
    return Ended(taken.job, taken.epoch, 5, decide(outcome, counts, policy, 0.0), result)


StoreAgainstModel.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# By far the longest test: its time limit is for a machine that is busy with other things as well.
test_the_store_does_what_the_model_says = pytest.mark.timeout(900)(StoreAgainstModel.TestCase)
