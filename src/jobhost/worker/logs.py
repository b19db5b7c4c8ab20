"""Words the worker's events for the log; those of its queues are in `queue_logs.py`. It configures
nothing, and nobody else words them.

Ids are fields of the record (`job`, `task`, `worker`), not only words of the message.
"""

import logging
import time
from collections.abc import Callable
from uuid import UUID

from jobhost.durations import format_seconds
from jobhost.events import (
    AttemptFailed,
    Events,
    FailedLate,
    JobsExpired,
    JobsLost,
    JobsParked,
    JobsPruned,
    JobTooNew,
    LeaseEnded,
    LoopStalled,
    StoreBack,
    StoreTrouble,
    WorkerDraining,
    WorkerEmbedded,
    WorkerFailed,
    WorkerMade,
    WorkerRecycling,
    WorkerRescued,
    WorkerRetiring,
    WorkerStarted,
    WorkerStopped,
)
from jobhost.plurals import counted
from jobhost.worker.queue_logs import log_queues
from jobhost.worker.repeats import Repeats, said_of

_log = logging.getLogger("jobhost.worker")


def log_events(events: Events, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Subscribe the log to everything that a worker tells.

    Args:
        monotonic: Tells when a trouble that goes on is worth a line again.
    """
    failures, troubles, ends = _Failures(), _Troubles(monotonic), _Ends()
    events.subscribe(WorkerMade, failures.worker_made)
    events.subscribe(WorkerStarted, _started)
    events.subscribe(WorkerDraining, _draining)
    events.subscribe(WorkerStopped, _stopped)
    events.subscribe(AttemptFailed, failures.attempt_failed)
    events.subscribe(FailedLate, _failed_late)
    events.subscribe(JobsLost, _jobs_lost)
    events.subscribe(JobTooNew, _job_too_new)
    events.subscribe(LeaseEnded, _lease_ended)
    events.subscribe(WorkerRescued, _rescued)
    events.subscribe(WorkerEmbedded, ends.embedded)
    events.subscribe(WorkerRetiring, ends.retiring)
    events.subscribe(WorkerRecycling, _recycling)
    events.subscribe(StoreTrouble, troubles.trouble)
    events.subscribe(StoreBack, troubles.back)
    events.subscribe(WorkerFailed, _failed)
    events.subscribe(LoopStalled, _stalled)
    events.subscribe(JobsParked, _parked)
    events.subscribe(JobsExpired, _expired)
    events.subscribe(JobsPruned, _pruned)
    log_queues(events)


def _started(event: WorkerStarted) -> None:
    if not event.queues:
        _log.info("worker %s runs suspects, one at a time", event.worker)
        return
    _log.info(
        "worker %s serves %s with %s and %s",
        event.worker,
        ", ".join(event.queues),
        counted(event.slots, "slot"),
        counted(event.tasks, "task"),
        extra={"worker": event.worker, "node": event.node},
    )


def _draining(event: WorkerDraining) -> None:
    _log.info(
        "claims nothing more; %s still running, with %s to end before they are handed back",
        counted(event.running, "job"),
        format_seconds(event.wait_seconds),
    )


def _stopped(event: WorkerStopped) -> None:
    _log.info(
        "left after %s; %s handed back",
        counted(event.ended, "attempt"),
        counted(event.released, "job"),
    )


class _Failures:
    """Words failed attempts; the command that shows a job works as it is printed."""

    def __init__(self) -> None:
        self._url_option: Callable[[], str] | None = None

    def worker_made(self, event: WorkerMade) -> None:
        self._url_option = event.url_option

    def attempt_failed(self, event: AttemptFailed) -> None:
        fields = {"job": str(event.job), "task": event.task}
        if event.retry_seconds is None:
            _log.error(
                "%s %s is dead (%s): %s; see 'jobhost jobs show %s%s'",
                event.task,
                event.job,
                event.outcome,
                event.error,
                event.job,
                "" if self._url_option is None else self._url_option(),
                extra=fields,
            )
        else:
            _log.warning(
                "%s %s %s: %s; runs again in %s",
                event.task,
                event.job,
                event.outcome,
                event.error,
                format_seconds(event.retry_seconds),
                extra=fields,
            )
        if event.traceback:
            _log.debug("%s", event.traceback, extra=fields)


def _failed_late(event: FailedLate) -> None:
    fields = {"job": str(event.job), "task": event.task}
    _log.error(
        "%s %s failed after its transaction had completed it: %s; it stays succeeded",
        event.task,
        event.job,
        event.error,
        extra=fields,
    )
    if event.traceback:
        _log.debug("%s", event.traceback, extra=fields)


def _job_too_new(event: JobTooNew) -> None:
    _log.warning(
        "the arguments of %s job %s are of version %d, and this worker knows %d: such jobs come "
        "back until a newer worker takes them",
        event.task, event.job, event.version, event.known,
        extra={"job": str(event.job), "task": event.task},
    )  # fmt: skip


def _jobs_lost(event: JobsLost) -> None:
    _log.warning("lost %s to another worker: %s", counted(event.jobs, "job"), event.reason)


def _lease_ended(event: LeaseEnded) -> None:
    _log.warning(
        "the lease ended under %s; this worker registers anew, they run again under a new lease",
        counted(event.running, "job"),
    )


def _rescued(event: WorkerRescued) -> None:
    _log.warning(
        "worker %s %s: %s to run again, %d ended for good",
        event.worker,
        event.reason,
        counted(event.returned, "job"),
        event.ended,
        extra={"worker": event.worker},
    )


class _Ends:
    """Words what follows from a job that cannot be stopped."""

    def __init__(self) -> None:
        self._embedded = False

    def embedded(self, event: WorkerEmbedded) -> None:
        self._embedded = True

    def retiring(self, event: WorkerRetiring) -> None:
        _retiring(
            event,
            "this worker runs nothing more, restart the process"
            if self._embedded
            else "this process ends to stop it",
        )


def _retiring(event: WorkerRetiring, what_follows: str) -> None:
    _log.error(
        "%s %s still runs %s after its time limit: %s%s",
        event.task,
        event.job,
        format_seconds(event.waited_seconds),
        what_follows,
        _at(event.stack),
        extra={"job": str(event.job), "task": event.task},
    )


def _recycling(event: WorkerRecycling) -> None:
    _log.info("this worker makes room for a fresh one: %s", event.reason)


class _Troubles:
    """Words what is wrong with the store: the same again after longer and longer times."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._repeats = Repeats(monotonic)
        self._is_open = False

    def trouble(self, event: StoreTrouble) -> None:
        if event.retry_seconds is None:
            _log.error("%s; leaves all the same, and others take over what it held", event.error)
            return
        left_out = self._repeats.left_out(event.error)
        if left_out is not None:
            self._is_open = True
            _log.error(
                "%s; next try in %s%s",
                event.error,
                format_seconds(event.retry_seconds),
                said_of(left_out),
            )

    def back(self, event: StoreBack) -> None:
        if self._is_open:
            self._is_open = False
            _log.info("the store works again")


def _failed(event: WorkerFailed) -> None:
    _log.error("this worker has ended, and runs no more jobs in this process: %s", event.error)


def _stalled(event: LoopStalled) -> None:
    fields = {"task": event.task} if event.job is None else _fields(event.job, event.task)
    what = " ".join(str(part) for part in (event.task, event.job) if part) or "what is no job"
    if event.over:
        _log.warning(
            "the event loop goes on: %s held it up for %s",
            what,
            format_seconds(round(event.seconds, 2)),
            extra=fields,
        )
        return
    _log.warning(
        "%s has held up the event loop for %s, and all other coroutines wait%s",
        what,
        format_seconds(round(event.seconds, 2)),
        _at(event.stack),
        extra=fields,
    )


def _at(stack: str) -> str:
    return f"; it is at\n{stack.rstrip()}" if stack else ""


def _fields(job: UUID, task: str) -> dict[str, str]:
    return {"job": str(job), "task": task}


def _parked(event: JobsParked) -> None:
    _log.warning("set %s aside: no live worker knows the task", counted(event.jobs, "job"))


def _expired(event: JobsExpired) -> None:
    if event.jobs:
        _log.warning(
            "%s expired before a worker was free, and is dead: 'jobhost jobs list --state dead'",
            counted(event.jobs, "job"),
        )
    if event.dropped:
        _log.info("dropped %s that expired before a worker was free", counted(event.dropped, "job"))


def _pruned(event: JobsPruned) -> None:
    _log.info("deleted %s that had been kept long enough", counted(event.jobs, "job"))
