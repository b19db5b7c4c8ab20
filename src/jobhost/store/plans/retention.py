"""What is deleted when it has been kept long enough, in slices that disturb nobody.

A slice looks at some hundred rows in the order of their numbers and removes the old ones among
them, with all that belongs to them. It walks along the keys that are there, so that nothing else
pays for it. A live job is never met: a walk goes through `done`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement

PRUNE_SLICE: Final = 500
"""Rows that one transaction looks at, and at most removes."""

_REMOVALS: Final = (
    "remove_attempt",
    "remove_cancellation",
    "remove_checkpoint",
    "remove_expiry",
    "remove_log",
    "remove_progress",
    "remove_revision",
    "remove_done",
    "remove_job",
)
"""One for each table with rows of a job, always in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Where a walk stands.

    Args:
        state: The final state that it goes through.
        keep_us: How long jobs are kept in it, counted from their end.
        after: The number of the last job that was looked at; 0 begins.
    """

    state: State
    keep_us: int
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What a slice came to.

    Args:
        pruned: Jobs removed; in a dry run, those that would be.
        after: The number of the last job that was looked at.
        over: There is nothing more for this walk: it has come to the end, or to jobs that were
            accepted too late to be old.
    """

    pruned: int
    after: int
    over: bool


def prune(place: Slice, *, dry_run: bool = False) -> Plan[PruneReport]:
    """One slice of a walk. Two at the same place do no harm: what one has is not the other's."""
    kept = {"state": place.state.value, "keep_us": place.keep_us}
    walk = "walk_succeeded" if place.state is State.SUCCEEDED else "walk_unsuccessful"
    seen = yield Statement(walk, {**kept, "after": place.after, "limit": PRUNE_SLICE})
    rows = sorted(seen.rows)
    old = [job for job, is_old, _ in rows if is_old]
    count = len(old)
    if old and not dry_run:
        held = yield Statement("hold_old", {**kept, "jobs": json.dumps(old)})
        count = len(held.rows)
        yield from remove([job for (job,) in held.rows])
    return PruneReport(
        pruned=count,
        after=rows[-1][0] if rows else place.after,
        over=len(rows) < PRUNE_SLICE or bool(rows[-1][2]),
    )


def remove(jobs: Sequence[int]) -> Plan[None]:
    """Delete jobs that have ended, whose rows in `done` are held, with all that belongs to them."""
    if not jobs:
        return
    listed = json.dumps(sorted(jobs))
    for removal in _REMOVALS:
        yield Statement(removal, {"jobs": listed})


def first_worker() -> Plan[int | None]:
    """The number of the first of all live workers: it is the one that prunes."""
    found = yield Statement("first_worker")
    number: int | None = found.rows[0][0]
    return number
