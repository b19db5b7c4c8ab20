"""Ageing of priorities: what waits for long is raised, and runs within a bound."""

from datetime import timedelta
from typing import Any

import pytest

from jobhost.jobs.ageing import PARTS
from jobhost.jobs.queues import stored_changes
from jobhost.jobs.states import State
from jobhost.store.plans import ageing, look, nodes, queues
from jobhost.store.plans.ageing import AgeingReport, ageing_queues, raise_waiting

from ..world import FAILED, QUEUE, World, ended

LONG = timedelta(days=30)
AGE = timedelta(minutes=10)
PART = AGE / PARTS


def set_queue(world: World, name: str = QUEUE, **settings: Any) -> None:
    changes = stored_changes(settings)
    world.write(lambda: queues.set_queue(name, changes))


def age(world: World, name: str = QUEUE) -> AgeingReport:
    return world.write(lambda: raise_waiting(name))


def wait(world: World, span: timedelta = AGE, name: str = QUEUE) -> int:
    """Let time go on, with a pass after each part of an age; how many were raised."""
    raised = 0
    for _ in range(-(-span // PART)):
        world.move(seconds=PART.total_seconds())
        raised += age(world, name).raised
    return raised


def in_line(world: World, queue: str = QUEUE) -> list[bytes]:
    """Ids in the order in which they are claimed."""
    return [bytes(job.id.bytes) for job in world.read(lambda: look.peek(queue, 1000))]


def places(world: World) -> dict[int, list[int]]:
    """Jobs by the priority at which they wait, in order."""
    rows = world.query("SELECT priority, job FROM jobhost_ready ORDER BY priority, lane, seq")
    found: dict[int, list[int]] = {}
    for priority, job in rows:
        found.setdefault(priority, []).append(job)
    return found


def number(world: World, job_id: bytes) -> int:
    return world.show(job_id).number


@pytest.mark.requirement("R-PRIO-3")
def test_a_low_job_under_constant_high_load_runs_within_the_bound(world: World) -> None:
    """Each job that ends is followed by two more of high priority: without ageing it never runs."""
    node = world.node(lease=LONG)
    set_queue(world, raise_priority_after=AGE)
    world.enqueue(5, priority=9)
    age(world)
    (low,) = world.enqueue(priority=-9)
    began = world.clock.now()
    while world.state(low) is State.READY:
        (delivery,) = world.claim(node, slots=1)
        world.cycle(node, ended(delivery))
        world.enqueue(2, priority=9)
        world.move(seconds=PART.total_seconds())
        age(world)
        assert world.clock.now() - began <= 3 * AGE / timedelta(microseconds=1)
    assert world.clock.now() - began >= AGE / timedelta(microseconds=1)


def test_without_an_age_nothing_is_raised(world: World) -> None:
    node = world.node(lease=LONG)
    world.enqueue()
    world.enqueue(priority=5)
    assert world.read(lambda: ageing_queues(node)) == []
    for _ in range(3 * PARTS):
        world.move(seconds=PART.total_seconds())
        assert age(world) == AgeingReport()
    assert [*places(world)] == [0, 5]
    set_queue(world, raise_priority_after=AGE)
    assert world.read(lambda: ageing_queues(node)) == [QUEUE]
    set_queue(world, raise_priority_after=None)
    assert world.read(lambda: ageing_queues(node)) == []


def test_a_job_is_raised_after_its_age_and_not_before(world: World) -> None:
    set_queue(world, raise_priority_after=AGE)
    (low,) = world.enqueue()
    (high,) = world.enqueue(priority=5)
    assert age(world).raised == 0
    world.move(seconds=AGE.total_seconds(), microseconds=-1)
    assert age(world).raised == 0
    world.move(microseconds=1)
    assert age(world).raised == 1
    assert in_line(world) == [high, low]
    assert places(world) == {5: [number(world, high), number(world, low)]}


def test_it_climbs_one_priority_in_use_for_each_age_up_to_the_highest(world: World) -> None:
    set_queue(world, raise_priority_after=AGE)
    age(world)
    (low,) = world.enqueue(priority=-100)
    stays = [world.enqueue(priority=priority)[0] for priority in (0, 40, 100)]
    seen = []
    for _ in range(5):
        wait(world, AGE + PART)
        (at,) = [prio for prio, jobs in places(world).items() if number(world, low) in jobs]
        seen.append(at)
    assert seen[:3] == [0, 40, 100]
    assert seen[-1] == 100
    assert in_line(world)[0] == stays[-1]


def test_within_a_priority_first_in_is_first_out(world: World) -> None:
    set_queue(world, raise_priority_after=AGE)
    age(world)
    high = world.enqueue(2, priority=5)
    low = world.enqueue(20)
    assert wait(world, AGE + PART) == 20
    later = world.enqueue(2, priority=5)
    assert in_line(world) == [*high, *low, *later]


def test_what_nothing_stands_before_is_left_in_peace(world: World) -> None:
    set_queue(world, raise_priority_after=AGE)
    world.enqueue(3)
    world.enqueue(3, queue="other", priority=9)
    assert wait(world, 3 * AGE) == 0


def test_a_priority_that_only_runs_is_in_use_too(world: World) -> None:
    """High jobs that come one by one, each as a slot is free, are seldom seen to wait."""
    node = world.node(lease=LONG)
    set_queue(world, raise_priority_after=AGE)
    age(world)
    world.enqueue(priority=5)
    assert len(world.claim(node)) == 1
    (low,) = world.enqueue()
    assert wait(world, AGE + PART) == 1
    world.enqueue(priority=5)
    (next_one,) = world.claim(node, slots=1)
    assert next_one.id == low


def test_a_raised_job_keeps_its_counts_and_can_be_cancelled_expired_and_claimed(
    world: World,
) -> None:
    node = world.node(lease=LONG)
    set_queue(world, raise_priority_after=AGE)
    _, delivery = world.running(node)
    again = delivery.id
    world.cycle(node, ended(delivery, FAILED))
    world.move(minutes=30)
    world.stage()
    age(world)
    cancelled, kept = world.enqueue(2)
    high = world.enqueue(1, priority=5)
    assert wait(world, AGE + PART) == 3
    assert world.show(again).failures == 1
    world.cancel(cancelled)
    assert world.state(cancelled) is State.CANCELLED
    claimed = world.claim(node)
    assert [one.id for one in claimed] == [*high, again, kept]
    assert {one.priority for one in claimed} == {5}
    assert [(one.deliveries, one.failures) for one in claimed] == [(1, 0), (2, 1), (1, 0)]
    report = world.cycle(node, *map(ended, claimed))
    assert report.lost == []
    assert world.state(kept) is State.SUCCEEDED
    assert world.show(kept).priority == 0, "what it was accepted with stays"


def test_a_job_that_was_handed_back_stands_before_fresh_ones_when_it_is_raised(
    world: World,
) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    set_queue(world, raise_priority_after=AGE)
    job_id, _ = world.running(node)
    world.move(seconds=31)
    world.rescue(node, rescuer, died=False)
    (high,) = world.enqueue(priority=5)
    age(world)
    assert wait(world, AGE) == 1
    assert in_line(world) == [job_id, high]


def test_jobs_are_raised_in_bounded_slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ageing, "RAISE_BATCH", 6)
    set_queue(world, raise_priority_after=AGE)
    low = world.enqueue(8)
    middle = world.enqueue(5, priority=1)
    high = world.enqueue(priority=2)
    age(world)
    world.move(seconds=AGE.total_seconds())
    reports = [age(world) for _ in range(4)]
    assert [one.raised for one in reports] == [6, 5, 2, 0]
    assert [one.more for one in reports] == [True, True, False, False]
    assert in_line(world) == [*high, *middle, *low]


def test_what_a_job_waits_while_its_queue_is_shut_does_not_count(world: World) -> None:
    set_queue(world, raise_priority_after=AGE)
    age(world)
    world.enqueue()
    world.enqueue(priority=5)
    wait(world, AGE / 2)
    world.write(lambda: queues.pause_queue(QUEUE, None))
    assert wait(world, 3 * AGE) == 0
    world.write(lambda: queues.resume_queue(QUEUE))
    assert wait(world, AGE) == 0
    assert wait(world, PART) == 1


def test_marks_are_kept_for_the_next_worker(world: World) -> None:
    """A worker that looked after it for a while has died."""
    set_queue(world, raise_priority_after=AGE)
    first, second = world.node(), world.node(lease=LONG)
    assert world.read(lambda: ageing_queues(first)) == [QUEUE]
    assert world.read(lambda: ageing_queues(second)) == []
    age(world)
    world.enqueue()
    world.enqueue(priority=5)
    world.move(seconds=PART.total_seconds())
    age(world)
    world.write(lambda: nodes.leave(first))
    assert world.read(lambda: ageing_queues(second)) == [QUEUE]
    world.move(seconds=AGE.total_seconds())
    assert age(world).raised == 1


def test_a_pass_tells_when_the_next_one_is_due(world: World) -> None:
    set_queue(world, raise_priority_after=AGE)
    part_us = PART // timedelta(microseconds=1)
    assert age(world).due_in_us == part_us
    world.move(seconds=10)
    assert age(world).due_in_us == part_us - 10_000_000
    set_queue(world, raise_priority_after="2s")
    assert age(world).due_in_us == 1_000_000


@pytest.mark.parametrize("wrong", ["0s", "999ms", 10, "soon"])
def test_an_age_that_is_too_short_is_refused(wrong: object) -> None:
    with pytest.raises(Exception, match="raise_priority_after must be"):
        stored_changes({"raise_priority_after": wrong})
