"""`jobhost nodes list | show | drain`."""

import json
import signal
from datetime import timedelta

import pytest
from commands import Call, Shop, until

from jobhost.ids import new_ids
from jobhost.jobs.outcomes import SUSPECT
from jobhost.jobs.records import NodeRecord
from jobhost.store.plans import nodes
from jobhost.store.plans.cycle import Wanted, cycle
from jobhost.store.plans.nodes import Kind

HEADS = [
    "number", "kind", "host:pid", "version", "queues", "slots", "running", "memory", "load",
    "heartbeat", "state",
]  # fmt: skip

LEASE = "12s"
"""They hear of a drain within a third of it, and do not lose it on a slow machine."""

VITALS = {
    "load": [0.25, 1.5, 2],
    "memory": 300 * 1024**2,
    "memory_free": 2 * 1024**3,
    "disk_free": 21 * 1024**3 // 2,
    "workers": {},
}


def enter(
    shop: Shop,
    pid: int,
    *,
    kind: Kind = Kind.WORKER,
    supervisor: int | None = None,
    lease: timedelta = timedelta(hours=1),
) -> int:
    """A row among the nodes; its number."""
    new = nodes.NewNode(
        id=new_ids(1)[0].hex(),
        host="web1",
        pid=pid,
        version="1.2",
        slots=0 if kind is Kind.NODE else 4,
        queues=["default", "mail"],
        tasks=["add", "echo"],
        lease_us=lease // timedelta(microseconds=1),
        kind=kind,
        supervisor=supervisor,
    )
    return shop.host.store.write(lambda: nodes.register(new))


def tell(shop: Shop, node: int, vitals: object) -> None:
    """A heartbeat that says how it is."""
    text = json.dumps(vitals)
    shop.host.store.write(lambda: nodes.heartbeat(node, 3_600_000_000, text))


def leave(shop: Shop, node: int) -> None:
    shop.host.store.write(lambda: nodes.leave(node))


def claim(shop: Shop, node: int) -> None:
    wanted = Wanted(node=node, queues=["default"], tasks='["add"]', slots=4)
    shop.host.store.write(lambda: cycle([], wanted))


def test_without_nodes_the_next_step_is_told(call: Call) -> None:
    call("migrate")
    done = call("nodes", "list")
    assert (done.code, done.out) == (0, "")
    assert done.err == "jobhost: no worker runs: start one with 'jobhost worker MODULE:HOST'\n"
    assert json.loads(call("nodes", "list", "--json").out) == {"nodes": []}


@pytest.mark.requirement("R-VM-10")
def test_a_node_is_listed_with_its_workers_below_it(shop: Shop, call: Call) -> None:
    node = enter(shop, 1, kind=Kind.NODE)
    worker = enter(shop, 2, supervisor=node)
    lane = enter(shop, 3, supervisor=node, kind=Kind.LANE)
    alone = enter(shop, 4)
    told = {**VITALS, "workers": {str(worker): {"memory": 100 * 1024**2, "running": 0}}}
    tell(shop, node, told)
    head, first, second, third, last = call("nodes", "list").out.splitlines()
    assert head.split() == HEADS
    *shown, age, state = first.split()
    assert shown == [
        str(node), "node", "web1:1", "1.2", "default,", "mail", "0", "300", "MiB",
        "0.25",
    ]  # fmt: skip
    assert (age[-1], state) == ("s", "live")
    assert second.startswith(f"  {worker} ")
    assert second.split()[1:-2] == [
        "worker", "web1:2", "1.2", "default,", "mail", "4", "0", "100", "MiB",
    ]  # fmt: skip
    assert third.split()[:2] == [str(lane), "lane"]
    assert last.startswith(f"{alone} ")


def test_those_that_have_ended_are_shown_with_the_reason_only_when_asked_for(
    shop: Shop, call: Call
) -> None:
    number = enter(shop, 1)
    leave(shop, number)
    assert call("nodes", "list").out == ""
    (row,) = call("nodes", "list", "--all").out.splitlines()[1:]
    assert row.endswith("Z: stopped")
    (plain,) = json.loads(call("nodes", "list", "--all", "--json").out)["nodes"]
    assert (plain["state"], plain["end_reason"]) == ("ended", "stopped")


def test_a_lapsed_lease_and_a_drain_are_states(shop: Shop, call: Call) -> None:
    enter(shop, 1, lease=timedelta(0))
    draining = enter(shop, 2)
    assert call("nodes", "drain", str(draining)).code == 0
    rows = call("nodes", "list").out.splitlines()[1:]
    assert [row.split()[-1] for row in rows] == ["lapsed", "draining"]


