"""A job that its task has set aside is fetched: by its number or id only, by nobody's pass."""

import json
from dataclasses import dataclass

from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import draw_numbers
from jobhost.store.plans.look import show


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What it came to: `done`, or the state of a job that is not deferred."""

    id: bytes
    done: bool
    state: State


def resume(job_id: bytes) -> Plan[Resumed | None]:
    """A deferred job becomes ready, before the backlog, with the counts that it had; None when
    there is no job of that id."""
    found = yield Statement("number_of", {"id": job_id})
    if found.first is None:
        return None
    job: int = found.first[0]
    held = yield Statement("hold_deferred", {"job": job})
    if not held.rows:
        record = yield from show(job_id)
        return None if record is None else Resumed(id=job_id, done=False, state=record.state)
    jobs = json.dumps([job])
    first_seq = yield from draw_numbers(1)
    yield Statement("unpark", {"jobs": jobs, "first_seq": first_seq})
    yield Statement("leave_blocked", {"jobs": jobs})
    return Resumed(id=job_id, done=True, state=State.READY)


def resume_number(number: int) -> Plan[Resumed | None]:
    """`resume` of the job of this number."""
    found = yield Statement("id_of", {"job": number})
    return None if found.first is None else (yield from resume(bytes(found.first[0])))


def deferred_since(job: int) -> Plan[int | None]:
    """When the job of this number was set aside by its own task; None: it is not."""
    found = yield Statement("deferred_since", {"job": job})
    return None if found.first is None else int(found.first[0])
