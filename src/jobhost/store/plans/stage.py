"""What becomes ready, or stops being so, without a worker's doing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import draw_numbers

STAGE_BATCH: Final = 1000
"""Jobs moved by one transaction of the stager."""

NO_WORKER: Final = "no worker knows its task"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """How many jobs a pass moved, and in how many microseconds the next one is due (or None).

    `more` says that a batch was full, so that another pass has something to do now; `more_unserved`
    that this was the one of jobs that nobody serves, for which there is time.
    """

    staged: int = 0
    parked: int = 0
    unparked: int = 0
    due_in_us: int | None = None
    more: bool = False
    more_unserved: bool = False


def stage(queues: Sequence[str]) -> Plan[StageReport]:
    """One pass: due jobs become ready; jobs whose task nobody serves are set aside, and come
    back when somebody does."""
    staged = yield from _stage_due()
    unparked = yield from _unpark()
    parked = []
    for queue in queues:
        parked.append((yield from _park(queue)))
    yield Statement("forget_cancellations")
    due_in_us = (yield Statement("next_due")).rows[0][0]
    return StageReport(
        staged=staged,
        parked=sum(parked),
        unparked=unparked,
        due_in_us=due_in_us,
        more=STAGE_BATCH in (staged, unparked),
        more_unserved=STAGE_BATCH in parked,
    )


def _stage_due() -> Plan[int]:
    due = yield Statement("due", {"limit": STAGE_BATCH})
    if due.rows:
        jobs = json.dumps([job for (job,) in due.rows])
        first_seq = yield from draw_numbers(len(due.rows))
        yield Statement("stage", {"jobs": jobs, "first_seq": first_seq})
        yield Statement("leave_scheduled", {"jobs": jobs})
    return len(due.rows)


def _unpark() -> Plan[int]:
    served = yield Statement("served", {"limit": STAGE_BATCH})
    if served.rows:
        jobs = json.dumps([job for (job,) in served.rows])
        first_seq = yield from draw_numbers(len(served.rows))
        yield Statement("unpark", {"jobs": jobs, "first_seq": first_seq})
        yield Statement("leave_blocked", {"jobs": jobs})
    return len(served.rows)


def _park(queue: str) -> Plan[int]:
    unserved = yield Statement("unserved", {"queue": queue, "limit": STAGE_BATCH})
    if unserved.rows:
        jobs = json.dumps([job for (job,) in unserved.rows])
        yield Statement(
            "park", {"queue": queue, "jobs": jobs, "reason": NO_WORKER, "suspect_of": None}
        )
        yield Statement("leave_ready_by_job", {"queue": queue, "jobs": jobs})
    return len(unserved.rows)
