"""Who runs a suspect: the lane of a living node that serves its task and queue, or else a worker
without a node that does."""

import json
from datetime import timedelta

import pytest

from jobhost.store.plans.nodes import Kind
from jobhost.store.plans.suspects import suspect_waits

from ..world import QUEUE, TASK, World

LONG = timedelta(hours=1)


@pytest.fixture
def suspect(world: World) -> bytes:
    """A job of TASK in QUEUE that ran in a worker which died by its own doing."""
    rescuer, doomed = world.node("nothing", lease=LONG, queues=["none"]), world.node()
    (job_id,) = world.enqueue()
    assert world.claim(doomed)
    world.rescue(doomed, rescuer, own_doing=True)
    return job_id


def told(world: World, node: int) -> bool:
    """Whether a heartbeat tells of suspects, which is right if a claim would find one."""
    suspects = world.pulse(node).suspects
    assert world.write(lambda: suspect_waits(node, json.dumps([TASK, "other"]))) == suspects
    return suspects


def test_a_worker_leaves_a_suspect_to_a_living_node_that_serves_its_task_and_queue(
    world: World, suspect: bytes
) -> None:
    worker, node = world.node(lease=LONG), world.node(kind=Kind.NODE, lease=LONG)
    assert not told(world, worker)
    assert world.claim_suspect(worker) is None
    assert world.pulse(node).suspects


def test_a_worker_runs_a_suspect_of_a_task_that_no_living_node_knows(
    world: World, suspect: bytes
) -> None:
    worker, node = world.node(lease=LONG), world.node("other", kind=Kind.NODE, lease=LONG)
    assert not world.pulse(node).suspects
    assert told(world, worker)
    taken = world.claim_suspect(worker)
    assert taken is not None
    assert taken.id == suspect
    assert not told(world, worker)


def test_a_worker_runs_a_suspect_of_a_queue_that_no_living_node_serves(
    world: World, suspect: bytes
) -> None:
    worker, node = world.node(lease=LONG), world.node(kind=Kind.NODE, lease=LONG, queues=["other"])
    assert not world.pulse(node).suspects
    assert told(world, worker)
    assert world.claim_suspect(worker) is not None


def test_one_node_for_the_task_and_another_for_the_queue_are_none_for_the_suspect(
    world: World, suspect: bytes
) -> None:
    worker = world.node(lease=LONG)
    world.node(kind=Kind.NODE, lease=LONG, queues=["other"])
    world.node("other", kind=Kind.NODE, lease=LONG)
    assert told(world, worker)
    assert world.claim_suspect(worker) is not None


def test_a_node_whose_lease_has_run_out_takes_care_of_nothing(world: World, suspect: bytes) -> None:
    worker = world.node(lease=LONG)
    world.node(kind=Kind.NODE, lease=timedelta(seconds=1))
    assert not told(world, worker)
    world.move(seconds=1)
    assert told(world, worker)
    assert world.claim_suspect(worker) is not None


def test_a_worker_hears_only_of_suspects_of_its_own_tasks_and_queues(
    world: World, suspect: bytes
) -> None:
    of_another_task = world.node("other", lease=LONG)
    of_another_queue = world.node(TASK, lease=LONG, queues=["other"])
    assert not world.pulse(of_another_task).suspects
    assert not told(world, of_another_queue)
    assert world.claim_suspect(of_another_queue) is None


def test_a_lane_has_no_queues_of_its_own_and_runs_the_suspects_of_its_node_s(
    world: World, suspect: bytes
) -> None:
    here = world.node(kind=Kind.NODE, lease=LONG)
    elsewhere = world.node(kind=Kind.NODE, lease=LONG, queues=["other"])
    lanes = [
        world.node(kind=Kind.LANE, supervisor=node, lease=LONG, queues=[])
        for node in (elsewhere, here)
    ]
    assert world.claim_suspect(lanes[0]) is None
    taken = world.claim_suspect(lanes[1])
    assert taken is not None
    assert (taken.id, taken.queue) == (suspect, QUEUE)


def test_suspects_that_a_node_takes_care_of_do_not_hide_those_of_a_worker(
    world: World, suspect: bytes
) -> None:
    world.node(kind=Kind.NODE, lease=LONG)
    worker = world.node(TASK, "other", lease=LONG)
    (mine,) = world.enqueue(task="other")
    doomed = world.node("other")
    assert world.claim(doomed, tasks=["other"])
    world.rescue(doomed, worker, own_doing=True)
    assert told(world, worker)
    taken = world.claim_suspect(worker, TASK, "other")
    assert taken is not None
    assert taken.id == mine
    assert world.claim_suspect(worker, TASK, "other") is None
