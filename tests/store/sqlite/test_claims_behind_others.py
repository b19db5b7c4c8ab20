"""Claims of a worker that comes by jobs which it cannot take."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobhost.clock import ManualClock
from jobhost.errors import StoreBusy
from jobhost.ids import new_ids
from jobhost.jobs.outcomes import Counts, Released, decide
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.store.plan import Plan
from jobhost.store.plans import queues
from jobhost.store.plans.cycle import CycleReport, Wanted
from jobhost.store.plans.enqueue import Batch, NewJob, enqueue
from jobhost.store.plans.nodes import NewNode, register
from jobhost.store.sqlite.hot import HEAD_SECONDS, LOOK_SECONDS, Claims
from jobhost.store.sqlite.store import SqliteStore


class Counter:
    """A worker that knows some tasks, and the statements of its last cycle."""

    def __init__(self, store: SqliteStore, *tasks: str) -> None:
        self._store, self.tasks = store, json.dumps(tasks)
        self.now = 0.0
        self._claims = Claims(lambda: self.now)
        new = NewNode(
            id=tasks[0], host="here", pid=1, version="1", slots=1, queues=["default"],
            tasks=list(tasks), lease_us=10**15,
        )  # fmt: skip
        self.node = store.write(lambda: register(new))
        self.asked: list[str] = []

    def cycle(self, slots: int, ended: tuple[Ended, ...] = ()) -> list[Delivery]:
        """What it claims."""
        wanted = Wanted(node=self.node, queues=["default"], tasks=self.tasks, slots=slots)
        self.asked = []
        report = self._store.write(lambda: self._noted(self._claims.cycle(ended, wanted)))
        return report.claimed

    def _noted(self, plan: Plan[CycleReport]) -> Plan[CycleReport]:
        reply: Any = None
        try:
            while True:
                statement = plan.send(reply)
                self.asked.append(statement.name)
                reply = yield statement
        except StopIteration as end:
            report: CycleReport = end.value
            return report


def accept(store: SqliteStore, task: str, count: int = 1, priority: int = 0) -> None:
    jobs = [NewJob(bytes(one), "[]", None) for one in new_ids(count)]
    batch = Batch(task=task, queue="default", priority=priority, jobs=jobs)
    store.write(lambda: enqueue(batch))


@contextmanager
def fresh_store() -> Iterator[SqliteStore]:
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "jobs.db", ManualClock(), synchronous="NORMAL")
        yield store
        store.close()


def test_a_claim_is_one_look_as_long_as_it_comes_by_nothing(store: SqliteStore) -> None:
    worker = Counter(store, "mine")
    accept(store, "mine", 10)
    for _ in range(5):
        worker.cycle(2)
        assert [name for name in worker.asked if "claim" in name] == ["claim_ready"]
        assert "ends_of_lines" not in worker.asked


def test_jobs_that_were_passed_by_are_not_looked_at_by_the_next_claims(store: SqliteStore) -> None:
    worker = Counter(store, "mine")
    accept(store, "others", 100)
    accept(store, "mine", 10)
    assert len(worker.cycle(2)) == 2
    for _ in range(4):
        assert len(worker.cycle(2)) == 2
        assert "claim_ready" not in worker.asked
    assert worker.cycle(2) == []
    accept(store, "mine")
    assert len(worker.cycle(2)) == 1
    assert "claim_ready" not in worker.asked


def test_a_worker_that_knows_more_tasks_than_before_looks_at_all_again(store: SqliteStore) -> None:
    worker = Counter(store, "mine")
    accept(store, "others")
    accept(store, "mine")
    assert len(worker.cycle(1)) == 1
    worker.tasks = json.dumps(["mine", "others"])
    assert len(worker.cycle(1)) == 1


def test_once_a_minute_a_claim_begins_at_the_head(store: SqliteStore) -> None:
    worker = Counter(store, "mine")
    accept(store, "others")
    worker.cycle(1)
    worker.now = HEAD_SECONDS - 1
    worker.cycle(1)
    assert "claim_ready" not in worker.asked
    worker.now = HEAD_SECONDS
    worker.cycle(1)
    assert "claim_ready" in worker.asked


def test_nothing_of_a_paused_queue_is_taken_for_passed_by(store: SqliteStore) -> None:
    worker = Counter(store, "mine")
    accept(store, "others")
    accept(store, "mine", 3)
    worker.cycle(1)
    store.write(lambda: queues.pause_queue("default", None))
    worker.now = LOOK_SECONDS
    assert worker.cycle(5) == []
    store.write(lambda: queues.resume_queue("default"))
    assert len(worker.cycle(5)) == 2


def test_what_a_transaction_has_seen_that_failed_is_not_believed(store: SqliteStore) -> None:
    worker = Counter(store, "mine")
    accept(store, "others")
    accept(store, "mine", 3)
    session = store.session()
    wanted = Wanted(node=worker.node, queues=["default"], tasks='["mine"]', slots=2)

    def failing() -> Plan[CycleReport]:
        yield from session.hot.cycle((), wanted)
        raise StoreBusy("at the end")

    with pytest.raises(StoreBusy):
        session.write(failing)
    report = session.write(lambda: session.hot.cycle((), wanted))
    assert [job.job for job in report.claimed] == [3, 4]
    session.close()


steps = some.lists(
    some.one_of(
        some.tuples(
            some.just("accept"), some.sampled_from("ab"), some.integers(1, 4), some.integers(-1, 1)
        ),
        some.tuples(some.just("claim"), some.sampled_from("ab"), some.integers(1, 3)),
        some.tuples(some.just("hand back"), some.sampled_from("ab")),
        some.tuples(some.just("wait"), some.sampled_from([LOOK_SECONDS, HEAD_SECONDS])),
    ),
    max_size=40,
)


@given(steps)
def test_every_claim_takes_what_stands_first_of_what_the_worker_knows(
    given: list[tuple[Any, ...]],
) -> None:
    with fresh_store() as store:
        workers = {task: Counter(store, task) for task in "ab"}
        held: dict[str, list[Delivery]] = {"a": [], "b": []}
        session = store.session()
        look = session._connection.raw

        def waiting(task: str) -> list[int]:
            found = look.execute(
                "SELECT job FROM jobhost_ready WHERE task = ? ORDER BY priority DESC, lane, seq",
                (task,),
            )
            return [job for (job,) in found]

        for what, *details in given:
            if what == "accept":
                accept(store, *details)
            elif what == "claim":
                task, slots = details
                expected = waiting(task)[:slots]
                claimed = workers[task].cycle(slots)
                assert [job.job for job in claimed] == expected
                held[task] += claimed
            elif what == "hand back":
                (task,) = details
                back = decide(Released(), Counts(failures=0, crashes=0), Retry(), 0.0)
                ended = tuple(Ended(job.job, job.epoch, 1, back) for job in held[task])
                workers[task].cycle(0, ended)
                held[task] = []
            else:
                for worker in workers.values():
                    worker.now += details[0]
        session.close()