def test_the_listing_as_json_has_stable_keys(shop: Shop, call: Call) -> None:
    node = enter(shop, 1, kind=Kind.NODE)
    worker = enter(shop, 2, supervisor=node)
    tell(shop, node, VITALS)
    first, second = json.loads(call("nodes", "list", "--json").out)["nodes"]
    assert first.keys() == {
        "number", "kind", "supervisor", "worker", "version", "state", "queues", "tasks", "slots",
        "running", "memory_bytes", "load", "memory_free_bytes", "disk_free_bytes", "started_at",
        "heartbeat_at", "heartbeat_seconds",
        "drain_requested_at", "ended_at", "end_reason",
    }  # fmt: skip
    assert (first["kind"], first["load"]) == ("node", [0.25, 1.5, 2.0])
    assert (second["number"], second["supervisor"]) == (worker, node)
    assert second["heartbeat_seconds"] >= 0


def test_a_node_is_shown_with_its_workers_the_jobs_and_the_tasks(shop: Shop, call: Call) -> None:
    node = enter(shop, 1, kind=Kind.NODE)
    worker = enter(shop, 2, supervisor=node)
    job = shop.host.job(shop.enqueue("add", "[1]"))
    claim(shop, worker)
    tell(shop, node, VITALS)
    shown = call("nodes", "show", "web1:1").out
    assert "0.25 1.50 2.00" in shown
    assert "2.0 GiB of memory, 10.5 GiB of disk" in shown
    for part in (
        str(node),
        "web1:1",
        "default, mail",
        "add, echo",
        "web1:2",
        str(job.id),
        "claimed",
    ):
        assert part in shown, part
    plain = json.loads(call("nodes", "show", str(node), "--json").out)
    assert plain["running"] == 1
    assert [found["number"] for found in plain["workers"]] == [worker]
    (there,) = plain["jobs"]
    claimed = job.status().claimed_at
    assert claimed is not None
    assert there == {
        "id": str(job.id), "task": "add", "claimed_at": claimed.isoformat(), "node": worker,
    }  # fmt: skip


def test_one_that_has_ended_can_be_shown(shop: Shop, call: Call) -> None:
    number = enter(shop, 1)
    leave(shop, number)
    assert "stopped" in call("nodes", "show", str(number)).out


@pytest.mark.parametrize("command", ["show", "drain"])
def test_an_unknown_node_ends_with_4(call: Call, command: str) -> None:
    call("migrate")
    for name in ("4711", "web1:4711"):
        done = call("nodes", command, name)
        assert (done.code, done.out) == (4, "")
        assert f"there is no node {name}: 'jobhost nodes list --all" in done.err


@pytest.mark.parametrize("command", ["show", "drain"])
def test_what_names_no_node_is_wrong_use(call: Call, command: str) -> None:
    call("migrate")
    done = call("nodes", command, "web1")
    assert done.code == 2
    assert "such as 17 or web1:4711; got 'web1'" in done.err


def test_a_process_with_several_workers_needs_the_number(shop: Shop, call: Call) -> None:
    numbers = [enter(shop, 1), enter(shop, 1)]
    done = call("nodes", "drain", "web1:1")
    assert done.code == 2
    assert f"name one, of {numbers[1]}, {numbers[0]}" in done.err


def test_a_drain_says_when_it_is_heard(shop: Shop, call: Call) -> None:
    number = enter(shop, 1, kind=Kind.NODE)
    done = call("nodes", "drain", "web1:1")
    assert done.code == 0
    assert done.out == (
        f"{number} (web1:1) was asked to stop; it hears of it with its next heartbeat\n"
    )


def test_a_supervised_worker_is_refused_with_the_name_of_its_node(shop: Shop, call: Call) -> None:
    node = enter(shop, 1, kind=Kind.NODE)
    worker, other = enter(shop, 2, supervisor=node), enter(shop, 3)
    done = call("nodes", "drain", str(worker), str(other))
    assert done.code == 2
    assert f"{worker} (web1:2) is a worker of node {node}" in done.err
    assert f"'jobhost nodes drain {node}'" in done.err
    assert done.out.startswith(f"{other} (web1:3) was asked"), "it does not hold up the rest"


def test_one_that_has_ended_or_lapsed_is_not_drained(shop: Shop, call: Call) -> None:
    ended, lapsed = enter(shop, 1), enter(shop, 2, lease=timedelta(0))
    leave(shop, ended)
    assert "has ended before: stopped" in call("nodes", "drain", str(ended)).err
    done = call("nodes", "drain", str(lapsed))
    assert done.code == 2
    assert "has run out, so it does not hear" in done.err


