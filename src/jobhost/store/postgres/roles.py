"""Five roles with the least rights that their parts need.

`ROLES` is the table; all else is made from it: the script of `jobhost roles --sql`
(`roles_script.py`), its explanation, and what `jobhost doctor` compares a login with. Two things
stand behind its rows:

- The views belong to the owner and read with the owner's rights, not with the reader's
  (`security_invoker` is off on purpose): they are the border. Whoever may read a view needs no
  right to the payloads in the tables below it, and a view's columns can be granted one by one.
- A row that is locked needs UPDATE on one column. Jobs grow no worse by a changed count of
  crashes, so it is that one, unless another is granted anyway.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from jobhost.store.postgres.target import SETTINGS

_RIGHT: Final = re.compile(r"([A-Z]+)(?: \(([^)]*)\))?")

_TIME_OUTS: Final = tuple(name for name in SETTINGS if name.endswith("_timeout"))

_NEW_JOB: Final = "INSERT (id, task, queue, priority, payload, envelope, parent, created_at)"
_LOCK: Final = "UPDATE (crashes)"
_MOVE: Final = f"SELECT, INSERT, DELETE, {_LOCK}"
_PUBLIC_JOB: Final = "number, id, task, queue, priority, parent, created_at"
_COUNTS: Final = "epoch, deliveries, failures, crashes"
_SETTINGS: Final = (
    "capacity, when_full, wait_us, expires_us, dropped, objective_us, "
    "hours, zone, open_from, open_until, raise_after_us"
)
_KEEP_FIRSTS: Final = "SELECT, INSERT, UPDATE (key, id, digest, until)"
_TAKE_KEYS: Final = (
    "SELECT, INSERT, UPDATE (key, job, id, epoch, until_start, held_until, taken_at)"
)
_ENDED: Final = f"job, state, outcome, ended_at, node, claimed_at, duration_us, {_COUNTS}"

_LOOK: Final = {
    "migration": "SELECT",
    "jobs": "SELECT",
    "attempts": "SELECT",
    "job": f"SELECT ({_PUBLIC_JOB})",
    "ready": "SELECT",
    "scheduled": "SELECT",
    "blocked": "SELECT",
    "running": "SELECT",
    "done": f"SELECT ({_ENDED}, reason, error)",
    "cancellation": "SELECT",
    "node": "SELECT",
    "queue": "SELECT",
    "progress": "SELECT",
    "log": "SELECT",
    "expiry": "SELECT (job, expires_at)",
    "unique_key": "SELECT (task, job, taken_at)",
    "idempotency": "SELECT (until)",
}

_LOOK_WITHOUT_PAYLOADS: Final = {
    **_LOOK,
    "jobs": (
        f"SELECT ({_PUBLIC_JOB}, state, due_at, claimed_at, ended_at, {_COUNTS}, worker, "
        "cancel_requested)"
    ),
    "attempts": "SELECT (job, epoch, outcome, node, claimed_at, ended_at, duration_us)",
    "blocked": f"SELECT (job, queue, priority, task, {_COUNTS}, suspect_of, deferred_at)",
    "done": f"SELECT ({_ENDED})",
    "cancellation": "SELECT (job, requested_at)",
    "queue": f"SELECT (name, paused_at, {_SETTINGS}, raise_marks, changed_at)",
    "progress": "SELECT (job, epoch, done, total, told_at)",
    "log": "SELECT (job, epoch, line, written_at, level, source)",
}
"""Reasons quote what people and errors said, and so do logs and messages: they are left out too."""

TABLES: Final = (
    "migration", "job", "ready", "scheduled", "blocked", "running", "cancellation", "done",
    "attempt", "node", "moved", "idempotency", "unique_key", "expiry", "queue", "progress",
    "checkpoint", "log", "revision",
)  # fmt: skip
VIEWS: Final = ("jobs", "attempts")
SEQUENCE: Final = "number"
ENQUEUE: Final = "enqueue(text, jsonb, text, integer, timestamptz, uuid)"
FUNCTIONS: Final = ("clock()", ENQUEUE)
OBJECTS: Final = (*TABLES, *VIEWS, SEQUENCE, *FUNCTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One part in the work with a store.

    Args:
        name: Its name, without the prefix.
        may, may_not: The part in words.
        rights: What is granted on each table, view, sequence and function.
        settings: Names of those in `SETTINGS` that the role itself carries. The planner's are
            left out where people write queries of their own.
    """

    name: str
    may: str
    may_not: str
    rights: Mapping[str, str]
    settings: tuple[str, ...] = tuple(SETTINGS)


OWNER: Final = Role(
    name="owner",
    may="own the schema and all in it; migrate",
    may_not="anything outside the schema; make another one",
    rights={},
    settings=_TIME_OUTS,
)

