"""What workers do for a queue, while others claim, cancel, or do the same: one of them wins."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobhost.jobs.queues import stored_changes
from jobhost.jobs.states import State
from jobhost.store.plans import operate
from jobhost.store.plans.ageing import AgeingReport, raise_waiting
from jobhost.store.plans.hours import HoursReport, keep_hours
from jobhost.store.plans.queues import set_queue

from ..conftest import Direct
from ..world import QUEUE, World
from .stage_hands import GUARD_SECONDS
from .test_races import Rival, cycle_of

pytestmark = [
    pytest.mark.parametrize("dialect", ["postgres"], indirect=True),
    pytest.mark.parametrize("world", [Direct], indirect=True, ids=[""]),
]

LONG = timedelta(days=30)


@pytest.fixture
def rival(world: World) -> Iterator[Rival]:
    made = Rival(world)
    yield made
    made.close()


def declare(world: World, **settings: Any) -> None:
    changes = stored_changes(settings)
    world.write(lambda: set_queue(QUEUE, changes))


def age_of(world: World) -> list[bytes]:
    """Three low jobs that have waited for the age, behind a high one."""
    declare(world, raise_priority_after="10s")
    low = world.enqueue(3)
    world.enqueue(priority=5)
    world.write(lambda: raise_waiting(QUEUE))
    world.move(seconds=10)
    return low


def raised(world: World) -> AgeingReport:
    return world.write(lambda: raise_waiting(QUEUE))


def low_jobs(world: World) -> list[tuple[Any, ...]]:
    return world.query("SELECT job FROM jobhost_ready WHERE priority = 0")


def test_what_is_just_being_claimed_is_not_raised(world: World, rival: Rival) -> None:
    node = world.node(lease=LONG)
    low = age_of(world)
    with rival.open(cycle_of(world, node, slots=3)) as report:
        assert [one.priority for one in report.claimed] == [5, 0, 0]
        assert raised(world).raised == 1
    assert [world.state(job_id) for job_id in low] == [State.RUNNING] * 2 + [State.READY]
    assert [one.id for one in world.claim(node)] == [low[2]]


def test_what_is_just_being_raised_is_claimed_afterwards(world: World, rival: Rival) -> None:
    node = world.node(lease=LONG)
    low = age_of(world)
    later = world.enqueue()
    with rival.open(lambda: raise_waiting(QUEUE)) as report:
        assert report.raised == 3
        claimed = world.claim(node)
        assert [one.priority for one in claimed] == [5, 0]
        assert claimed[1].id == later[0]
    assert [one.id for one in world.claim(node)] == low


def test_a_raise_that_is_undone_leaves_everything_in_its_place(world: World, rival: Rival) -> None:
    node = world.node(lease=LONG)
    low = age_of(world)
    assert rival.undo(lambda: raise_waiting(QUEUE)).raised == 3
    claimed = world.claim(node)
    assert [one.id for one in claimed[1:]] == low
    assert [one.priority for one in claimed] == [5, 0, 0, 0]


def test_a_job_is_cancelled_although_it_is_just_being_raised(world: World, rival: Rival) -> None:
    low = age_of(world)
    other = Rival(world)
    try:
        with rival.open(lambda: raise_waiting(QUEUE)):
            cancelled = other.wait_for(lambda: operate.cancel(low[0], "not wanted"))
        assert cancelled.result(GUARD_SECONDS) is not None
    finally:
        other.close()
    assert world.state(low[0]) is State.CANCELLED
    assert world.state(low[1]) is State.READY


def test_two_workers_that_raise_at_once_raise_each_job_once(world: World, rival: Rival) -> None:
    """For a moment each may take itself for the first."""
    node = world.node(lease=LONG)
    low = age_of(world)
    other = Rival(world)
    try:
        with rival.open(lambda: raise_waiting(QUEUE)) as report:
            assert report.raised == 3
            assert len(low_jobs(world)) == 3
            second = other.wait_for(lambda: raise_waiting(QUEUE))
        assert second.result(GUARD_SECONDS).raised == 0
    finally:
        other.close()
    assert low_jobs(world) == []
    assert [one.id for one in world.claim(node)][1:] == low


def test_of_two_workers_that_move_a_window_on_one_does(world: World, rival: Rival) -> None:
    declare(world, hours="22:00-06:00")
    world.move(days=2)
    other = Rival(world)
    try:
        with rival.open(keep_hours) as first:
            second = other.wait_for(keep_hours)
        later: HoursReport = second.result(GUARD_SECONDS)
    finally:
        other.close()
    assert (first.moved, later.moved) == (1, 0)
    assert later.change_in_us == first.change_in_us


def test_who_sets_hours_does_not_wait_for_windows_of_other_queues(
    world: World, rival: Rival
) -> None:
    """It holds a row by then, for which others may wait who hold those."""
    for name in ("a", "z"):
        changes = stored_changes({"hours": "22:00-06:00"})
        world.write(lambda name=name, changes=changes: set_queue(name, changes))
    world.move(days=2)
    with rival.open(lambda: keep_hours("a")) as report:
        assert report.moved == 1
        world.write(lambda: set_queue("z", stored_changes({"hours": "08:00-18:00"})))


def test_hours_that_are_set_while_a_worker_moves_the_former_window_on_hold(
    world: World, rival: Rival
) -> None:
    declare(world, hours="22:00-06:00")
    world.move(days=2)
    other = Rival(world)
    changes = stored_changes({"hours": "08:00-18:00"})
    try:
        with rival.open(keep_hours):
            done = other.wait_for(lambda: set_queue(QUEUE, changes))
        done.result(GUARD_SECONDS)
    finally:
        other.close()
    (row,) = world.query("SELECT hours, open_until > open_from FROM jobhost_queue")
    assert row == ("08:00-18:00", True)
    assert world.write(keep_hours).moved == 0
    settled = world.query("SELECT open_from, open_until FROM jobhost_queue")
    declare(world, hours=None)
    declare(world, hours="08:00-18:00")
    assert world.query("SELECT open_from, open_until FROM jobhost_queue") == settled
