"""What `jobhost doctor` says of nodes, and of jobs that wait to run alone, on every store."""

from datetime import timedelta

from jobhost.store.checkup import Finding, Level
from jobhost.store.plans.checkup import LOOP_DEATHS
from jobhost.store.plans.nodes import Kind, Rescue, rescue
from jobhost.store.plans.suspects import set_aside

from ..world import QUEUE, TASK, World

LONG = timedelta(hours=1)


def findings(world: World, check: str) -> list[Finding]:
    return [found for found in world.store.checkup() if found.check == check]


def die(world: World, worker: int, rescuer: int, cause: str = "was killed by SIGSEGV") -> None:
    order = Rescue(
        node=worker, worker="here:1", rescuer=rescuer, died=True, cause=cause, own_doing=True
    )
    world.write(lambda: rescue(order))


def suspects(world: World, rescuer: int, count: int) -> None:
    worker = world.node()
    world.enqueue(count)
    world.claim(worker, slots=count)
    die(world, worker, rescuer)


def test_nodes_and_workers_are_counted_apart(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    for kind in (Kind.WORKER, Kind.WORKER, Kind.LANE):
        world.node(supervisor=node, kind=kind)
    (found,) = findings(world, "workers")
    assert found.sentence == "2 workers and 1 node with a live lease"


def test_a_node_without_a_worker_is_a_warning(world: World) -> None:
    world.node(kind=Kind.NODE)
    _, found = findings(world, "workers")
    assert found.level is Level.WARNING
    assert found.sentence == "the node here:1 has no worker"


def test_a_node_whose_workers_die_again_and_again_is_told_with_the_last_cause(world: World) -> None:
    node, rescuer = world.node(kind=Kind.NODE, lease=LONG), world.node(lease=LONG)
    for _ in range(LOOP_DEATHS - 1):
        die(world, world.node(supervisor=node), rescuer, "was killed by SIGBUS")
    for cause in ("stopped", "stopped"):
        die(world, world.node(supervisor=node), rescuer, cause)
    die(world, world.node(supervisor=node, kind=Kind.LANE), rescuer)
    die(world, world.node(), rescuer)
    assert findings(world, "crashes") == []
    die(world, world.node(supervisor=node), rescuer)
    (found,) = findings(world, "crashes")
    assert found.level is Level.WARNING
    assert found.sentence == (
        f"{LOOP_DEATHS} workers of the node here:1 died within 10m; the last one was killed by "
        "SIGSEGV"
    )
    world.move(minutes=10)
    assert findings(world, "crashes") == []


def test_suspects_with_a_worker_for_them_are_worth_a_note(world: World) -> None:
    suspects(world, world.node(lease=LONG), 2)
    (found,) = findings(world, "suspects")
    assert found.level is Level.NOTE
    assert found.sentence.startswith("2 jobs of task 'work' may have killed a worker")
    assert "jobs list --state blocked --task work" in (found.next_step or "")


def test_suspects_that_nobody_can_run_are_a_warning(world: World) -> None:
    suspects(world, world.node("other"), 1)
    (found,) = findings(world, "suspects")
    assert found.level is Level.WARNING
    assert "no worker knows the task" in found.sentence


def test_a_node_alone_runs_no_suspects(world: World) -> None:
    suspects(world, world.node(TASK, kind=Kind.NODE), 1)
    (found,) = findings(world, "suspects")
    assert found.level is Level.WARNING


def test_a_task_that_is_set_aside_as_a_whole_is_told_with_the_next_step(world: World) -> None:
    rescuer = world.node(lease=LONG)
    suspects(world, rescuer, 1)
    world.enqueue(3)
    world.write(lambda: set_aside(rescuer, [TASK], [QUEUE]))
    tried, untried = findings(world, "suspects")
    assert tried.sentence.startswith("1 job of task 'work' may")
    assert untried.level is Level.WARNING
    assert untried.sentence.endswith("3 jobs of it wait to run one at a time, each alone")
    assert "mend the task" in (untried.next_step or "")


def test_a_store_without_suspects_says_nothing_of_them(world: World) -> None:
    world.node()
    assert findings(world, "suspects") == findings(world, "crashes") == []