ROLES: Final = (
    OWNER,
    Role(
        name="producer",
        may="enqueue; see by the numbers of jobs which have started or ended, as unique keys ask",
        may_not="read a job, its arguments or result, not even of its own; replace a payload; "
        "cancel",
        rights={
            "migration": "SELECT",
            "job": f"{_NEW_JOB}, SELECT (id, number)",
            "ready": "SELECT (job, seq, epoch, queue, priority, lane), INSERT",
            "scheduled": "SELECT (job, epoch), INSERT",
            "blocked": "SELECT (job, epoch, queue)",
            "running": "SELECT (job, epoch)",
            "done": "SELECT (job)",
            "idempotency": _KEEP_FIRSTS,
            "unique_key": _TAKE_KEYS,
            "expiry": "INSERT",
            "queue": "SELECT",
            "node": "SELECT (ended_at, wakeable)",
            "number": "USAGE",
            "clock()": "EXECUTE",
            ENQUEUE: "EXECUTE",
        },
    ),
    Role(
        name="worker",
        may="run jobs, and enqueue from them; resume deferred ones; read status and results; "
        "delete what was kept long enough",
        may_not="change more of what was accepted than its arguments and their version, which "
        "stands in the envelope; cancel, redrive; change the schema",
        rights={
            "migration": "SELECT",
            "jobs": "SELECT",
            "attempts": "SELECT",
            "job": f"{_NEW_JOB}, SELECT, DELETE, UPDATE (payload, envelope)",
            "ready": _MOVE,
            "scheduled": "SELECT, INSERT, DELETE, UPDATE (due_at)",
            "blocked": _MOVE,
            "running": _MOVE,
            "done": f"SELECT (job, epoch, state, outcome, ended_at), INSERT, DELETE, {_LOCK}",
            "attempt": "SELECT (job, epoch, outcome, node), INSERT, DELETE",
            "expiry": "SELECT, INSERT, DELETE, UPDATE (dropped)",
            "idempotency": f"{_KEEP_FIRSTS}, DELETE",
            "unique_key": f"{_TAKE_KEYS}, DELETE",
            "cancellation": "SELECT (job, reason), DELETE",
            "node": "SELECT, DELETE, INSERT (number, id, host, pid, version, slots, queues, tasks, "
            "started_at, heartbeat_at, lease_until, vitals, wakeable, kind, supervisor), "
            "UPDATE (heartbeat_at, lease_until, vitals, wakeable, ended_at, end_reason)",
            "progress": "SELECT, INSERT, DELETE, UPDATE (epoch, done, total, message, items, "
            "told_at)",
            "checkpoint": "SELECT, INSERT, DELETE, UPDATE (epoch, state, saved_at)",
            "log": "SELECT, INSERT, DELETE",
            "revision": "SELECT (job, number), INSERT, DELETE",
            "queue": f"SELECT, INSERT (name, {_SETTINGS}, changed_at), "
            f"UPDATE ({_SETTINGS}, raise_marks, changed_at)",
            "number": "USAGE",
            "clock()": "EXECUTE",
            ENQUEUE: "EXECUTE",
        },
    ),
    Role(
        name="viewer",
        may="read jobs, attempts, nodes and workers",
        may_not="change anything",
        rights={**_LOOK, "clock()": "EXECUTE"},
        settings=_TIME_OUTS,
    ),
    Role(
        name="operator",
        may="read as a viewer; cancel, redrive, resume, purge, prune; drain nodes; pause, "
        "resume and set queues",
        may_not="enqueue, run jobs, change more of what was accepted than the arguments of a "
        "redrive",
        rights={
            **_LOOK,
            "ready": _MOVE,
            "scheduled": f"SELECT, DELETE, {_LOCK}",
            "blocked": f"SELECT, DELETE, {_LOCK}",
            "running": f"SELECT, {_LOCK}",
            "done": f"SELECT ({_ENDED}, reason, error), INSERT, DELETE, {_LOCK}",
            "attempt": "SELECT (job), INSERT, DELETE",
            "expiry": "SELECT, DELETE",
            "progress": "SELECT, DELETE",
            "checkpoint": "SELECT (job), DELETE",
            "log": "SELECT, DELETE",
            "revision": "SELECT (job, number), INSERT, DELETE",
            "job": f"SELECT ({_PUBLIC_JOB}, envelope, payload), DELETE, UPDATE (payload)",
            "idempotency": "SELECT, DELETE, UPDATE (until)",
            "unique_key": f"{_TAKE_KEYS}, DELETE",
            "cancellation": "SELECT, INSERT, DELETE",
            "node": "SELECT, UPDATE (drain_requested_at)",
            "queue": f"SELECT, INSERT (name, paused_at, pause_reason, {_SETTINGS}, changed_at), "
            f"UPDATE (paused_at, pause_reason, {_SETTINGS}, raise_marks, changed_at)",
            "number": "USAGE",
            "clock()": "EXECUTE",
        },
    ),
)


class Right(NamedTuple):
    """One right that a role needs; `column` is None where it holds for the whole object."""

    role: str
    kind: str
    on: str
    right: str
    column: str | None


VIEWER_WITHOUT_PAYLOADS: Final = Role(
    name="viewer",
    may="read jobs, attempts, nodes and workers by SQL, without payloads, results and errors",
    may_not="use 'jobhost jobs', which shows these; change anything",
    rights={**_LOOK_WITHOUT_PAYLOADS, "clock()": "EXECUTE"},
    settings=_TIME_OUTS,
)


def roles(*, payloads: bool = True) -> tuple[Role, ...]:
    """The roles; without `payloads` the viewer reads no arguments, results, errors and reasons."""
    if payloads:
        return ROLES
    return tuple(VIEWER_WITHOUT_PAYLOADS if role.name == "viewer" else role for role in ROLES)


def needed_rights() -> dict[str, list[Right]]:
    """What is granted, right by right, to each role but the owner, and to each kind of viewer."""
    parts = {role.name: role for role in ROLES if role is not OWNER}
    parts["viewer without payloads"] = VIEWER_WITHOUT_PAYLOADS
    return {name: list(_rights(name, role)) for name, role in parts.items()}


def _rights(name: str, role: Role) -> Iterator[Right]:
    for on, given in role.rights.items():
        for right, columns in _RIGHT.findall(given):
            for column in columns.split(", ") if columns else [None]:
                yield Right(name, kind_of(on), on, right, column)


def kind_of(name: str) -> str:
    """What GRANT calls it."""
    if name == SEQUENCE:
        return "SEQUENCE"
    return "FUNCTION" if name in FUNCTIONS else "TABLE"
