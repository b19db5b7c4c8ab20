"""Counting what waits in a queue, up to a bound; and making room in one that is full."""

import pytest

from jobhost.jobs.states import State
from jobhost.store.plans.capacity import DROP_MAX, count_waiting, make_room

from ..world import QUEUE, World, ended


def waiting(world: World, limit: int = 1000, queue: str = QUEUE) -> int:
    return world.read(lambda: count_waiting(queue, limit))


def drop(world: World, capacity: int, count: int = 1, queue: str = QUEUE) -> int:
    return world.write(lambda: make_room(queue, capacity, count))


@pytest.mark.requirement("R-MSG-13")
def test_ready_jobs_and_those_set_aside_count_and_others_do_not(world: World) -> None:
    node = world.node()
    world.enqueue(2)
    (running, _) = world.claim(node, slots=2)
    world.cycle(node, ended(running))
    world.enqueue(3, task="nobody's")
    world.stage()
    world.enqueue(4)
    world.enqueue(5, delay_us=1_000_000)
    world.enqueue(6, queue="other")

    assert waiting(world) == 7
    assert waiting(world, queue="other") == 6
    assert waiting(world, queue="empty") == 0
    world.move(seconds=1)
    world.stage()
    assert waiting(world) == 12


def test_no_more_is_counted_than_was_asked_for(world: World) -> None:
    world.enqueue(20)
    assert [waiting(world, limit) for limit in (1, 19, 20, 21)] == [1, 19, 20, 20]


@pytest.mark.requirement("R-PART-4")
def test_the_oldest_of_the_lowest_priority_make_room_and_are_cancelled_with_the_reason(
    world: World,
) -> None:
    high = world.enqueue(2, priority=5)
    low = world.enqueue(3, priority=-5)
    other = world.enqueue(3, queue="other", priority=-9)

    assert drop(world, capacity=5, count=2) == 2
    assert [world.state(job) for job in low] == [State.CANCELLED, State.CANCELLED, State.READY]
    record = world.show(low[0])
    assert record.reason == "dropped: the queue was full"
    assert drop(world, capacity=3, count=2) == 2  # the last of them, then one of the next priority
    assert [world.state(job) for job in high] == [State.CANCELLED, State.READY]
    assert {world.state(job) for job in other} == {State.READY}


def test_where_there_is_room_nothing_is_dropped(world: World) -> None:
    world.enqueue(3)
    assert drop(world, capacity=4) == 0
    assert drop(world, capacity=3, count=0) == 0
    assert waiting(world) == 3


def test_a_job_that_a_worker_has_handed_back_is_not_dropped(world: World) -> None:
    node, rescuer = world.node(), world.node()
    (begun,) = world.enqueue(priority=-9)
    world.claim(node)
    world.rescue(node, rescuer)
    (fresh,) = world.enqueue()

    assert drop(world, capacity=2, count=2) == 1
    assert world.state(begun) is State.READY
    assert world.state(fresh) is State.CANCELLED


def test_a_queue_far_above_its_bound_comes_down_with_each_enqueue(world: World) -> None:
    for _ in range(3):
        world.enqueue(900)
    assert drop(world, capacity=100) == DROP_MAX + 2
    assert drop(world, capacity=100) == DROP_MAX + 2
    assert drop(world, capacity=100) == 2700 - 2 * (DROP_MAX + 2) - 99
    assert waiting(world) == 99
