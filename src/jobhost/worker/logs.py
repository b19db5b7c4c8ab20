"""Words the worker's events for the log. The only place that does; it configures nothing.

Ids are fields of the record (`job`, `task`, `worker`), not only words of the message.
"""

import logging
from collections.abc import Callable

from jobhost.durations import format_seconds
from jobhost.events import (
    AttemptFailed,
    Events,
    FailedLate,
    JobsLost,
    JobsParked,
    LeaseEnded,
    StoreTrouble,
    WorkerDraining,
    WorkerMade,
    WorkerRescued,
    WorkerRetiring,
    WorkerStarted,
    WorkerStopped,
)
from jobhost.plurals import counted

_log = logging.getLogger("jobhost.worker")


def log_events(events: Events) -> None:
    """Subscribe the log to everything that a worker tells."""
    failures = _Failures()
    events.subscribe(WorkerMade, failures.worker_made)
    events.subscribe(WorkerStarted, _started)
    events.subscribe(WorkerDraining, _draining)
    events.subscribe(WorkerStopped, _stopped)
    events.subscribe(AttemptFailed, failures.attempt_failed)
    events.subscribe(FailedLate, _failed_late)
    events.subscribe(JobsLost, _jobs_lost)
    events.subscribe(LeaseEnded, _lease_ended)
    events.subscribe(WorkerRescued, _rescued)
    events.subscribe(WorkerRetiring, _retiring)
    events.subscribe(StoreTrouble, _trouble)
    events.subscribe(JobsParked, _parked)


def _started(event: WorkerStarted) -> None:
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


def _retiring(event: WorkerRetiring) -> None:
    _log.error(
        "%s %s still runs %s after its time limit: this process ends to stop it",
        event.task,
        event.job,
        format_seconds(event.waited_seconds),
        extra={"job": str(event.job), "task": event.task},
    )


def _trouble(event: StoreTrouble) -> None:
    if event.retry_seconds is None:
        _log.error("%s; leaves all the same, and others take over what it held", event.error)
    else:
        _log.error("%s; next try in %s", event.error, format_seconds(event.retry_seconds))


def _parked(event: JobsParked) -> None:
    _log.warning("set %s aside: no live worker knows the task", counted(event.jobs, "job"))
