"""Who is there, what runs where, and who is asked to stop."""

import json
from datetime import timedelta

import pytest

from jobhost.errors import InvalidOption
from jobhost.jobs.records import NodeRecord
from jobhost.store.plans.look_nodes import Place, find_nodes, jobs_on, list_nodes
from jobhost.store.plans.nodes import Kind, Rescue, leave, rescue
from jobhost.store.plans.operate import DrainResult, drain

from ..world import World

LONG = timedelta(hours=1)


def listed(world: World, *, gone: bool = False) -> list[NodeRecord]:
    return world.read(lambda: list_nodes(gone=gone))


def found(world: World, text: str) -> list[NodeRecord]:
    place = Place.read(text)
    return world.read(lambda: find_nodes(place))


def ask(world: World, number: int) -> DrainResult | None:
    return world.write(lambda: drain(number))


def test_each_node_is_listed_before_its_workers(world: World) -> None:
    alone = world.node()
    first, second = world.node(kind=Kind.NODE), world.node(kind=Kind.NODE)
    of_second = world.node(supervisor=second)
    of_first = [world.node(supervisor=first), world.node(supervisor=first, kind=Kind.LANE)]
    nodes = listed(world)
    assert [node.number for node in nodes] == [alone, first, *of_first, second, of_second]
    assert [node.kind for node in nodes] == ["worker", "node", "worker", "lane", "node", "worker"]
    assert nodes[2].supervisor == first


def test_a_worker_whose_node_has_ended_stands_by_itself(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    worker = world.node(supervisor=node)
    world.write(lambda: leave(node))
    assert [found.number for found in listed(world)] == [worker]


def test_running_jobs_are_counted_on_the_worker_and_on_its_node(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    one, two = world.node(supervisor=node), world.node(supervisor=node)
    world.enqueue(3)
    world.claim(one, slots=2)
    world.claim(two, slots=2)
    assert [found.running for found in listed(world)] == [3, 2, 1]


@pytest.mark.requirement("R-VM-10")
def test_the_age_of_the_last_heartbeat_is_told_and_what_it_said(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    worker = world.node(supervisor=node)
    told = {
        "load": [0.5, 1, 2.25],
        "memory": 3000,
        "memory_free": 5000,
        "disk_free": 7000,
        "workers": {str(worker): {"memory": 1000, "running": 0}},
    }
    world.pulse(node, json.dumps(told))
    world.move(seconds=12)
    above, below = listed(world)
    assert (above.heartbeat_seconds, below.heartbeat_seconds) == (12.0, 12.0)
    assert above.vitals.load == (0.5, 1.0, 2.25)
    assert (above.vitals.memory_bytes, below.vitals.memory_bytes) == (3000, 1000)
    assert (above.vitals.memory_free_bytes, above.vitals.disk_free_bytes) == (5000, 7000)
    assert below.vitals.load is None


@pytest.mark.parametrize(
    "text", ["", "[]", "nonsense", '{"memory": "much"}', '{"workers": {"x": {}}}', '{"load": 3}']
)
def test_vitals_that_cannot_be_read_are_left_out(world: World, text: str) -> None:
    world.pulse(world.node(), text)
    (node,) = listed(world)
    assert (node.vitals.memory_bytes, node.vitals.load) == (None, None)


def test_the_state_is_one_word(world: World) -> None:
    draining = world.node(lease=LONG)
    lapses = world.node(lease=timedelta(seconds=10))
    assert [node.state for node in listed(world)] == ["live", "live"]
    ask(world, draining)
    world.move(seconds=10)
    assert [node.state for node in listed(world)] == ["draining", "lapsed"]
    world.rescue(lapses, draining, died=False)
    assert [node.state for node in listed(world, gone=True)] == ["draining", "ended"]


def test_those_that_have_ended_are_listed_for_a_day_with_the_reason(world: World) -> None:
    rescuer = world.node(lease=timedelta(days=3))
    stopped, killed = world.node(), world.node()
    world.write(lambda: leave(stopped))
    order = Rescue(
        node=killed, worker="here:1", rescuer=rescuer, died=True, cause="was killed by SIGSEGV"
    )
    world.write(lambda: rescue(order))
    assert [node.number for node in listed(world)] == [rescuer]
    _, newest, oldest = listed(world, gone=True)
    assert (newest.number, newest.end_reason) == (killed, "was killed by SIGSEGV")
    assert (oldest.number, oldest.end_reason) == (stopped, "stopped")
    world.move(hours=23)
    assert len(listed(world, gone=True)) == 3
    world.move(hours=1)
    assert [node.number for node in listed(world, gone=True)] == [rescuer]


def test_a_node_is_found_by_its_number_or_its_process(world: World) -> None:
    number = world.node()
    assert [node.number for node in found(world, str(number))] == [number]
    assert [node.number for node in found(world, "here:1")] == [number]
    assert found(world, "here:2") == found(world, "there:1") == found(world, "99") == []


def test_a_process_that_has_entered_anew_is_found_as_what_it_is_now(world: World) -> None:
    former, lately = world.node(), world.node()
    world.write(lambda: leave(former))
    assert [node.number for node in found(world, "here:1")] == [lately]
    world.write(lambda: leave(lately))
    assert [node.number for node in found(world, "here:1")] == [lately]
    assert [node.number for node in found(world, str(former))] == [former]


@pytest.mark.parametrize("text", ["", "web1", "web1:", ":1", "-1", "1.5", "web1:x", "9" * 30])
def test_what_names_no_node_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="by its number or as HOST:PID"):
        Place.read(text)


def test_the_jobs_of_some_nodes_are_told_the_longest_first(world: World) -> None:
    one, two, elsewhere = world.node(), world.node(), world.node()
    ids = world.enqueue(4)
    for worker in (two, one, elsewhere):
        world.claim(worker, slots=1)
        world.move(seconds=1)
    jobs = world.read(lambda: jobs_on([one, two]))
    assert [(job.id.bytes, job.node, job.task) for job in jobs] == [
        (ids[0], two, "work"), (ids[1], one, "work"),
    ]  # fmt: skip
    assert jobs[0].claimed_at < jobs[1].claimed_at
    assert world.read(lambda: jobs_on([])) == []


def test_the_heartbeat_of_a_drained_node_tells_it_to_stop(world: World) -> None:
    node, other = world.node(kind=Kind.NODE), world.node(kind=Kind.NODE)
    worker, alone = world.node(supervisor=node), world.node()
    assert ask(world, node) is DrainResult.REQUESTED
    assert ask(world, alone) is DrainResult.REQUESTED
    assert world.pulse(node).drain
    assert world.pulse(alone).drain
    assert not world.pulse(other).drain
    assert {node.number: node.state for node in listed(world)}[worker] == "live"


def test_asked_twice_to_drain_the_first_time_counts(world: World) -> None:
    number = world.node()
    assert ask(world, number) is DrainResult.REQUESTED
    (first,) = listed(world)
    world.move(seconds=5)
    assert ask(world, number) is DrainResult.REQUESTED
    assert listed(world)[0].drain_requested_at == first.drain_requested_at is not None


def test_only_who_hears_it_can_be_drained(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    worker = world.node(supervisor=node)
    lapsed, ended = world.node(lease=timedelta(seconds=1)), world.node()
    world.write(lambda: leave(ended))
    world.move(seconds=1)
    assert ask(world, worker) is DrainResult.SUPERVISED
    assert ask(world, lapsed) is DrainResult.LAPSED
    assert ask(world, ended) is DrainResult.ENDED
    assert ask(world, ended + 1) is None
    assert {node.drain_requested_at for node in listed(world, gone=True)} == {None}
