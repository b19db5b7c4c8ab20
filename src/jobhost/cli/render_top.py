"""What `jobhost top` shows: the parts of one frame, fitted to a number of lines."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from jobhost.cli.render import clean
from jobhost.cli.render_queues import queue_table
from jobhost.durations import format_seconds

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from rich.console import RenderableType
    from rich.table import Table

    from jobhost.cli.overview import Overview
    from jobhost.jobs.dead import DeadGroup
    from jobhost.jobs.queue_stats import QueueStats
    from jobhost.jobs.records import JobAtWork, NodeRecord

T = TypeVar("T")

ROWS_MIN: Final = 2
"""Of each table, however low the terminal is."""

MESSAGE_CHARS_MAX: Final = 120
"""Of an error: `jobhost dead list` shows all of it."""

_AROUND: Final = 17
"""Lines of a frame that are no rows: head, titles, heads and rules of tables, "and more"."""

_AROUND_RUNNING: Final = 5
"""More of them where jobs tell how far they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many rows each table may have; None: all."""

    queues: int | None = None
    nodes: int | None = None
    running: int | None = None
    dead: int | None = None


def fit(overview: "Overview", lines: int) -> Limits:
    """What fits a terminal: each table has its part, and what one leaves is the others'."""
    wanted = {
        "queues": len(overview.queues),
        "nodes": len(overview.nodes),
        "running": len(overview.running or ()),
        "dead": len(overview.dead or ()),
    }
    around = _AROUND + (_AROUND_RUNNING if overview.running else 0)
    room, given = max(0, lines - around), {}
    for at, name in enumerate(sorted(wanted, key=lambda name: wanted[name])):
        given[name] = max(ROWS_MIN, min(wanted[name], room // (len(wanted) - at)))
        room -= min(wanted[name], given[name])
    return Limits(**given)


def frame(overview: "Overview", limits: Limits) -> "list[RenderableType]":
    """The parts of a frame, from top to bottom."""
    counts = "   ".join(f"{state} {count}" for state, (count, _) in overview.states.items())
    queues = sorted(overview.queues, key=_urgency)
    return [
        counts,
        *_section(
            "queues", queues, limits.queues, queue_table, "none yet: the first job makes one"
        ),
        *_section("workers", overview.nodes, limits.nodes, _node_table, "none runs"),
        *_running_section(overview, limits.running),
        *_dead_section(overview.dead, limits.dead),
    ]


def _running_section(overview: "Overview", limit: int | None) -> "list[RenderableType]":
    """Nothing where no job tells how far it is, as most do not."""
    if not overview.running:
        return []
    jobs = [(job, overview.at - job.claimed_at) for job in overview.running]
    return _section("running jobs that tell how far they are", jobs, limit, _running_table, "")


def _dead_section(dead: "Sequence[DeadGroup] | None", limit: int | None) -> "list[RenderableType]":
    if dead is None:
        return ["\ndead letters: this login may not look at them"]
    return _section("dead letters", dead, limit, _dead_table, "none")


def _section(
    title: str,
    rows: Sequence[T],
    limit: int | None,
    table: "Callable[[Sequence[T]], Table]",
    nothing: str,
) -> "list[RenderableType]":
    if not rows:
        return [f"\n{title}: {nothing}"]
    shown = rows[:limit]
    more = [f"and {len(rows) - len(shown):,} more"] if len(shown) < len(rows) else []
    return [f"\n{title}", table(shown), *more]


def _urgency(queue: "QueueStats") -> tuple[bool, bool, int, str]:
    """First those about which somebody should do something, then the longest."""
    waits = queue.depth.jobs > 0
    stuck = waits and (queue.settings.paused_at is not None or not queue.served)
    return not stuck, not queue.late, -queue.depth.jobs, queue.name


def _node_table(nodes: Iterable["NodeRecord"]) -> "Table":
    table = _plain_table(("number", "kind", "host:pid", "busy", "memory", "heartbeat", "state"))
    for node in nodes:
        held = node.vitals.memory_bytes
        cells = (
            str(node.number),
            node.kind,
            node.worker,
            str(node.running) if node.kind == "node" else f"{node.running} of {node.slots}",
            "" if held is None else f"{held / 1024**2:,.0f} MiB",
            _ago(node.heartbeat_seconds),
            node.state,
        )
        table.add_row(*map(clean, cells))
    return table


def _running_table(jobs: "Iterable[tuple[JobAtWork, timedelta]]") -> "Table":
    table = _plain_table(("task", "job", "runs for", "progress", "message"))
    for job, since in jobs:
        runs = _ago(max(0.0, since.total_seconds()))
        told = job.progress
        cells = (job.task, str(job.id), runs, told.brief, told.message or "")
        table.add_row(*map(clean, cells))
    return table


def _dead_table(groups: Iterable["DeadGroup"]) -> "Table":
    table = _plain_table(("task", "cause", "jobs", "last", "message"))
    for group in groups:
        message = clean(group.message)[:MESSAGE_CHARS_MAX]
        cells = (group.task, group.cause, f"{group.count:,}", _moment(group.last_at), message)
        table.add_row(*map(clean, cells))
    return table


def _ago(seconds: float) -> str:
    return "<1s" if seconds < 1 else format_seconds(float(int(seconds)))


def _moment(at: "datetime") -> str:
    return f"{at:%m-%d %H:%M:%S}Z"


def _plain_table(heads: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="ellipsis", no_wrap=terminal)
    return table
