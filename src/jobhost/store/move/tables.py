"""What travels, and what does not: the one list, by the names that both dialects share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table that is copied.

    Args:
        name: Without `jobhost_` or the schema.
        key: The columns, first ones of `columns`, by which its rows are unique and ordered.
        columns: All that are copied.
        flags: Those that are true or false on PostgreSQL, and 1 or 0 on SQLite.
        words: Those of the key that are text: both order them by their bytes.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    flags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


_COUNTS: Final = ("epoch", "deliveries", "failures", "crashes")

TABLES: Final = (
    Table(
        name="node",
        key=("number",),
        columns=(
            "number", "id", "host", "pid", "version", "slots", "queues", "tasks", "started_at",
            "heartbeat_at", "lease_until", "ended_at", "end_reason", "kind", "supervisor",
            "vitals", "drain_requested_at",
        ),
    ),
    Table(
        name="job",
        key=("number",),
        columns=(
            "number", "id", "task", "queue", "priority", "payload", "envelope", "parent",
            "created_at",
        ),
    ),
    Table(
        name="ready",
        key=("job",),
        columns=("job", "queue", "priority", "lane", "seq", "task", *_COUNTS),
    ),
    Table(
        name="scheduled",
        key=("job",),
        columns=("job", "due_at", "queue", "priority", "task", *_COUNTS),
    ),
    Table(
        name="blocked",
        key=("job",),
        columns=(
            "job", "reason", "queue", "priority", "task", *_COUNTS, "suspect_of", "deferred_at",
        ),
    ),
    Table(
        name="running",
        key=("job",),
        columns=("job", "node", "claimed_at", "queue", "priority", "task", *_COUNTS),
    ),
    Table(name="cancellation", key=("job",), columns=("job", "reason", "requested_at")),
    Table(
        name="attempt",
        key=("job", "epoch"),
        columns=(
            "job", "epoch", "outcome", "node", "claimed_at", "ended_at", "duration_us", "error",
        ),
    ),
    Table(
        name="done",
        key=("job",),
        columns=(
            "job", "state", "reason", "outcome", "ended_at", "node", "claimed_at", "duration_us",
            "result", "error", *_COUNTS,
        ),
    ),
    Table(
        name="idempotency",
        key=("task", "key"),
        columns=("task", "key", "id", "digest", "until"),
        words=("task", "key"),
    ),
    Table(
        name="unique_key",
        key=("task", "key"),
        columns=("task", "key", "job", "id", "epoch", "until_start", "held_until", "taken_at"),
        flags=("until_start",),
        words=("task", "key"),
    ),
    Table(
        name="expiry", key=("job",), columns=("job", "expires_at", "dropped"), flags=("dropped",)
    ),
    Table(
        name="queue",
        key=("name",),
        columns=(
            "name", "paused_at", "pause_reason", "capacity", "when_full", "wait_us", "expires_us",
            "dropped", "objective_us", "hours", "zone", "open_from", "open_until",
            "raise_after_us", "raise_marks", "changed_at",
        ),
        flags=("dropped",),
        words=("name",),
    ),
    Table(
        name="progress",
        key=("job",),
        columns=("job", "epoch", "done", "total", "message", "items", "told_at"),
    ),
    Table(name="checkpoint", key=("job",), columns=("job", "epoch", "state", "saved_at")),
    Table(
        name="log",
        key=("job", "epoch", "line"),
        columns=("job", "epoch", "line", "written_at", "level", "source", "message"),
    ),
    Table(
        name="revision",
        key=("job", "number"),
        columns=("job", "number", "payload", "reason", "replaced_at"),
    ),
)  # fmt: skip
"""In the order in which they are copied."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "migration": "each store has its own migrations",
    "moved": "says of each store where it went, or what came",
    "sequence": "becomes the value of the sequence 'number'",
}
"""Tables that stay behind, with the reason."""

LEFT_OUT_COLUMNS: Final[Mapping[tuple[str, str], str]] = {
    ("node", "wakeable"): "only PostgreSQL has it, and no living node moves",
}
