"""What people get to read about queues."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jobhost.cli.render import clean, put_page
from jobhost.durations import format_seconds
from jobhost.jobs.queue_stats import NEARLY_FULL

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from jobhost.jobs.queue_stats import Age, PriorityStats, QueueStats

_HEADS: Final = (
    "queue", "waiting", "running", "oldest", "in/s", "out/s", "failed/s", "objective", "state",
)  # fmt: skip

_PRIORITY_HEADS: Final = (
    "priority", "waiting", "running", "oldest", "in/s", "out/s", "failed/s"
)  # fmt: skip


def put_queues(queues: Sequence["QueueStats"]) -> None:
    """Queues as a table."""
    put_page(queue_table(queues))


def queue_table(queues: Sequence["QueueStats"]) -> "Table":
    """Queues as a table, in their order."""
    table = _plain_table(_HEADS)
    for queue in queues:
        cells = (*_figures(queue), _objective(queue), _state(queue))
        table.add_row(clean(queue.name), *map(clean, cells))
    return table


def put_queue(queue: "QueueStats") -> None:
    """Everything about one queue."""
    from rich.table import Table

    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(queue):
        if value:
            facts.add_row(name, clean(value))
    parts: list[RenderableType] = [facts]
    if queue.priorities:
        table = _plain_table(_PRIORITY_HEADS)
        for one in queue.priorities:
            table.add_row(str(one.priority), *map(clean, _figures(one)))
        parts += ["\npriorities", table]
    put_page(*parts)


def _facts(queue: "QueueStats") -> list[tuple[str, str]]:
    settings, flow = queue.settings, queue.flow
    paused = "" if settings.paused_at is None else f"{settings.paused_at:%Y-%m-%d %H:%M:%S}Z"
    depth = str(queue.depth)
    if not queue.depth.exact:
        depth += f", give or take {queue.depth.error:,}"
    return [
        ("queue", queue.name),
        ("state", _state(queue)),
        ("paused", paused),
        ("reason", settings.pause_reason or ""),
        ("waiting", depth),
        ("running", str(queue.running)),
        ("oldest", _age(queue.oldest)),
        ("accepted", f"{_rate(flow.accepted)} a second"),
        ("started", f"{_rate(flow.started)} a second"),
        ("succeeded", f"{_rate(flow.succeeded)} a second"),
        ("failed", f"{_rate(flow.failed)} a second"),
        ("objective", _objective(queue)),
        ("hours", _hours(queue)),
        ("ageing", _ageing(queue)),
        ("capacity", _capacity(queue)),
        ("expires", _expiry(queue)),
    ]


def _figures(one: "QueueStats | PriorityStats") -> tuple[str, ...]:
    return (
        str(one.depth),
        str(one.running),
        _age(one.oldest),
        _rate(one.flow.accepted),
        _rate(one.flow.succeeded),
        _rate(one.flow.failed),
    )


def _state(queue: "QueueStats") -> str:
    words = []
    if queue.settings.paused_at is not None:
        words.append("paused")
    if not queue.served:
        words.append("no worker")
    if queue.late:
        words.append("late")
    if queue.fullness is not None and queue.fullness >= NEARLY_FULL:
        words.append("full" if queue.fullness >= 1 else f"{queue.fullness:.0%} full")
    if queue.settings.opening is not None:
        words.append(str(queue.settings.opening))
    if ageing := _ageing(queue):
        words.append(ageing)
    return ", ".join(words) or "in order"


def _age(age: "Age | None") -> str:
    if age is None:
        return ""
    if age.vague:
        return f"up to {format_seconds(age.at_most)}"
    return format_seconds(age.at_least)


def _rate(rate: float) -> str:
    if rate == 0:
        return "0"
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _objective(queue: "QueueStats") -> str:
    span = queue.settings.objective
    return "" if span is None else format_seconds(span.total_seconds())


def _capacity(queue: "QueueStats") -> str:
    settings = queue.settings
    if settings.capacity is None:
        return ""
    wait = (
        "" if settings.wait is None else f", up to {format_seconds(settings.wait.total_seconds())}"
    )
    return f"{settings.capacity:,}; then {settings.when_full.value}{wait}"


def _ageing(queue: "QueueStats") -> str:
    age = queue.settings.raise_priority_after
    return "" if age is None else f"raises after {format_seconds(age.total_seconds())}"


def _hours(queue: "QueueStats") -> str:
    settings = queue.settings
    return "" if settings.hours is None else f"{settings.hours} {settings.zone}"


def _expiry(queue: "QueueStats") -> str:
    settings = queue.settings
    if settings.expires is None:
        return ""
    then = "deleted" if settings.dropped else "dead"
    return f"after {format_seconds(settings.expires.total_seconds())} at the latest, then {then}"


def _plain_table(heads: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("queue", "priority"))
    return table
