"""Rows of nodes that ended are forgotten some day, and what they ran is told all the same."""

from datetime import timedelta

import pytest

from jobhost.store.plans import nodes
from jobhost.store.plans.look import LONG_GONE
from jobhost.store.plans.look_nodes import list_nodes
from jobhost.store.plans.nodes import Kind, leave, prune

from ..world import World, ended

LONG = timedelta(days=1000)
KEPT = timedelta(microseconds=nodes.KEPT_US)


def left(world: World, count: int = 1) -> list[int]:
    """Numbers of nodes that have come and left."""
    numbers = [world.node() for _ in range(count)]
    for number in numbers:
        world.write(lambda number=number: leave(number))
    return numbers


def there(world: World) -> set[int]:
    return {number for (number,) in world.query("SELECT number FROM jobhost_node")}


def pruned(world: World, node: int) -> int:
    return world.write(lambda: prune(node))


def test_a_node_is_forgotten_so_long_after_it_ended_and_not_before(world: World) -> None:
    me = world.node(lease=LONG)
    (old,) = left(world)
    world.clock.move(KEPT / 2)
    (young,) = left(world)
    world.clock.move(KEPT / 2 - timedelta(seconds=1))
    assert pruned(world, me) == 0
    assert there(world) == {me, old, young}
    world.move(seconds=1)
    assert pruned(world, me) == 1
    assert there(world) == {me, young}
    assert [one.number for one in world.read(lambda: list_nodes(gone=True))] == [me]


def test_of_many_that_ended_lately_the_newest_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "KEPT_MAX", 3)
    me = world.node(lease=LONG)
    many = left(world, 7)
    assert pruned(world, me) == 4
    assert there(world) == {me, *many[4:]}
    assert pruned(world, me) == 0
    listed = [one.number for one in world.read(lambda: list_nodes(gone=True))]
    assert listed == [me, *reversed(many[4:])]


def test_they_are_forgotten_in_bounded_batches_the_oldest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "PRUNE_BATCH", 4)
    me = world.node(lease=LONG)
    many = left(world, 6)
    world.clock.move(KEPT)
    assert pruned(world, me) == 4
    assert there(world) == {me, *many[4:]}
    assert pruned(world, me) == 2
    assert there(world) == {me}


def test_a_node_that_lives_or_has_only_lost_its_lease_stays(world: World) -> None:
    me, silent = world.node(lease=LONG), world.node()
    world.clock.move(KEPT * 2)
    assert pruned(world, me) == 0
    assert there(world) == {me, silent}


def test_a_node_that_a_running_job_a_suspect_or_a_living_worker_names_stays(world: World) -> None:
    me = world.node(lease=LONG)
    holder, killed = world.node(), world.node()
    supervisor = world.node(kind=Kind.NODE)
    worker = world.node(supervisor=supervisor)
    world.running(killed)
    world.rescue(killed, me, own_doing=True)
    world.running(holder)
    for number in (holder, supervisor):
        world.write(lambda number=number: leave(number))
    (nobody,) = left(world)
    world.clock.move(KEPT)
    assert pruned(world, me) == 1
    assert there(world) == {me, holder, killed, supervisor, worker}
    assert nobody not in there(world)


def test_nobody_is_forgotten_without_a_live_lease(world: World) -> None:
    (old,) = left(world)
    world.clock.move(KEPT)
    for me in (old, old + 100):
        assert pruned(world, me) == 0
    assert there(world) == {old}


def test_what_a_forgotten_worker_ran_says_so(world: World) -> None:
    me = world.node(lease=LONG)
    worker = world.node()
    job_id, delivery = world.running(worker)
    world.cycle(worker, ended(delivery))
    (waiting,) = world.enqueue()
    world.write(lambda: leave(worker))
    assert world.show(job_id).worker == "here:1"
    world.clock.move(KEPT)
    assert pruned(world, me) == 1
    assert world.show(job_id).worker == LONG_GONE
    (attempt,) = world.attempts(job_id)
    assert attempt.worker == f"node {worker}, long gone"
    assert world.show(waiting).worker is None
    listed = {job.id.bytes: job.worker for job in world.list_jobs().jobs}
    assert listed == {job_id: LONG_GONE, waiting: None}