@pytest.mark.parametrize("arguments", [[], ["1", "--all"]])
def test_either_nodes_or_all_of_them(call: Call, arguments: list[str]) -> None:
    done = call("nodes", "drain", *arguments)
    assert done.code == 2
    assert "say which nodes to drain, or --all" in done.err


def test_a_drain_of_all_asks_everybody_who_hears(shop: Shop, call: Call) -> None:
    node = enter(shop, 1, kind=Kind.NODE)
    enter(shop, 2, supervisor=node)
    enter(shop, 3, lease=timedelta(0))
    alone = enter(shop, 4)
    done = call("nodes", "drain", "--all")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == [str(node), str(alone)]


def test_a_drain_of_nobody_says_so(call: Call) -> None:
    call("migrate")
    done = call("nodes", "drain", "--all", "--wait")
    assert (done.code, done.out, done.err) == (0, "", "jobhost: no node or worker runs\n")


def test_a_drain_as_json_names_who_was_asked_who_was_refused_and_who_has_ended(
    shop: Shop, call: Call
) -> None:
    node = enter(shop, 1, kind=Kind.NODE)
    worker = enter(shop, 2, supervisor=node)
    asked = [{"number": node, "worker": "web1:1"}]

    done = call("nodes", "drain", str(node), str(worker), "--json")
    told = json.loads(done.out)
    assert done.code == 2
    assert (told["asked"], told["ended"]) == (asked, [])
    [refused] = told["refused"]
    assert refused["number"] == worker
    assert f"is a worker of node {node}" in refused["reason"]

    done = call("nodes", "drain", str(node), "--wait", "--timeout", "0s", "--json")
    assert done.code == 6
    assert json.loads(done.out) == {"asked": asked, "refused": [], "ended": []}


def test_a_drain_of_a_living_worker_as_json_says_that_it_has_ended(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    running = shop.start("worker", "shop:host", "--lease", LEASE)
    node = until(lambda: living(shop, "worker"))
    done = call("nodes", "drain", "--all", "--wait", "--json")
    assert done.code == 0
    assert json.loads(done.out)["ended"] == [{"number": node.number, "reason": "stopped"}]
    assert running.wait().code == 0


def test_a_worker_tells_its_memory_and_load_when_it_enters(shop: Shop) -> None:
    shop.host.migrate()
    running = shop.start("worker", "shop:host", "--lease", "10m")
    node = until(lambda: living(shop, "worker"))
    assert node.vitals.memory_bytes > 1_000_000
    assert len(node.vitals.load) == 3
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0


def test_a_wait_that_is_over_ends_with_6(shop: Shop, call: Call) -> None:
    number = enter(shop, 1)
    done = call("nodes", "drain", str(number), "--wait", "--timeout", "0s")
    assert done.code == 6
    assert f"{number} (web1:1) is draining: 0 jobs running" in done.err
    assert f"not ended yet: {number};" in done.err


def living(shop: Shop, kind: str) -> NodeRecord | None:
    return next((node for node in shop.host.nodes() if node.kind == kind), None)


def test_a_worker_without_a_node_is_drained_from_elsewhere(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    running = shop.start("worker", "shop:host", "--lease", LEASE)
    node = until(lambda: living(shop, "worker"))
    done = call("nodes", "drain", node.worker, "--wait")
    assert done.code == 0
    assert done.out.splitlines()[-1] == f"{node.number} ({node.worker}) has ended: stopped"
    assert running.wait().code == 0


def test_a_node_is_drained_from_elsewhere_with_all_its_workers(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    running = shop.start("worker", "shop:host", "--processes", "2", "--lease", LEASE)
    until(lambda: [node.kind for node in shop.host.nodes()] == ["node", "worker", "worker"])
    node = living(shop, "node")
    assert node is not None
    done = call("nodes", "drain", "--all", "--wait")
    assert done.code == 0
    assert done.out.splitlines()[-1] == f"{node.number} ({node.worker}) has ended: stopped"
    assert running.wait().code == 0
    assert shop.host.nodes() == []
    assert {ended.end_reason for ended in shop.host.nodes(gone=True)} == {"stopped"}


def test_blocked_jobs_are_listed_with_the_reason(shop: Shop, call: Call) -> None:
    dies, rescuer = enter(shop, 1), enter(shop, 2)
    shop.enqueue("add", "[1]")
    claim(shop, dies)
    order = nodes.Rescue(node=dies, worker="web1:1", rescuer=rescuer, died=True, own_doing=True)
    assert shop.host.store.write(lambda: nodes.rescue(order)).aside == 1
    done = call("jobs", "list", "--state", "blocked")
    assert SUSPECT in done.out
