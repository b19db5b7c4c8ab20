"""What is said of queues: settings, pause and resume. A queue without a row has no settings."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from jobhost.clock import to_datetime
from jobhost.jobs.queues import QueueSettings, WhenFull
from jobhost.store.plan import Plan, Row, Statement
from jobhost.store.plans.hours import keep_hours, standing

SETTINGS_MAX: Final = 10_000
"""Queues with settings that are read at most: they are named by people."""


_COLUMNS: Final = (
    "name", "paused_at", "pause_reason", "capacity", "when_full", "wait_us", "expires_us",
    "dropped", "objective_us", "hours", "zone", "open_from", "open_until", "raise_after_us",
    "now",
)  # fmt: skip

_HOURS: Final = frozenset({"hours", "zone"})


def set_queue(name: str, changes: Mapping[str, Any]) -> Plan[None]:
    """Change settings of a queue; what is not named stays as it is.

    Args:
        changes: By column, as `jobs.queues.stored_changes` makes them. Durations in microseconds.

    `Store.announce` must follow if there are other hours, to wake workers.
    """
    yield Statement("set_queue", {"queue": name, "changes": json.dumps(dict(changes))})
    if changes_hours(changes):
        yield from keep_hours(name)


def changes_hours(changes: Mapping[str, Any]) -> bool:
    """Whether a queue may open or close by these changes."""
    return not changes.keys().isdisjoint(_HOURS)


def pause_queue(name: str, reason: str | None) -> Plan[bool]:
    """Have nothing of this queue started from the next claims on; jobs that run go on.

    Returns whether it was not paused before. Paused again, the first time counts and the last
    reason.
    """
    before = yield from queue_settings(name)
    yield Statement("pause_queue", {"queue": name, "reason": reason})
    return before is None or before.paused_at is None


def resume_queue(name: str) -> Plan[bool]:
    """End a pause; whether there was one. `Store.announce` must follow, to wake workers."""
    resumed = yield Statement("resume_queue", {"queue": name})
    return resumed.changed > 0


def queue_settings(name: str) -> Plan[QueueSettings | None]:
    """What is said of one queue; None if nothing. One statement, one step in a key."""
    found = yield Statement("queue_settings", {"queue": name})
    return None if found.first is None else _settings(found.first)


def all_settings() -> Plan[list[QueueSettings]]:
    """What is said of all queues, by name."""
    found = yield Statement("all_queue_settings", {"limit": SETTINGS_MAX})
    return [_settings(row) for row in found.rows]


def watched_queues(node: int) -> Plan[list[QueueSettings]]:
    """The queues with an objective or a capacity, if this node is the first of the living workers;
    else none: one of them looks for all."""
    found = yield Statement("watched_queues", {"node": node, "limit": SETTINGS_MAX})
    return [_settings(row) for row in found.rows]


def declare_queue(name: str, settings: Mapping[str, Any]) -> Plan[bool]:
    """Store what a program has declared of a queue; whether that changed anything.

    Args:
        settings: By column, as `jobs.queues.stored_changes` makes them.
    """
    found = yield Statement("queue_settings", {"queue": name})
    there = dict(zip(_COLUMNS, found.first or (None,) * len(_COLUMNS), strict=True))
    if found.first is not None and all(there[key] == value for key, value in settings.items()):
        return False
    yield from set_queue(name, settings)
    return True


def shut(names: Sequence[str]) -> Plan[dict[str, QueueSettings]]:
    """Those of these queues of which nothing is started now, by name: paused or closed."""
    found = yield Statement("shut_queues", {"queues": json.dumps(list(names))})
    return {row[0]: _settings(row) for row in found.rows}


def _settings(row: Row) -> QueueSettings:
    (name, paused_at, reason, capacity, when_full, wait_us, expires_us, dropped, objective_us,
     hours, zone, open_from, open_until, raise_after_us, now) = row  # fmt: skip
    return QueueSettings(
        name=name,
        paused_at=None if paused_at is None else to_datetime(paused_at),
        pause_reason=reason,
        capacity=capacity,
        when_full=WhenFull(when_full),
        wait=_span(wait_us),
        expires=_span(expires_us),
        dropped=bool(dropped),
        objective=_span(objective_us),
        raise_priority_after=_span(raise_after_us),
        hours=hours,
        zone=zone,
        opening=None if hours is None else standing(hours, zone, (open_from, open_until), now),
    )


def _span(span_us: int | None) -> timedelta | None:
    return None if span_us is None else timedelta(microseconds=span_us)
