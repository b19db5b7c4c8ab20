"""What a reader of the store gets to see: jobs, attempts and workers as they were stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from jobhost.jobs.envelope import Envelope
from jobhost.jobs.notes import Progress
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
    released, cancelled, discarded, dead-lettered, crashed, expired (claimed too late, and
    not begun). `worker` reads
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
    for the attempt that ended it; `result` is JSON text, present when succeeded;
    `progress` is what it last told; a listing has it of jobs that run, without the report of their
    items. `number` rises with every job that
    the store accepts, and none is given twice.
    """

    id: UUID
    number: int
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
    progress: Progress | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended: succeeded, dead or cancelled."""
        return self.state in FINAL

    @property
    def correlation_id(self) -> str:
        """The id that ties related jobs together; a job without one starts with its own."""
        return self.envelope.correlation_id or str(self.id)

    @property
    def idempotency_key(self) -> str | None:
        """The idempotency key of the call that made it."""
        return None if self.envelope.idempotency is None else self.envelope.idempotency[0]

    @property
    def idempotency_until(self) -> datetime | None:
        """When a repeat of that call makes a job of its own; None without a key."""
        if self.envelope.idempotency is None:
            return None
        return self.created_at + timedelta(microseconds=self.envelope.idempotency[1])

    @property
    def unique_key(self) -> str | None:
        """The unique key that it took when it was accepted."""
        return None if self.envelope.unique is None else self.envelope.unique[0]

    @property
    def unique_until(self) -> str | None:
        """What frees its unique key: its "start" or its "end"; a throttle may hold it longer."""
        if self.envelope.unique is None:
            return None
        return "start" if self.envelope.unique[1] else "end"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; instants in ISO 8601."""
        return {
            "id": str(self.id),
            "number": self.number,
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
            "idempotency_key": self.idempotency_key,
            "idempotency_until": _iso(self.idempotency_until),
            "unique_key": self.unique_key,
            "unique_until": self.unique_until,
            "error": error_to_json(self.error),
            **({} if self.progress is None else {"progress": self.progress.to_json()}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many jobs are in each state, and when the next scheduled one is due."""

    states: Mapping[State, int] = field(default_factory=dict)
    next_due_at: datetime | None = None


class Vitals(NamedTuple):
    """What a heartbeat told of a process, and of its machine: bytes of memory that it holds, load
    over 1, 5 and 15 minutes, bytes that are free of memory and of the disk of its working
    directory; None where nothing was told."""

    memory_bytes: int | None = None
    load: tuple[float, ...] | None = None
    memory_free_bytes: int | None = None
    disk_free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node or a worker as the store knows it.

    Args:
        number: Never used twice; after a lost lease the same process has another one.
        kind: "node" supervises workers, "worker" runs jobs, "lane" runs suspects of a node.
        supervisor: Number of its node; None for who renews its own lease.
        worker: `host:pid`.
        heartbeat_seconds: Age of the last renewal of its lease, by the store's clock.
        lease_live: Whether the store still trusts it.
        ended_at, end_reason: None while it has not ended.
        running: Jobs that run there; on a node those of all its workers.
        process_gone: It is proven that its process has died, whatever its lease says.
    """

    number: int
    kind: str
    supervisor: int | None
    worker: str
    version: str
    slots: int
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_seconds: float
    lease_live: bool
    drain_requested_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    running: int
    vitals: Vitals
    process_gone: bool = False

    @property
    def state(self) -> str:
        """One word: live, draining, dead (its process has gone, and nobody has taken over yet),
        lapsed (its lease has run out), or ended."""
        if self.ended_at is not None:
            return "ended"
        if self.process_gone:
            return "dead"
        if not self.lease_live:
            return "lapsed"
        return "live" if self.drain_requested_at is None else "draining"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; instants in ISO 8601."""
        return {
            "number": self.number,
            "kind": self.kind,
            "supervisor": self.supervisor,
            "worker": self.worker,
            "version": self.version,
            "state": self.state,
            "queues": list(self.queues),
            "tasks": list(self.tasks),
            "slots": self.slots,
            "running": self.running,
            "memory_bytes": self.vitals.memory_bytes,
            "load": None if self.vitals.load is None else list(self.vitals.load),
            "memory_free_bytes": self.vitals.memory_free_bytes,
            "disk_free_bytes": self.vitals.disk_free_bytes,
            "started_at": _iso(self.started_at),
            "heartbeat_at": _iso(self.heartbeat_at),
            "heartbeat_seconds": self.heartbeat_seconds,
            "drain_requested_at": _iso(self.drain_requested_at),
            "ended_at": _iso(self.ended_at),
            "end_reason": self.end_reason,
        }


class JobThere(NamedTuple):
    """A job that runs on a worker: since when, and the worker's number."""

    id: UUID
    task: str
    claimed_at: datetime
    node: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "id": str(self.id),
            "task": self.task,
            "claimed_at": _iso(self.claimed_at),
            "node": self.node,
        }


class JobAtWork(NamedTuple):
    """A running job that has told how far it is, without the report of its items."""

    id: UUID
    task: str
    claimed_at: datetime
    progress: Progress

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "id": str(self.id),
            "task": self.task,
            "claimed_at": _iso(self.claimed_at),
            "progress": self.progress.to_json(),
        }


def read_vitals(text: str | None) -> tuple[Vitals, dict[int, Vitals]]:
    """The vitals of a node, and those of its workers by number, from the JSON of its heartbeat.

    What cannot be read is left out: it is for people, and another release may have written it.
    """
    try:
        told = json.loads(text or "{}")
        own = _vitals(told)
        workers = {int(number): _vitals(part) for number, part in told.get("workers", {}).items()}
    except (ValueError, TypeError, AttributeError):
        return Vitals(), {}
    return own, workers


def _vitals(told: Mapping[str, Any]) -> Vitals:
    load = told.get("load")
    return Vitals(
        memory_bytes=_count(told, "memory"),
        load=None if load is None else tuple(float(part) for part in load),
        memory_free_bytes=_count(told, "memory_free"),
        disk_free_bytes=_count(told, "disk_free"),
    )


def _count(told: Mapping[str, Any], name: str) -> int | None:
    count = told.get(name)
    return None if count is None else int(count)


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
