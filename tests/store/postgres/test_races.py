"""Two moves of the same job at the same time, on connections of their own: one of them wins.

`Rival` holds a plan in the middle of its transaction, as long as the test likes.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from postgres_server import ask, connect, shared_schema

from jobhost.jobs.outcomes import DeadLettered, Released, Snoozed, Succeeded
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement, run
from jobhost.store.plans import enqueue, nodes, operate, stage
from jobhost.store.plans.cycle import CycleReport, Wanted, claim_one
from jobhost.store.plans.operate import CancelResult
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.hints import FLOOR_SECONDS
from jobhost.store.postgres.hot import hot_plans

from ..conftest import Direct
from ..conservation import assert_conserved
from ..world import FAILED, LEASE, QUEUE, TASK, World, ended
from .stage_hands import GUARD_SECONDS

pytestmark = [
    pytest.mark.parametrize("dialect", ["postgres"], indirect=True),
    pytest.mark.parametrize("world", [Direct], indirect=True, ids=[""]),
]

T = TypeVar("T")

LEASE_US = LEASE // timedelta(microseconds=1)
LATER = Retry(first_delay="1s")
LONG = timedelta(days=1)
LATE_IDS = [bytes([7] * 15 + [at]) for at in range(3)]


class Rival:
    """A connection beside the world's own.

    Args:
        world: Whose store it leads to.
    """

    def __init__(self, world: World) -> None:
        self.connection = PostgresConnection(world.store.target)
        self._thread = ThreadPoolExecutor(1)
        self._beside = connect()

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """As the runner does."""
        return run(self.connection, make)

    @contextmanager
    def open(self, make: Callable[[], Plan[T]]) -> Iterator[T]:
        """All statements of a plan as one transaction, which is committed after the block."""
        self.connection.begin()
        result = self._drive(make())
        try:
            yield result
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def undo(self, make: Callable[[], Plan[T]]) -> T:
        """The same, and then rolled back."""
        self.connection.begin()
        result = self._drive(make())
        self.connection.rollback()
        return result

    def wait_for(self, make: Callable[[], Plan[T]]) -> "Future[T]":
        """Begin a plan that has to wait for a lock; returns when it does."""
        self.connection.begin()
        raw = self.connection.raw
        assert raw is not None
        backend = raw.info.backend_pid
        future = self._thread.submit(self.write, make)
        end = threading.Event()
        for _ in range(int(GUARD_SECONDS * 1000)):
            row = self._beside.execute("SELECT pg_blocking_pids(%s)", [backend]).fetchone()
            if row and row[0]:
                return future
            assert not future.done(), f"it did not wait: {future.result()}"
            end.wait(0.001)
        raise AssertionError("it neither waits nor ends")

    def close(self) -> None:
        self._thread.shutdown()
        self.connection.close()
        self._beside.close()

    def _drive(self, plan: Plan[T]) -> T:
        try:
            statement = next(plan)
            while True:
                statement = plan.send(self.connection.execute(statement._replace(alone=False)))
        except StopIteration as end:
            result: T = end.value
            return result


@pytest.fixture
def rival(world: World) -> Iterator[Rival]:
    made = Rival(world)
    yield made
    made.close()


@pytest.fixture
def third(world: World) -> Iterator[Rival]:
    made = Rival(world)
    yield made
    made.close()


def cycle_of(
    world: World, node: int, *batch: Ended, slots: int = 0
) -> Callable[[], Plan[CycleReport]]:
    hot = hot_plans()
    wanted = Wanted(node=node, queues=[QUEUE], tasks=json.dumps([TASK]), slots=slots)
    return lambda: hot.cycle(batch, wanted)


def rescue_of(node: int, rescuer: int, *, died: bool = True) -> Callable[[], Plan[Any]]:
    order = nodes.Rescue(node=node, worker="here:1", rescuer=rescuer, died=died)
    return lambda: nodes.rescue(order)


def cancels() -> list[tuple[Any, ...]]:
    return ask(f"SELECT job FROM {shared_schema()}.cancellation")


# --- cancel


@pytest.mark.parametrize(
    ("outcome", "retry"),
    [
        (FAILED, LATER),
        (FAILED, Retry(first_delay="0s")),
        (Snoozed(delay_seconds=9), Retry()),
        (Released(), Retry()),
    ],
)
def test_a_cancel_that_comes_while_a_job_goes_back_is_obeyed_at_once(
    world: World, rival: Rival, third: Rival, outcome: Any, retry: Retry
) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    with third.open(lambda: operate.cancel(job_id, "not wanted")) as result:
        assert result is CancelResult.REQUESTED
        end = ended(delivery, outcome, retry=retry)
        report = rival.wait_for(cycle_of(world, node, end))
    assert report.result().lost == []
    assert world.state(job_id) is State.CANCELLED
    assert cancels() == []


def test_a_cancel_that_comes_while_a_job_is_rescued_is_obeyed_at_once(
    world: World, rival: Rival, third: Rival
) -> None:
    node, rescuer = world.node(), world.node()
    job_id, _ = world.running(node)
    with third.open(lambda: operate.cancel(job_id, "not wanted")) as result:
        assert result is CancelResult.REQUESTED
        report = rival.wait_for(rescue_of(node, rescuer))
    assert (report.result().returned, report.result().ended) == (0, 1)
    assert world.state(job_id) is State.CANCELLED


def test_a_cancel_that_comes_while_a_job_succeeds_changes_nothing_and_leaves_nothing(
    world: World, rival: Rival, third: Rival
) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    with third.open(lambda: operate.cancel(job_id, "not wanted")) as result:
        assert result is CancelResult.REQUESTED
        report = rival.wait_for(cycle_of(world, node, ended(delivery)))
    assert report.result().lost == []
    assert world.state(job_id) is State.SUCCEEDED
    assert world.heartbeat(node)
    assert cancels() == []


def test_a_cancel_waits_for_a_claim_and_then_asks_the_worker(
    world: World, rival: Rival, third: Rival
) -> None:
    (job_id,) = world.enqueue()
    node = world.node()
    with third.open(cycle_of(world, node, slots=1)) as report:
        assert len(report.claimed) == 1
        result = rival.wait_for(lambda: operate.cancel(job_id, "not wanted"))
    assert result.result() is CancelResult.REQUESTED
    assert world.cycle(node, ended(report.claimed[0], FAILED, retry=LATER)).lost == []
    assert world.state(job_id) is State.CANCELLED


def test_a_job_that_is_just_cancelled_is_not_claimed_and_its_neighbours_are(
    world: World, third: Rival
) -> None:
    first, second, last = world.enqueue(3)
    node = world.node()
    with third.open(lambda: operate.cancel(second, "not wanted")) as result:
        assert result is CancelResult.CANCELLED
        assert [taken.id for taken in world.claim(node)] == [first, last]
    assert world.claim(node) == []


def test_a_cancel_that_is_not_carried_through_leaves_the_job_to_be_claimed(
    world: World, third: Rival
) -> None:
    (job_id,) = world.enqueue()
    assert third.undo(lambda: operate.cancel(job_id, "not wanted")) is CancelResult.CANCELLED
    assert [taken.id for taken in world.claim(world.node())] == [job_id]


@pytest.mark.parametrize("state", ["ready", "scheduled", "blocked", "running"])
def test_of_two_cancels_one_counts_and_the_other_comes_too_late(
    world: World, rival: Rival, third: Rival, state: str
) -> None:
    task = "strange" if state == "blocked" else TASK
    (job_id,) = world.enqueue(task=task, delay_us=10**9 if state == "scheduled" else None)
    node = world.node()
    if state == "running":
        world.claim(node)
    world.stage()
    assert world.state(job_id) == state
    with third.open(lambda: operate.cancel(job_id, "first")):
        second = rival.wait_for(lambda: operate.cancel(job_id, "second"))
    if state == "running":
        assert second.result() is CancelResult.REQUESTED
        assert world.cycle(node).cancels
        return
    assert second.result() is CancelResult.TOO_LATE
    assert world.show(job_id).reason == "first"


# --- redrive


def test_of_many_redrives_at_once_one_sends_the_job_back(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, DeadLettered(reason="no")))
    rivals = [Rival(world) for _ in range(6)]
    gate = threading.Barrier(len(rivals))

    def redrive(one: Rival) -> Any:
        gate.wait(GUARD_SECONDS)
        return one.write(lambda: operate.redrive(job_id))

    with ThreadPoolExecutor(len(rivals)) as threads:
        results = list(threads.map(redrive, rivals))
    for one in rivals:
        one.close()
    assert sorted(result.done for result in results) == [False] * 5 + [True]
    assert {result.state for result in results} == {State.READY}
    assert len(world.claim(node)) == 1
    assert len(world.attempts(job_id)) == 1


# --- rescue, leases


def test_a_completion_that_comes_while_its_node_is_rescued_is_refused(
    world: World, rival: Rival, third: Rival
) -> None:
    node, rescuer = world.node(), world.node()
    job_id, delivery = world.running(node)
    with third.open(rescue_of(node, rescuer)) as report:
        assert report.returned == 1
        late = rival.wait_for(cycle_of(world, node, ended(delivery)))
    assert late.result().lost == [delivery.job] or not late.result().lease_live
    assert world.state(job_id) is State.READY
    assert [attempt.outcome for attempt in world.attempts(job_id)] == ["crashed"]


@pytest.mark.parametrize("outcome", [Succeeded("1"), FAILED])
def test_a_rescue_that_comes_while_a_job_completes_leaves_it_completed(
    world: World, rival: Rival, third: Rival, outcome: Any
) -> None:
    node, rescuer = world.node(), world.node()
    job_id, delivery = world.running(node)
    with third.open(cycle_of(world, node, ended(delivery, outcome, retry=LATER))) as report:
        assert report.lost == []
        rescue = rival.wait_for(rescue_of(node, rescuer))
    assert rescue.result().total == 0
    assert world.state(job_id) is not State.READY
    assert len(world.attempts(job_id)) == 1


def test_what_a_node_claimed_while_it_was_buried_is_rescued_as_an_orphan(
    world: World, third: Rival
) -> None:
    world.enqueue(2)
    node, rescuer = world.node(), world.node()
    with third.open(cycle_of(world, node, slots=1)) as report:
        assert world.rescue(node, rescuer).total == 0
    assert len(report.claimed) == 1
    assert world.read(nodes.orphans) == [node]
    assert world.rescue(node, rescuer, died=False).returned == 1
    assert not world.cycle(node, ended(report.claimed[0])).lease_live
    assert len(world.claim(rescuer)) == 2


def test_a_heartbeat_that_comes_while_its_node_is_buried_renews_nothing(
    world: World, rival: Rival, third: Rival
) -> None:
    node, rescuer = world.node(), world.node()
    with third.open(rescue_of(node, rescuer)):
        pulse = rival.wait_for(lambda: nodes.heartbeat(node, LEASE_US))
    assert not pulse.result().renewed


def test_a_heartbeat_in_the_last_moment_saves_the_node(
    world: World, rival: Rival, third: Rival
) -> None:
    rescuer = world.node(lease=LONG)
    node = world.node()
    job_id, delivery = world.running(node)
    world.move(seconds=29)
    with third.open(lambda: nodes.heartbeat(node, LEASE_US)) as pulse:
        assert pulse.renewed
        world.move(seconds=2)
        rescue = rival.wait_for(rescue_of(node, rescuer, died=False))
    assert rescue.result().total == 0
    assert world.cycle(node, ended(delivery)).lost == []
    assert world.state(job_id) is State.SUCCEEDED


def test_two_rescuers_of_one_node_share_its_jobs(world: World, rival: Rival, third: Rival) -> None:
    world.enqueue(5)
    node, one, other = world.node(), world.node(), world.node()
    world.claim(node)
    with third.open(rescue_of(node, one)) as report:
        second = rival.wait_for(rescue_of(node, other))
    assert (report.returned, second.result().total) == (5, 0)
    assert len(world.claim(one)) == 5


@pytest.mark.parametrize("steps_before", range(1, 12))
def test_a_lease_that_ends_between_two_statements_leaves_each_job_in_one_place(
    world: World, steps_before: int
) -> None:
    """The clock goes on within a transaction, which has one answer to whether it may write."""
    node, rescuer = world.node(), world.node(lease=LONG)
    ids = world.enqueue(4)
    outcomes = [DeadLettered(reason="no"), FAILED, Released(), Succeeded("1")]
    batch = [
        ended(delivery, outcome, retry=LATER)
        for delivery, outcome in zip(world.claim(node), outcomes, strict=True)
    ]

    def ticking() -> Plan[CycleReport]:
        plan = cycle_of(world, node, *batch)()
        statement = next(plan)
        for at in range(1, 100):
            reply = yield statement
            if at == steps_before:
                world.move(seconds=31)
            try:
                statement = plan.send(reply)
            except StopIteration as end:
                return end.value
        raise AssertionError("endless")

    report = world.write(ticking)
    assert_conserved(world.query)
    told = {job_id: len(world.attempts(job_id)) for job_id in ids}
    running = [job_id for job_id in ids if world.state(job_id) is State.RUNNING]
    assert all(told[job_id] == (job_id not in running) for job_id in ids)
    assert world.rescue(node, rescuer, died=False).total == len(running)
    if report.lease_live:
        assert len(running) == len(report.lost)


# --- claims


@pytest.mark.requirement("R-COMP-1")
@pytest.mark.requirement("R-COMP-2")
def test_many_claimers_at_once_share_thousands_of_jobs_and_none_twice(world: World) -> None:
    total, threads = 3000, 8
    for priority in (0, 5, -5):
        world.enqueue(total // 3, priority=priority)
    left, mutex, claimed = [total], threading.Lock(), []

    def work(number: int) -> None:
        rival, node, hot = Rival(world), world.node(lease=LONG), hot_plans()
        wanted = Wanted(node=node, queues=[QUEUE], tasks=json.dumps([TASK]), slots=5 + number * 7)
        batch: list[Ended] = []
        mine: list[Delivery] = []
        while left[0] > 0:
            report = rival.write(lambda batch=batch: hot.cycle(batch, wanted))
            assert report.lost == []
            batch = [
                ended(
                    delivery, Released() if delivery.epoch == 1 and not delivery.seq % 50 else None
                )
                for delivery in report.claimed
            ]
            mine += [d for d in report.claimed if d.lane == 1]
            with mutex:
                claimed.extend((delivery.job, delivery.epoch) for delivery in report.claimed)
                left[0] -= sum(end.settlement.target is State.SUCCEEDED for end in batch)
        rival.write(lambda: hot.cycle(batch, wanted))
        rival.close()
        order = [(-delivery.priority, delivery.seq) for delivery in mine]
        assert order == sorted(order), "a worker was given jobs out of their order"

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert len(claimed) == len(set(claimed))
    assert len({job for job, _ in claimed}) == total
    states = world.query("SELECT state, count(*) FROM jobhost_done GROUP BY state")
    assert states == [("succeeded", total)]


def test_one_job_by_its_id_leaves_another_with_the_same_place_alone(world: World) -> None:
    """Places drawn by several at once may be equal."""
    wanted, other = world.enqueue(2)
    schema, node = shared_schema(), world.node()
    ask(f"UPDATE {schema}.ready SET seq = (SELECT min(number) FROM {schema}.job)")
    delivery = world.write(lambda: claim_one(wanted, TASK, node))
    assert delivery is not None
    assert world.state(other) is State.READY
    assert [taken.id for taken in world.claim(node)] == [other]


def test_the_same_id_from_two_producers_at_once_is_one_job(
    world: World, rival: Rival, third: Rival
) -> None:
    job = enqueue.NewJob(b"\x01" * 16, "[]", None)
    batch = enqueue.Batch(task=TASK, queue=QUEUE, priority=0, jobs=[job])
    with third.open(lambda: world.store.hot.enqueue(batch)) as first:
        second = rival.wait_for(lambda: world.store.hot.enqueue(batch))
    assert (first, second.result()) == (1, 0)
    assert len(world.claim(world.node())) == 1


def test_an_id_whose_first_producer_gave_up_is_accepted_from_the_second(
    world: World, rival: Rival, third: Rival
) -> None:
    job = enqueue.NewJob(b"\x01" * 16, "[]", None)
    batch = enqueue.Batch(task=TASK, queue=QUEUE, priority=0, jobs=[job])
    with (
        pytest.raises(KeyboardInterrupt),
        third.open(lambda: world.store.hot.enqueue(batch)),
    ):
        second = rival.wait_for(lambda: world.store.hot.enqueue(batch))
        raise KeyboardInterrupt
    assert second.result() == 1
    assert len(world.claim(world.node())) == 1


# --- late commits


class Looks:
    """A worker whose hints have a clock of their own."""

    def __init__(self, world: World) -> None:
        self.now = 1000.0
        self.seqs: list[int] = []
        self._world = world
        self._hot = hot_plans(lambda: self.now)
        self._node = world.node(lease=LONG)
        self._batch: list[Ended] = []

    def claim(self, slots: int) -> list[bytes]:
        """One cycle; it completes what the last one claimed."""
        wanted = Wanted(node=self._node, queues=[QUEUE], tasks=json.dumps([TASK]), slots=slots)

        def noted() -> Plan[CycleReport]:
            plan = self._hot.cycle(self._batch, wanted)
            statement = next(plan)
            while True:
                if statement.name == "cycle":
                    self.seqs = list(statement.params["seqs"].values)
                reply = yield statement
                try:
                    statement = plan.send(reply)
                except StopIteration as end:
                    return end.value

        report = self._world.write(noted)
        self._batch = [ended(delivery) for delivery in report.claimed]
        return [delivery.id for delivery in report.claimed]


def _batch_of(count: int) -> enqueue.Batch:
    jobs = [enqueue.NewJob(job_id, "[]", None) for job_id in LATE_IDS[:count]]
    return enqueue.Batch(task=TASK, queue=QUEUE, priority=0, jobs=jobs)


@pytest.mark.parametrize("reader", [False, True])
@pytest.mark.parametrize("slots", [1, 3, 100])
def test_jobs_that_commit_after_younger_ones_were_claimed_are_claimed_within_a_second(
    world: World, third: Rival, slots: int, reader: bool
) -> None:
    looks, snapshot = Looks(world), connect()
    if reader:
        snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot.execute(f"SELECT count(*) FROM {shared_schema()}.ready")
    late = _batch_of(3)
    with third.open(lambda: world.store.hot.enqueue(late)):
        world.enqueue(1000)
        for _ in range(5):
            looks.claim(slots)
            looks.now += FLOOR_SECONDS / 3
    found: list[bytes] = []
    began = looks.now
    while len(found) < 3:
        found += [job_id for job_id in looks.claim(slots) if job_id in LATE_IDS]
        looks.now += FLOOR_SECONDS / 10
        assert looks.now - began < 1.0, "not looked for in time"
    snapshot.close()


def test_a_reader_with_an_old_snapshot_does_not_keep_claims_walking_over_the_dead(
    world: World,
) -> None:
    with closing(connect()) as snapshot:
        snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot.execute(f"SELECT count(*) FROM {shared_schema()}.ready")
        looks, ids = Looks(world), world.enqueue(100)
        claimed: list[bytes] = []
        for _ in range(10):
            claimed += looks.claim(10)
            looks.now += FLOOR_SECONDS
        assert claimed == ids
        # Whoever else writes on this server is waited for, the tests of other processes included.
        end = time.monotonic() + GUARD_SECONDS
        while max(looks.seqs) <= 50:
            assert time.monotonic() < end, "claims walk over the dead for ever"
            looks.now += FLOOR_SECONDS
            assert looks.claim(10) == []


def test_a_producer_that_stands_still_between_its_seq_and_its_row_is_waited_for(
    world: World, rival: Rival
) -> None:
    schema = shared_schema()
    ask(
        f"CREATE FUNCTION {schema}.stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF new.queue = 'default' AND new.payload = '[]' THEN "
        "PERFORM pg_advisory_xact_lock(4711); END IF; RETURN new; END $$"
    )
    ask(
        f"CREATE TRIGGER stand_still BEFORE INSERT ON {schema}.job "
        f"FOR EACH ROW EXECUTE FUNCTION {schema}.stand_still()"
    )
    looks, holder = Looks(world), connect()
    try:
        holder.execute("SELECT pg_advisory_lock(4711)")
        late = rival.wait_for(lambda: world.store.hot.enqueue(_batch_of(1)))
        world.enqueue(40)
        for _ in range(6):
            assert len(looks.claim(5)) == 5
            looks.now += FLOOR_SECONDS
        holder.close()
        assert late.result() == 1
        assert LATE_IDS[0] in looks.claim(5)
    finally:
        holder.close()
        ask(f"DROP FUNCTION {schema}.stand_still CASCADE")


# --- tasks that nobody serves


def test_stagers_at_once_set_aside_and_bring_back_each_job_once(world: World) -> None:
    world.node("known")
    ids = world.enqueue(300, task="strange") + world.enqueue(300, task="known")
    gate = threading.Barrier(4)

    def pass_by(_: int) -> stage.StageReport:
        rival = Rival(world)
        gate.wait(GUARD_SECONDS)
        report = rival.write(lambda: stage.stage([QUEUE]))
        rival.close()
        return report

    with ThreadPoolExecutor(4) as threads:
        parked = [report.parked for report in threads.map(pass_by, range(4))]
        assert sum(parked) == 300
        world.node("strange")
        back = [report.unparked for report in threads.map(pass_by, range(4))]
        assert sum(back) == 300
    both = world.node("known", "strange")
    claimed = world.claim(both, slots=1000, tasks=("known", "strange"))
    assert sorted(delivery.id for delivery in claimed) == sorted(ids)
    assert {delivery.task for delivery in claimed[:300]} == {"strange"}


def test_a_claim_and_a_stager_at_once_do_not_take_the_same_job(world: World, third: Rival) -> None:
    world.enqueue(task="strange")
    node = world.node("known")
    with third.open(lambda: stage.stage([QUEUE])) as report:
        assert report.parked == 1
        assert world.claim(node, tasks=("strange",)) == []
    assert world.claim(node, tasks=("strange",)) == []


def test_a_cancel_waits_for_the_stager_and_ends_the_job_where_it_stands_then(
    world: World, rival: Rival, third: Rival
) -> None:
    (job_id,) = world.enqueue(delay_us=1)
    world.move(seconds=1)
    with third.open(lambda: stage.stage([QUEUE])) as report:
        assert report.staged == 1
        result = rival.wait_for(lambda: operate.cancel(job_id, "not wanted"))
    assert result.result() is CancelResult.CANCELLED
    assert world.claim(world.node()) == []


def test_a_statement_that_is_not_alone_in_its_transaction_is_undone_with_it(
    world: World, rival: Rival
) -> None:
    def broken() -> Plan[None]:
        yield from world.store.hot.enqueue(_batch_of(3))
        yield Statement("hold_lease", {"node": 1})
        raise ZeroDivisionError

    def first_a_look() -> Plan[None]:
        yield Statement("hold_lease", {"node": 1})
        yield from broken()

    with pytest.raises(ZeroDivisionError):
        rival.write(first_a_look)
    assert world.query("SELECT count(*) FROM jobhost_job") == [(0,)]
