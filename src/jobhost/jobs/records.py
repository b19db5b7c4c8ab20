"""What a reader of the store gets to see: jobs, attempts and workers as they were stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from jobhost.jobs.envelope import Envelope
from jobhost.jobs.outcomes import ErrorInfo, Settlement
from jobhost.jobs.states import FINAL, State


class Ended(NamedTuple):
    """An attempt that has ended and waits to be recorded.

    `job` and `epoch` are the fence; `duration_us` was measured by the worker;
    `result` is JSON text and belongs to a success only.
    """

    job: int
    epoch: int
    duration_us: int
    settlement: Settlement
    result: str | None = None


class Delivery(NamedTuple):
    """A claimed job as the store hands it to a worker; `lane` and `seq` were its place."""

    job: int
    epoch: int
    deliveries: int
    failures: int
    crashes: int
    queue: str
    priority: int
    id: bytes
    task: str
    payload: str
    envelope: str | None
    parent: bytes | None
    created_at: int
    lane: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One ended execution of a job.

    `outcome` is one word or two: succeeded, unstorable, failed, timed out, snoozed,
    released, cancelled, discarded, dead-lettered, crashed. `worker` reads
    `host:pid`. Times are the store's, the duration is the worker's own measure
    (None where the worker did not live to tell).
    """

    epoch: int
    outcome: str
    claimed_at: datetime | None
    ended_at: datetime
    duration_seconds: float | None
    worker: str | None
    error: ErrorInfo | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it stands in the store.

    `due_at` is set while it is scheduled; `claimed_at` and `worker` while it runs and
    for the attempt that ended it; `result` is JSON text, present when succeeded.
    """

    id: UUID
    task: str
    queue: str
    priority: int
    state: State
    reason: str | None
    created_at: datetime
    due_at: datetime | None
    claimed_at: datetime | None
    ended_at: datetime | None
    epoch: int
    deliveries: int
    failures: int
    crashes: int
    worker: str | None
    payload: str
    envelope: Envelope
    parent: UUID | None
    result: str | None
    error: ErrorInfo | None
    cancel_requested: bool = False

    @property
    def is_final(self) -> bool:
        """Whether it has ended: succeeded, dead or cancelled."""
        return self.state in FINAL

    @property
    def correlation_id(self) -> str:
        """The id that ties related jobs together; a job without one starts with its own."""
        return self.envelope.correlation_id or str(self.id)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; instants in ISO 8601."""
        return {
            "id": str(self.id),
            "task": self.task,
            "queue": self.queue,
            "priority": self.priority,
            "state": self.state.value,
            "reason": self.reason,
            "created_at": _iso(self.created_at),
            "due_at": _iso(self.due_at),
            "claimed_at": _iso(self.claimed_at),
            "ended_at": _iso(self.ended_at),
            "epoch": self.epoch,
            "deliveries": self.deliveries,
            "failures": self.failures,
            "crashes": self.crashes,
            "worker": self.worker,
            "cancel_requested": self.cancel_requested,
            "trigger": {"kind": self.envelope.trigger_kind, "detail": self.envelope.trigger_detail},
            "parent": None if self.parent is None else str(self.parent),
            "correlation_id": self.correlation_id,
            "tags": list(self.envelope.tags),
            "headers": dict(self.envelope.headers),
            "error": error_to_json(self.error),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many jobs are in each state, and when the next scheduled one is due."""

    states: Mapping[State, int] = field(default_factory=dict)
    next_due_at: datetime | None = None


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """Plain values for `--json`."""
    return {
        "epoch": attempt.epoch,
        "outcome": attempt.outcome,
        "claimed_at": _iso(attempt.claimed_at),
        "ended_at": _iso(attempt.ended_at),
        "duration_seconds": attempt.duration_seconds,
        "worker": attempt.worker,
        "error": error_to_json(attempt.error),
    }


def error_to_json(error: ErrorInfo | None) -> dict[str, str] | None:
    """Plain values of an error, or None."""
    if error is None:
        return None
    return {"type": error.type, "message": error.message, "traceback": error.traceback}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
