"""How many jobs are in the states that no queue shows, and how far those are that run, at a cost
that does not grow."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from jobhost.clock import to_datetime
from jobhost.jobs.records import JobAtWork
from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.look import progress_from

COUNTED_MAX: Final = 10_000
"""Jobs of one state that are counted: a walk of a few milliseconds."""


class Bounded(NamedTuple):
    """How many jobs; or, if it is not `whole`, that there are more than that."""

    jobs: int
    whole: bool

    def __str__(self) -> str:
        return f"{self.jobs:,}" if self.whole else f"over {self.jobs:,}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"jobs": self.jobs, "exact": self.whole}


def tally_bounded() -> Plan[dict[State, Bounded]]:
    """Scheduled, blocked and dead jobs, each counted up to COUNTED_MAX."""
    found = yield Statement("tally_bounded", {"limit": COUNTED_MAX + 1})
    return {
        State(state): Bounded(min(count, COUNTED_MAX), count <= COUNTED_MAX)
        for state, count in found.rows
    }


def at_work(limit: int) -> Plan[list[JobAtWork]]:
    """Running jobs that have told how far they are, the longest running first; at most `limit`.
    Walks what runs, which slots bound."""
    found = yield Statement("at_work", {"limit": limit})
    return [
        JobAtWork(UUID(bytes=job_id), task, to_datetime(claimed_at), progress_from(told))
        for job_id, task, claimed_at, *told in found.rows
    ]
