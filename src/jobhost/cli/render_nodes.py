"""What people get to read about nodes and workers."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jobhost.cli.render import clean, put_page
from jobhost.durations import format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from jobhost.jobs.records import JobThere, NodeRecord

_HEADS: Final = (
    "number", "kind", "host:pid", "version", "queues", "slots", "running", "memory", "load",
    "heartbeat", "state",
)  # fmt: skip

_INDENT: Final = "  "
"""Of a worker below its node."""

_SHORT_SECONDS: Final = 1.0


def put_nodes(nodes: Sequence["NodeRecord"]) -> None:
    """Nodes as a table, each before its workers."""
    put_page(_table(nodes))


def put_node(
    node: "NodeRecord", workers: Sequence["NodeRecord"], jobs: Sequence["JobThere"]
) -> None:
    """Everything about one node."""
    from rich.table import Table

    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(node):
        if value:
            facts.add_row(name, clean(value))
    parts: list[RenderableType] = [facts]
    if workers:
        parts += ["\nworkers", _table(workers)]
    if jobs:
        parts += ["\njobs", _jobs(jobs)]
    put_page(*parts)


def _facts(node: "NodeRecord") -> list[tuple[str, str]]:
    return [
        ("number", str(node.number)),
        ("kind", node.kind),
        ("host:pid", node.worker),
        ("node", "" if node.supervisor is None else str(node.supervisor)),
        ("state", _state(node)),
        ("version", node.version),
        ("queues", ", ".join(node.queues)),
        ("tasks", ", ".join(node.tasks)),
        ("slots", str(node.slots or "")),
        ("running", str(node.running)),
        ("memory", _memory(node)),
        ("load", _load(node)),
        ("free", _free(node)),
        ("started", f"{node.started_at:%Y-%m-%d %H:%M:%S}Z"),
        ("heartbeat", f"{node.heartbeat_at:%Y-%m-%d %H:%M:%S}Z, {_age(node)} ago"),
    ]


def _table(nodes: Sequence["NodeRecord"]) -> "Table":
    table = _plain_table(_HEADS)
    shown: set[int] = set()
    for node in nodes:
        indent = _INDENT if node.supervisor in shown and node.ended_at is None else ""
        shown.add(node.number)
        cells = (
            node.kind, node.worker, node.version, ", ".join(node.queues),
            "" if node.kind == "node" else str(node.slots), str(node.running), _memory(node),
            _load(node).partition(" ")[0], _age(node), _state(node),
        )  # fmt: skip
        table.add_row(f"{indent}{node.number}", *map(clean, cells))
    return table


def _jobs(jobs: Sequence["JobThere"]) -> "Table":
    table = _plain_table(("id", "task", "claimed", "worker"))
    for job in jobs:
        since = f"{job.claimed_at:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(str(job.id), clean(job.task), since, str(job.node))
    return table


def _plain_table(heads: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("id", "number"))
    return table


def _state(node: "NodeRecord") -> str:
    if node.ended_at is None:
        return node.state
    return f"ended {node.ended_at:%Y-%m-%d %H:%M:%S}Z: {node.end_reason}"


def _age(node: "NodeRecord") -> str:
    """Of the last heartbeat; instants within a second tell nothing apart."""
    if node.heartbeat_seconds < _SHORT_SECONDS:
        return "<1s"
    return format_seconds(float(int(node.heartbeat_seconds)))


def _memory(node: "NodeRecord") -> str:
    held = node.vitals.memory_bytes
    return "" if held is None else f"{held / 1024**2:,.0f} MiB"


def _load(node: "NodeRecord") -> str:
    return " ".join(f"{part:.2f}" for part in node.vitals.load or ())


def _free(node: "NodeRecord") -> str:
    """Of the machine."""
    parts = ((node.vitals.memory_free_bytes, "memory"), (node.vitals.disk_free_bytes, "disk"))
    return ", ".join(
        f"{left / 1024**3:,.1f} GiB of {what}" for left, what in parts if left is not None
    )
