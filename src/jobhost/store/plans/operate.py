"""What an operator does: cancel, redrive or purge a job, drain a node."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jobhost.errors import StoreBusy
from jobhost.ids import format_id
from jobhost.jobs.states import FINAL, Move, State, may
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans import keys
from jobhost.store.plans.cycle import draw_numbers
from jobhost.store.plans.look_nodes import Place, find_nodes
from jobhost.store.plans.retention import remove


class CancelResult(StrEnum):
    """What a cancel came to."""

    CANCELLED = "cancelled"
    """It had not started, and never will."""
    REQUESTED = "requested"
    """It runs; its worker has been asked to stop it."""
    TOO_LATE = "too late"
    """It had ended before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What a redrive came to: `done`, or the state that does not allow it, or the id of the
    `holder` of its unique key."""

    done: bool
    state: State
    holder: bytes | None = None


_LOOKS_MAX: Final = 100
"""Each waits for a move of somebody else to end: far more than a job makes in a moment."""

_WAITING: Final = {
    State.READY: ("cancel_ready", "leave_ready_by_job"),
    State.SCHEDULED: ("cancel_scheduled", "leave_scheduled"),
    State.BLOCKED: ("cancel_blocked", "leave_blocked"),
}


def cancel(job_id: bytes, reason: str) -> Plan[CancelResult | None]:
    """Cancel a job; None when there is no job of that id.

    A waiting job ends at once, in this transaction. A running one is asked through
    its worker. One that has ended stays as it is.
    """
    found = yield from _find(job_id)
    if found is None:
        return None
    job, queue, state = found
    if state in FINAL:
        return CancelResult.TOO_LATE
    if state is State.RUNNING:
        yield Statement("request_cancel", {"job": job, "reason": reason})
        return CancelResult.REQUESTED
    end, leave = _WAITING[state]
    yield Statement(end, {"job": job, "queue": queue, "reason": reason})
    yield Statement(leave, {"jobs": json.dumps([job]), "queue": queue})
    return CancelResult.CANCELLED


def redrive(job_id: bytes, payload: str | None = None) -> Plan[Redriven | None]:
    """Send a dead or cancelled job back with fresh counts; None when there is no such job.

    Its epoch and its history are kept. It takes its unique key again, which is held first; one that
    another job has by now is left to that.

    Args:
        job_id: Its id.
        payload: What its task gets from now on, if not what it got before; that is kept.
    """
    holder = yield from keys.retake(job_id)
    found = yield from _find(job_id)
    if found is None:
        return None
    job, _, state = found
    if not may(Move.REDRIVE, state, State.READY):
        return Redriven(done=False, state=state)
    if holder is not None:
        return Redriven(done=False, state=state, holder=holder.id)
    yield Statement("forget_cancellations")
    if payload is not None:
        yield from keys.change_payload(job, payload, "edited when it was sent back")
    yield Statement("keep_last_attempt", {"job": job})
    seq = yield from draw_numbers(1)
    yield Statement("redrive", {"job": job, "seq": seq})
    yield Statement("leave_done", {"job": job})
    yield from keys.taken_again(job_id)
    return Redriven(done=True, state=State.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge came to: `done`, or the state that does not allow it."""

    done: bool
    state: State


def purge(job_id: bytes) -> Plan[Purged | None]:
    """Delete a job that has ended, with all that belongs to it; None when there is no such job."""
    found = yield from _find(job_id)
    if found is None:
        return None
    job, _, state = found
    if state not in FINAL:
        return Purged(done=False, state=state)
    return Purged(done=bool((yield from purge_ended([job], state))), state=state)


def purge_ended(jobs: Sequence[int], state: State) -> Plan[int]:
    """Delete those of these jobs that are in this final state; how many."""
    if not jobs:
        return 0
    place = {"state": state.value, "keep_us": 0, "jobs": json.dumps(list(jobs))}
    held = yield Statement("hold_old", place)
    yield from remove([job for (job,) in held.rows])
    return len(held.rows)


class DrainResult(StrEnum):
    """What a request to drain came to."""

    REQUESTED = "requested"
    """It hears of it with its next heartbeat, and behaves as after a first SIGTERM."""
    SUPERVISED = "supervised"
    """A worker that hears from nobody but its node."""
    LAPSED = "lapsed"
    """Its lease has run out: it is dead, or enters anew under another number."""
    ENDED = "ended"
    """It had ended before."""


def drain(node: int) -> Plan[DrainResult | None]:
    """Ask a node, or a worker without one, to stop; None when there is none of that number.

    Idempotent: asked again, the first time counts.
    """
    asked = yield Statement("request_drain", {"node": node})
    if asked.changed:
        return DrainResult.REQUESTED
    found = yield from find_nodes(Place(number=node))
    if not found:
        return None
    if found[0].ended_at is not None:
        return DrainResult.ENDED
    return DrainResult.LAPSED if found[0].supervisor is None else DrainResult.SUPERVISED


def _find(job_id: bytes) -> Plan[tuple[int, str, State] | None]:
    """Number, queue and state of a job, and the right to move it until the transaction ends.

    Where many write at a time it may just be on its way from one table into another: it is
    looked for again. Raises StoreBusy if it is never met at rest.
    """
    for _ in range(_LOOKS_MAX):
        found = yield Statement("find_job", {"id": job_id})
        if found.first is None:
            return None
        job, queue, state = found.first[:3]
        if state is not None:
            return job, queue, State(state)
    raise StoreBusy(f"job {format_id(job_id)} is moved by others all the time: repeat")
