"""Suspects in a worker that no node supervises: when it holds back, and that each runs alone."""

import json
import math
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost import State
from jobhost.clock import microseconds
from jobhost.store.plans.cycle import Wanted
from jobhost.store.plans.nodes import Kind, NewNode, Rescue, register, rescue
from jobhost.worker.membership import Membership
from jobhost.worker.quarantine import HOLD_BACK_SECONDS, HoldBack, Quarantine

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
GUARD_SECONDS = 60.0
SPAN = HOLD_BACK_SECONDS


# --- When it holds back


@given(steps=st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_it_never_holds_back_for_more_than_half_of_the_time(steps):
    hold, now = HoldBack(), 0
    begun = []
    for step in steps:
        now += step
        if hold.may_begin(now):
            hold = HoldBack(now)
            begun.append(now)
        assert hold.holds(now) == (now - begun[-1] < SPAN)
        assert hold.due(now) > now
    assert all(later - sooner >= 2 * SPAN for sooner, later in pairwise(begun))


def test_after_a_suspect_that_ran_long_others_have_their_turn():
    hold = HoldBack(100.0).suspect_ended(5000.0)
    assert not hold.holds(5000.0)
    assert not hold.may_begin(5000.0 + SPAN - 1)
    assert hold.may_begin(5000.0 + SPAN)


def test_after_a_short_suspect_the_next_one_follows():
    hold = HoldBack(100.0).suspect_ended(101.0)
    assert hold == HoldBack(100.0)
    assert hold.holds(102.0)


class Bench:
    """A quarantine whose jobs and store are lists."""

    number = 7

    def __init__(self, *suspects: str, tasks=("task",), lane=False, burst=False) -> None:
        self.waiting = list(suspects)
        self.running = []
        self.suspects = bool(suspects)
        self.writes = 0
        self.executor = self
        self.quarantine = Quarantine(self, self, tasks, lane=lane, burst=burst)

    def is_empty(self) -> bool:
        return not self.running

    def accept(self, deliveries) -> None:
        self.running += deliveries

    def write(self, make):
        """Plays the store for the two plans that a quarantine knows."""
        self.writes += 1
        plan = make()
        if plan.__name__ == "suspect_waits":
            return bool(self.waiting)
        return self.waiting.pop(0) if self.waiting else None

    def turn(self, now: float, *, claims=True, hungry=False) -> bool:
        return self.quarantine.run_if_due(self, now, claims=claims, hungry=hungry)


def test_an_idle_worker_runs_one_suspect_after_the_other_without_holding_back_first():
    bench = Bench("a", "b")
    assert bench.turn(0.0)
    assert bench.running == ["a"]
    assert bench.quarantine.holds_back
    assert not bench.turn(1.0)
    bench.running.clear()
    assert bench.turn(2.0)
    assert bench.running == ["b"]
    bench.running.clear()
    assert not bench.turn(3.0)
    assert not bench.quarantine.holds_back
    assert not bench.suspects


def test_a_busy_worker_claims_nothing_until_it_is_empty_but_not_for_long():
    bench = Bench("a")
    bench.running.append("other")
    for now in (0.0, SPAN - 1):
        assert not bench.turn(now, hungry=True)
        assert bench.quarantine.holds_back
        assert bench.quarantine.due == SPAN
    for now in (SPAN, 2 * SPAN - 1):
        assert not bench.turn(now, hungry=True)
        assert not bench.quarantine.holds_back
        assert bench.quarantine.due == 2 * SPAN
    assert not bench.turn(2 * SPAN, hungry=True)
    assert bench.quarantine.holds_back
    bench.running.clear()
    assert bench.turn(2 * SPAN + 1, hungry=True)
    assert bench.running == ["a"]


def test_jobs_that_came_while_a_suspect_ran_long_go_before_the_next():
    bench = Bench("a", "b")
    assert bench.turn(0.0)
    bench.running.clear()
    assert not bench.turn(3600.0)
    assert not bench.quarantine.holds_back
    assert not bench.turn(3600.1, hungry=True)
    assert bench.turn(3600.2)  # nothing else to do after all
    assert bench.running == ["b"]


def test_nobody_holds_back_for_suspects_that_this_worker_cannot_run():
    bench = Bench()
    bench.suspects = True
    bench.running.append("other")
    assert not bench.turn(0.0, hungry=True)
    assert not bench.quarantine.holds_back
    assert (bench.suspects, bench.writes) == (False, 1)
    assert bench.quarantine.due == math.inf
    assert not bench.turn(1.0, hungry=True)
    assert bench.writes == 1


def test_a_worker_that_drains_or_is_made_for_one_job_runs_no_suspect():
    draining, single = Bench("a"), Bench("a", tasks=(), burst=True)
    assert not draining.turn(0.0, claims=False)
    assert not single.turn(0.0)
    assert draining.writes == single.writes == 0
    assert not draining.quarantine.holds_back
    assert not single.quarantine.unasked


def test_a_burst_asks_for_suspects_before_it_ends():
    bench = Bench(burst=True)
    assert not bench.turn(0.0, hungry=True)
    assert bench.quarantine.unasked
    assert not bench.turn(0.1)
    assert not bench.quarantine.unasked


def test_a_lane_runs_nothing_else_and_is_done_when_none_is_left():
    bench = Bench("a", lane=True)
    bench.suspects = False
    assert bench.quarantine.holds_back
    assert bench.turn(0.0, hungry=True)
    bench.running.clear()
    assert not bench.turn(1.0, hungry=True)
    assert bench.quarantine.done
    assert bench.quarantine.holds_back


# --- With a store


def enter(host, node_id: str, *, queues=("default",), **what) -> int:
    """A node that lives for long and knows all tasks; its number."""
    new = NewNode(
        id=node_id,
        host="elsewhere",
        pid=1,
        version="1",
        slots=100,
        queues=queues,
        tasks=[task.name for task in host.tasks],
        lease_us=microseconds(600.0),
        **what,
    )
    return host.store.write(lambda: register(new))


def in_two_deaths(host, *jobs) -> None:
    """These jobs were twice with a worker that died."""
    write = host.store.session().write
    tasks = [task.name for task in host.tasks]
    rescuer = enter(host, "rescuer")
    for name in ("first", "second"):
        doomed = enter(host, name)
        wanted = Wanted(node=doomed, queues=("default",), tasks=json.dumps(tasks), slots=len(jobs))
        report = write(lambda wanted=wanted: host.store.hot.cycle([], wanted))
        assert len(report.claimed) == len(jobs)
        order = Rescue(node=doomed, worker=name, rescuer=rescuer, died=True)
        write(lambda order=order: rescue(order))
    assert {job.status().state for job in jobs} == {State.BLOCKED}


class Room:
    """Who is in it: a suspect finds nobody, and nobody enters meanwhile."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._inside: list[str] = []
        self.met: list[tuple[str, ...]] = []
        self.order: list[str] = []

    def enter(self, name: str) -> None:
        with self._mutex:
            self._inside.append(name)
            self.order.append(name)
            self.met.append(tuple(self._inside))

    def leave(self, name: str) -> None:
        with self._mutex:
            self._inside.remove(name)


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def visit(host, room):
    """A task whose jobs enter the room."""

    @host.task
    def visit(name: str) -> str:
        room.enter(name)
        room.leave(name)
        return name

    return visit


def test_a_burst_runs_suspects_each_alone_after_all_else(host, visit, room):
    suspects = visit.enqueue_many([(f"suspect-{n}",) for n in range(3)])
    in_two_deaths(host, *suspects)
    others = visit.enqueue_many([(f"other-{n}",) for n in range(20)])

    assert host.worker(burst=True, concurrency=8).run().ended == 23

    assert {job.status().state for job in [*suspects, *others]} == {State.SUCCEEDED}
    assert {name.split("-")[0] for name in room.order[:20]} == {"other"}
    assert room.met[20:] == [("suspect-2",), ("suspect-1",), ("suspect-0",)]
    assert {job.status().crashes for job in suspects} == {0}


def test_a_run_for_one_job_takes_no_suspect(host, visit):
    (suspect,) = visit.enqueue_many([("suspect",)])
    in_two_deaths(host, suspect)

    def nothing(node: int):
        yield from ()

    assert host.worker(burst=True, concurrency=1).run(first=nothing).ended == 0
    assert suspect.status().state is State.BLOCKED


def test_a_busy_worker_stops_claiming_lets_its_jobs_end_and_runs_the_suspect_alone(
    host, visit, room, until
):
    running, go = threading.Event(), threading.Event()

    @host.task
    def hold() -> None:
        room.enter("hold")
        running.set()
        assert go.wait(GUARD_SECONDS)
        room.leave("hold")

    accused = visit.enqueue("suspect")
    in_two_deaths(host, accused)
    held, others = hold.enqueue(), []

    def waits() -> bool:
        others.extend(visit.enqueue_many([("other",)]))
        return len(host.jobs(state="ready")) > 3

    with host.worker(concurrency=4, lease="6s"):
        try:
            assert running.wait(GUARD_SECONDS)
            until(waits)  # from its next heartbeat on, which tells of suspects
        finally:
            go.set()
        assert accused.result(PATIENCE) == "suspect"
        assert [job.result(PATIENCE) for job in others] == ["other"] * len(others)
        held.result(PATIENCE)
    assert [met for met in room.met if "suspect" in met] == [("suspect",)]


def test_an_idle_worker_runs_a_suspect_when_a_heartbeat_tells_of_it(host, visit, room):
    accused = visit.enqueue("suspect")
    in_two_deaths(host, accused)
    with host.worker(lease="6s"):
        assert accused.result(PATIENCE) == "suspect"
        assert visit.enqueue("next").result(PATIENCE) == "next"
    assert room.order == ["suspect", "next"]


def test_a_lane_runs_all_suspects_and_nothing_else(host, visit, room, monkeypatch):
    suspects = visit.enqueue_many([(f"suspect-{n}",) for n in range(3)])
    in_two_deaths(host, *suspects)
    other = visit.enqueue("other")
    node = enter(host, "node", kind=Kind.NODE)

    def enter_lane(member: Membership, profile) -> int:
        """As a node enters its lane: without queues."""
        return enter(host, member.id, queues=[], kind=Kind.LANE, supervisor=node)

    monkeypatch.setattr(Membership, "_register", enter_lane)
    worker = host.worker(concurrency=1)
    monkeypatch.setattr(worker, "_lane", True)

    report = worker.run()

    assert (report.finished, report.ended) == (True, 3)
    assert room.met == [("suspect-2",), ("suspect-1",), ("suspect-0",)]
    assert other.status().state is State.READY
