"""One delivery in work: what the executor, the time limits and `current_job()` know of it."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from jobhost.clock import Instant, to_datetime
from jobhost.host.current import CancelToken, RunningJob
from jobhost.host.kinds import Kind
from jobhost.host.notes import Notes
from jobhost.host.task import Task
from jobhost.host.transaction import Completion
from jobhost.jobs.envelope import Envelope
from jobhost.jobs.options import Unset
from jobhost.jobs.outcomes import Counts, Settlement
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.worker.verdict import Stop

KILL_SECONDS: Final = 30.0
"""How long a killed process and what it left may take to be gone. Only one that waits for a
device which does not answer takes longer than some milliseconds."""

_KILLABLE: Final = frozenset({Kind.PROCESS, Kind.COMMAND})


class Execution:
    """Made when a job is claimed, dropped when its attempt has ended.

    Args:
        delivery: What the store handed over; job and epoch are its `key`, since two deliveries
            of one job are two executions.
        task: The task that it is for.
        retry: The policy when the call gave none, and `timeout_seconds` and `stalled_seconds`
            likewise.
        complete: Makes the transaction in which it completes, if the task wants one.
        listen: Makes the notes of what it says, if it says something.

    `handle` is its Task on the event loop, or `thread` the number of the thread that runs it.
    `on_stop` wakes the thread that waits for the job's process, while there is one.
    `version` is that of the stored arguments.
    `notes` is where it has said something, if it has; `beat_at` the instant of its last sign of
    life, which must not be older than `stalled_seconds`.
    `completing` is set while that is committed, `completed` once it is, with the `result` given.
    """

    started = 0.0
    deadline: float | None = None
    expires_at: Instant | None = None
    version = 1
    handle: asyncio.Task[None] | None = None
    thread: int | None = None
    on_stop: Callable[[], None] | None = None
    stop: Stop | None = None
    stop_reason = ""
    stopped_at = 0.0
    completing = False
    completed = False
    result: object = None
    notes: Notes | None = None
    beat_at = 0.0
    _token: CancelToken | None = None
    _running_job: RunningJob | None = None

    def __init__(
        self,
        delivery: Delivery,
        task: Task[..., object, object],
        retry: Retry,
        timeout_seconds: float | None,
        *,
        complete: "Callable[[Execution], Completion]",
        listen: "Callable[[Execution], Notes]",
        stalled_seconds: float | None = None,
    ) -> None:
        self._complete = complete
        self._listen = listen
        self.delivery = delivery
        self.key = (delivery.job, delivery.epoch)
        self.task = task
        self.retry = retry
        self.timeout_seconds = timeout_seconds
        self.stalled_seconds = stalled_seconds
        if delivery.envelope is not None:
            self._apply(Envelope.from_text(delivery.envelope))

    @property
    def is_killable(self) -> bool:
        """Whether it has a process of its own, which is killed when it must stop."""
        return self.task.kind in _KILLABLE

    @property
    def counts(self) -> Counts:
        """The job's counts while it runs."""
        delivery = self.delivery
        return Counts(
            deliveries=delivery.deliveries, failures=delivery.failures, crashes=delivery.crashes
        )

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Those of the call. Raises InvalidPayload."""
        return self.task.read(self.delivery.payload, self.version)

    @property
    def is_too_new(self) -> bool:
        """Whether its arguments are of a later version than this program knows."""
        return self.version > self.task.past.version

    def begin(self) -> None:
        """The task is about to be called: its time starts now."""
        self.started = self.beat_at = now = time.monotonic()
        if self.timeout_seconds is not None:
            self.deadline = now + self.timeout_seconds

    def ended(self, settlement: Settlement, result: str | None = None) -> Ended:
        """The attempt's record, with the time since it began."""
        taken = int((time.monotonic() - self.started) * 1_000_000) if self.started else 0
        return Ended(*self.key, taken, settlement, result)

    def ask_to_stop(self, stop: Stop, reason: str) -> bool:
        """Record why it should stop and tell the job. False when it had been asked before, except
        that the loss of the job overrides everything."""
        if self.stop is not None and stop is not Stop.LOST:
            return False
        self.stop, self.stop_reason, self.stopped_at = stop, reason, time.monotonic()
        self.token.set(reason, lease_lost=stop is Stop.LOST)
        return True

    def is_late(self, now: float) -> bool:
        """Whether it is past its time limit, and was not asked to stop yet."""
        return self.deadline is not None and now >= self.deadline and self.stop is None

    def is_stalled(self, now: float) -> bool:
        """Whether it has given no sign of life for too long, and was not asked to stop yet."""
        limit = self.stalled_seconds
        if limit is None or not self.started or self.stop is not None:
            return False
        return now >= self.beat_at + limit

    def is_deaf(self, now: float, grace_seconds: float) -> bool:
        """Whether it runs on past its time limit although it was asked to stop, be it for that
        or for a cancel, and got `grace_seconds` to obey."""
        if self.deadline is None or self.stop in (None, Stop.RELEASE):
            return False
        if self.is_killable:
            grace_seconds += KILL_SECONDS
        return now >= max(self.deadline, self.stopped_at) + grace_seconds

    @property
    def token(self) -> CancelToken:
        """Made when first needed, by the job's thread or the store thread: whoever comes second
        gets that of the first."""
        if self._token is None:
            self.__dict__.setdefault("_token", CancelToken())
        return cast(CancelToken, self._token)

    def describe(self) -> RunningJob:
        """What `current_job()` gives inside it."""
        if self._running_job is None:
            delivery, envelope = self.delivery, Envelope.from_text(self.delivery.envelope)
            job_id = UUID(bytes=delivery.id)
            if self.notes is None:
                self.notes = self._listen(self)
            self._running_job = RunningJob(
                id=job_id,
                number=delivery.job,
                task=delivery.task,
                queue=delivery.queue,
                delivery=delivery.deliveries,
                epoch=delivery.epoch,
                failures=delivery.failures,
                enqueued_at=to_datetime(delivery.created_at),
                correlation_id=envelope.correlation_id or str(job_id),
                trigger=(envelope.trigger_kind, envelope.trigger_detail),
                parent=None if delivery.parent is None else UUID(bytes=delivery.parent),
                headers=envelope.headers,
                tags=envelope.tags,
                transaction=partial(self._complete, self),
                cancel=self.token,
                notes=self.notes,
            )
        return self._running_job

    def forget(self) -> None:
        """It has ended: let go of what leads back here, a circle for the collector."""
        self.handle = None
        self._running_job = None
        vars(self).pop("notes", None)

    def _apply(self, envelope: Envelope) -> None:
        self.version = envelope.version
        if envelope.retry is not None:
            self.retry = envelope.retry
        if not isinstance(envelope.timeout_seconds, Unset):
            self.timeout_seconds = envelope.timeout_seconds
        if not isinstance(envelope.stalled_seconds, Unset):
            self.stalled_seconds = envelope.stalled_seconds
        if envelope.expiry is not None:
            self.expires_at = envelope.expiry.instant(self.delivery.created_at)
