"""What a renewed lease brings along, so that an idle worker need not look for itself."""

from datetime import UTC, datetime, timedelta

import pytest

from jobhost.jobs.queues import stored_changes
from jobhost.store.plans.nodes import News, heartbeat, leave
from jobhost.store.plans.queues import set_queue

from ..world import LEASE, World

pytestmark = pytest.mark.parametrize("dialect", ["postgres"], indirect=True)

NOTHING = News(lapsed=False, due_in_us=None, ready=False, blocked=False)


def news(world: World, node: int) -> News:
    pulse = world.write(lambda: heartbeat(node, LEASE // timedelta(microseconds=1)))
    assert pulse.renewed
    assert pulse.news is not None
    return pulse.news


def test_there_is_none_where_nothing_happens(world: World) -> None:
    node = world.node()
    world.enqueue(queue="of others")
    assert news(world, node) == NOTHING


def test_a_waiting_job_of_an_own_queue_is_told(world: World) -> None:
    node = world.node()
    world.enqueue()
    assert news(world, node) == NOTHING._replace(ready=True)
    world.claim(node)
    assert news(world, node) == NOTHING


def test_the_time_until_the_next_due_job_is_told(world: World) -> None:
    node = world.node()
    world.enqueue(delay_us=9_000_000)
    world.enqueue(delay_us=5_000_000)
    world.move(seconds=2)
    assert news(world, node) == NOTHING._replace(due_in_us=3_000_000)
    world.move(seconds=4)
    assert news(world, node) == NOTHING._replace(due_in_us=-1_000_000)


def test_the_time_until_a_queue_opens_or_closes_is_told(world: World) -> None:
    node = world.node(lease=timedelta(days=2))
    now = datetime.fromtimestamp(world.clock.now() / 1_000_000, UTC)
    world.move(seconds=(now.replace(hour=23, minute=59, second=50) - now).total_seconds())
    hours = stored_changes({"hours": "00:00-00:01"})
    world.write(lambda: set_queue("reports", hours))
    assert news(world, node) == NOTHING._replace(due_in_us=10_000_000)
    world.move(seconds=20)
    assert news(world, node) == NOTHING._replace(due_in_us=50_000_000)


def test_a_blocked_job_is_told(world: World) -> None:
    node = world.node("known")
    world.enqueue(task="strange")
    world.stage()
    assert news(world, node) == NOTHING._replace(blocked=True)


def test_the_lapsed_lease_of_another_is_told_until_that_node_has_ended(world: World) -> None:
    node, other = world.node(), world.node()
    world.move(seconds=20)
    assert news(world, node) == NOTHING
    world.move(seconds=20)
    assert news(world, node) == NOTHING._replace(lapsed=True)
    world.rescue(other, node, died=False)
    assert news(world, node) == NOTHING


def test_a_node_that_left_in_order_is_no_news(world: World) -> None:
    node, other = world.node(lease=timedelta(hours=1)), world.node()
    world.write(lambda: leave(other))
    world.move(minutes=5)
    assert news(world, node) == NOTHING


def test_a_lost_lease_has_no_news(world: World) -> None:
    node = world.node()
    world.move(minutes=5)
    pulse = world.write(lambda: heartbeat(node, 1))
    assert (pulse.renewed, pulse.news) == (False, None)
