"""What an operator does with dead letters: look at them, send them back, purge them.

Many are moved in slices, oldest first; each slice is a transaction of its own. A walk goes on after
the last number that it has seen, so a job that dies again meanwhile is not met twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from jobhost.clock import to_datetime
from jobhost.jobs.dead import DeadFilter, DeadGroup
from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans import keys, operate
from jobhost.store.plans.look import NEWEST, Page, check_limit, page_of

SLICE_MAX: Final = 100
"""Dead letters moved by one transaction: what it holds, it holds for some milliseconds."""

LOOKED_AT_MAX: Final = 100_000
"""Counts and groups are about the newest so many: enough to see what is wrong."""

GROUPS_MAX: Final = 100
"""Groups that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadCount:
    """How many dead jobs a filter means. `whole`: all of them were looked at."""

    jobs: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What came of one slice.

    Args:
        done: Jobs moved; `refused`, those whose unique key another job has by now, or that
            somebody else has moved meanwhile.
        after: The number of the last job that was looked at; None when no more are meant.
    """

    done: int
    refused: int
    after: int | None


def list_dead(which: DeadFilter, *, limit: int, before: int | None = None) -> Plan[Page]:
    """One page of dead jobs, newest first. `before` is the `next` of the page before.

    Raises InvalidOption for a limit out of range.
    """
    check_limit(limit)
    place = {"before": NEWEST if before is None else before, "limit": limit}
    found = yield Statement("list_dead", {**_params(which), **place})
    return page_of(found.rows, limit)


def count_dead(which: DeadFilter) -> Plan[DeadCount]:
    """How many a filter means."""
    found = yield Statement("count_dead", {**_params(which), "looked_at": LOOKED_AT_MAX})
    jobs, looked_at = found.rows[0]
    return DeadCount(jobs=jobs, whole=looked_at < LOOKED_AT_MAX)


def group_dead(which: DeadFilter, *, looked_at: int = LOOKED_AT_MAX) -> Plan[list[DeadGroup]]:
    """Those that died alike, the largest groups first; at most GROUPS_MAX, among the newest
    `looked_at` dead ones."""
    params = {**_params(which), "looked_at": looked_at, "limit": GROUPS_MAX}
    found = yield Statement("group_dead", params)
    return [
        DeadGroup(
            task=task,
            cause=cause,
            count=count,
            first_at=to_datetime(first_at),
            last_at=to_datetime(last_at),
            newest=UUID(bytes=newest),
            message=message,
        )
        for task, cause, count, first_at, last_at, newest, message in found.rows
    ]


def redrive_dead(which: DeadFilter, *, after: int = -1, limit: int = SLICE_MAX) -> Plan[Moved]:
    """Send the next slice back, each with fresh counts.

    Args:
        which: Those that are meant.
        after: The `after` of the slice before.
        limit: 1 to SLICE_MAX.
    """
    rows = yield from _next(which, after, limit)
    yield from keys.hold_keys_of([job_id for _, job_id in rows])
    done = 0
    for _, job_id in rows:
        moved = yield from operate.redrive(job_id)
        done += moved is not None and moved.done
    return _moved(rows, done, limit)


def purge_dead(which: DeadFilter, *, after: int = -1, limit: int = SLICE_MAX) -> Plan[Moved]:
    """Delete the next slice, with all that belongs to the jobs."""
    rows = yield from _next(which, after, limit)
    gone = yield from operate.purge_ended([job for job, _ in rows], State.DEAD)
    return _moved(rows, gone, limit)


def _next(which: DeadFilter, after: int, limit: int) -> Plan[Sequence[tuple[int, bytes]]]:
    params = {**_params(which), "after": after, "limit": limit}
    found = yield Statement("find_dead", params)
    return [(job, job_id) for job, job_id in found.rows]


def _moved(rows: Sequence[tuple[int, bytes]], done: int, limit: int) -> Moved:
    after = rows[-1][0] if len(rows) == limit else None
    return Moved(done=done, refused=len(rows) - done, after=after)


def _params(which: DeadFilter) -> dict[str, Any]:
    since, until = which.instants()
    return {
        "task": which.task,
        "queue": which.queue,
        "error": which.error,
        "reason": which.reason,
        "since": since,
        "until": until,
    }
