"""Jobs whose time to start is over: they are dead, or deleted where their producer said so.

A job that runs is left alone, whatever it comes to. If it waits again after that, it expires then.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobhost.jobs.expiry import EXPIRED
from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.retention import remove

EXPIRE_BATCH: Final = 500
"""Jobs of one transaction: each is moved, so it is as much work as to claim and record them."""

_MOVES: Final = (
    ("expire_ready", "leave_ready_for_good"),
    ("expire_scheduled", "leave_scheduled"),
    ("expire_blocked", "leave_blocked"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryReport:
    """What a pass came to.

    Args:
        expired: Jobs that are dead now, and stay so.
        dropped: Jobs that were deleted.
        due_in_us: Microseconds until the next job expires; None: no job does. 0 or less: all that
            are over still run, or somebody else is at them.
        more: A batch was full: another pass has something to do now.
    """

    expired: int = 0
    dropped: int = 0
    due_in_us: int | None = None
    more: bool = False


def expire() -> Plan[ExpiryReport]:
    """One pass: at most EXPIRE_BATCH jobs, those first whose time was over first."""
    due = yield Statement("due_expiries", {"limit": EXPIRE_BATCH})
    expired = dropped = 0
    if due.rows:
        expired, dropped = yield from _expire({job: bool(drop) for job, drop in due.rows})
    left_us = yield from until_next()
    return ExpiryReport(
        expired=expired,
        dropped=dropped,
        due_in_us=left_us,
        more=len(due.rows) == EXPIRE_BATCH,
    )


def until_next() -> Plan[int | None]:
    """Microseconds until the next job expires, as in `ExpiryReport.due_in_us`."""
    left = yield Statement("next_expiry")
    return None if left.rows[0][0] is None else int(left.rows[0][0])


def expired_among(jobs: Sequence[int]) -> Plan[frozenset[int]]:
    """Which of these claimed jobs must not start, by the store's clock.

    One without a row in the store is not among them, such as one that was expired and redriven.
    """
    found = yield Statement("expired_among", {"jobs": json.dumps(list(jobs))})
    return frozenset(job for (job,) in found.rows)


def _expire(drops: dict[int, bool]) -> Plan[tuple[int, int]]:
    """Move those that wait, then tidy up behind all that have ended, in whichever way."""
    jobs = json.dumps(list(drops))
    moved: list[int] = []
    for end, leave in _MOVES:
        ended = yield Statement(end, {"jobs": jobs, "reason": EXPIRED})
        if ended.rows:
            gone = [job for (job,) in ended.rows]
            yield Statement(leave, {"jobs": json.dumps(gone)})
            moved += gone
    final = yield Statement("ended_of", {"jobs": jobs})
    over = [job for job, _, _ in final.rows]
    dropped = [
        job
        for job, state, outcome in final.rows
        if drops[job] and state == State.DEAD.value and outcome in (None, EXPIRED)
    ]
    if over:
        yield Statement("remove_expiry", {"jobs": json.dumps(over)})
    if dropped:
        yield from remove(dropped)
    return len(set(moved) - set(dropped)), len(dropped)
