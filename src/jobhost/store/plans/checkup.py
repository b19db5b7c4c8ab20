"""What a checkup asks of every dialect: one statement each, for people and never for a worker."""

from datetime import timedelta
from typing import Final, NamedTuple

from jobhost.jobs.queues import QueueSettings, WhenFull
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.hours import standing


def waiting_queues() -> Plan[list[str]]:
    """The queues in which jobs are ready or set aside."""
    found = yield Statement("waiting_queues")
    return [queue for (queue,) in found.rows]


def blocked_tasks() -> Plan[list[tuple[str, int]]]:
    """Tasks of which jobs are set aside, with how many; most first."""
    found = yield Statement("blocked_tasks")
    return [(task, count) for task, count in found.rows]


LOOP_DEATHS: Final = 5
"""Workers of one node that die within LOOP_WITHIN_US: no chance brings that about."""

LOOP_WITHIN_US: Final = 600_000_000


class Suspects(NamedTuple):
    """Jobs of one task that wait to run alone; `untried` of them never ran: they wait because their
    task is set aside as a whole."""

    task: str
    jobs: int
    untried: int


class CrashLoop(NamedTuple):
    """A node whose workers die one after the other: how many lately, and the last one's end."""

    node: str
    deaths: int
    last: str


def blocked_suspects() -> Plan[list[Suspects]]:
    """Jobs that wait to run alone, by task; most first."""
    found = yield Statement("blocked_suspects")
    return [Suspects._make(row) for row in found.rows]


def served_tasks() -> Plan[frozenset[str]]:
    """The tasks that some worker knows whose lease is live."""
    found = yield Statement("served_tasks")
    return frozenset(task for (task,) in found.rows)


def crash_loops() -> Plan[list[CrashLoop]]:
    """Living nodes whose workers die again and again; most deaths first."""
    params = {"within_us": LOOP_WITHIN_US, "deaths": LOOP_DEATHS}
    found = yield Statement("crash_loops", params)
    return [CrashLoop(f"{host}:{pid}", deaths, last) for host, pid, deaths, last in found.rows]


def next_due() -> Plan[int | None]:
    """Microseconds until the next scheduled job is due, negative when it has been; None without."""
    found = yield Statement("next_due")
    due_in_us: int | None = found.rows[0][0]
    return due_in_us


QUEUES_MAX: Final = 1000
"""Queues that are looked at: people have paused or set them by name."""

LOOKED_AT: Final = 1000
"""Rows at the old end of a table that a checkup looks at: there it shows what is wrong."""

DEAD_LOOKED_AT: Final = 10_001
"""Dead jobs that a checkup looks at: more are told as "more than 10,000"."""

DEAD_WITHIN_US: Final = 3_600_000_000
"""How long ago "lately" is, of dead jobs."""

LONG_US: Final = 86_400_000_000
"""A day: a job that has waited so long with a unique key keeps all others like it away."""

DEFERRED_LONG_US: Final = 7 * 86_400_000_000
"""A week: whoever wanted to fetch a deferred job has come back from a long weekend."""

LATE_US: Final = 120_000_000
"""How long a job may wait past its expiry: any live worker would have swept it."""


class Pause(NamedTuple):
    """A queue that is paused, and since how many microseconds."""

    queue: str
    since_us: int


class HeldKey(NamedTuple):
    """A unique key of a task, taken so many microseconds ago by a job that waits."""

    task: str
    since_us: int
    job: bytes


class LongDeferred(NamedTuple):
    """Jobs of a task that were set aside by it: how many, and since how many microseconds the
    first of them."""

    task: str
    jobs: int
    since_us: int


class DeadLately(NamedTuple):
    """How many dead jobs there are, up to DEAD_LOOKED_AT; `lately`: how many of these died within
    DEAD_WITHIN_US."""

    jobs: int
    lately: int


def pauses() -> Plan[list[Pause]]:
    """The paused queues, by name."""
    found = yield Statement("paused_for", {"limit": QUEUES_MAX})
    return [Pause._make(row) for row in found.rows]


def bounded_queues() -> Plan[list[QueueSettings]]:
    """The queues that have an objective or a capacity, by name; of their settings only these, and
    whether they are open."""
    found = yield Statement("bounded_queues", {"limit": QUEUES_MAX})
    return [
        QueueSettings(
            name=name,
            objective=None if objective_us is None else timedelta(microseconds=objective_us),
            capacity=capacity,
            when_full=WhenFull(when_full),
            opening=None if hours is None else standing(hours, zone, (begin, end), now),
        )
        for name, objective_us, capacity, when_full, hours, zone, begin, end, now in found.rows
    ]


def expired_for() -> Plan[tuple[int, int]]:
    """Jobs that wait though they expired more than LATE_US ago: how many of the first LOOKED_AT,
    and since how many microseconds the first of them; 0 and 0 if none does."""
    found = yield Statement("expired_for", {"late_us": LATE_US, "looked_at": LOOKED_AT})
    jobs, since_us = found.rows[0]
    return jobs, since_us or 0


def long_held_keys() -> Plan[list[HeldKey]]:
    """Unique keys that a waiting job has held for longer than LONG_US, of the LOOKED_AT oldest
    holders; in any order."""
    found = yield Statement("long_held_keys", {"long_us": LONG_US, "looked_at": LOOKED_AT})
    return [HeldKey._make(row) for row in found.rows]


def long_deferred() -> Plan[list[LongDeferred]]:
    """Jobs that have been deferred for longer than DEFERRED_LONG_US, of the LOOKED_AT oldest that
    are blocked, by task; the longest first."""
    params = {"long_us": DEFERRED_LONG_US, "looked_at": LOOKED_AT}
    found = yield Statement("long_deferred", params)
    return [LongDeferred._make(row) for row in found.rows]


def ended_windows() -> Plan[int | None]:
    """Microseconds since the first window of an idempotency key has been over, negative when that
    is still to come; None without such keys."""
    found = yield Statement("ended_windows")
    since_us: int | None = found.rows[0][0]
    return since_us


def dead_lately() -> Plan[DeadLately]:
    """How many dead jobs there are, and how many of these are fresh."""
    params = {"within_us": DEAD_WITHIN_US, "looked_at": DEAD_LOOKED_AT}
    found = yield Statement("dead_lately", params)
    return DeadLately._make(found.rows[0])


def longest_kept() -> Plan[int | None]:
    """Microseconds since the success ended that has been kept longest, among the first LOOKED_AT
    ended jobs; None without any."""
    found = yield Statement("longest_kept", {"looked_at": LOOKED_AT})
    kept_us: int | None = found.rows[0][0]
    return kept_us


def ahead_us() -> Plan[int]:
    """How many microseconds the latest time that the store has seen is ahead of its clock; negative
    when all is past, as it should be."""
    found = yield Statement("latest_instant")
    ahead: int = found.rows[0][0]
    return ahead
