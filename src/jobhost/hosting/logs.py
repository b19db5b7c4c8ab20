"""Words what happens to a node for its log, one sentence each. The only place that does."""

import logging
import time
from collections.abc import Callable

from jobhost.durations import format_seconds
from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.hosting.node_events import (
    JobProcessKilled,
    JobsHandedBack,
    NodeBeginsAnew,
    NodeBroken,
    NodeDraining,
    NodeReady,
    NodeStopping,
    TaskBroughtBack,
    TaskSetAside,
    WorkerEnded,
    WorkerKilled,
    WorkerNotStarted,
    WorkerRefused,
    WorkerSilent,
)
from jobhost.plurals import counted
from jobhost.worker.repeats import Repeats, said_of

_log = logging.getLogger("jobhost.node")


def log_events(events: Events, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Subscribe the log to everything that a node tells.

    Args:
        monotonic: Tells when a trouble that goes on is worth a line again.
    """
    troubles = _Troubles(monotonic)
    events.subscribe(NodeReady, _ready)
    events.subscribe(NodeStopping, _stopping)
    events.subscribe(NodeDraining, _draining)
    events.subscribe(NodeBroken, _broken)
    events.subscribe(NodeBeginsAnew, _begins_anew)
    events.subscribe(StoreTrouble, troubles.trouble)
    events.subscribe(StoreBack, troubles.back)
    events.subscribe(WorkerNotStarted, _not_started)
    events.subscribe(WorkerKilled, _killed)
    events.subscribe(JobProcessKilled, _job_process_killed)
    events.subscribe(WorkerSilent, _silent)
    events.subscribe(WorkerRefused, _refused)
    events.subscribe(WorkerEnded, _ended)
    events.subscribe(JobsHandedBack, _handed_back)
    events.subscribe(TaskSetAside, _set_aside)
    events.subscribe(TaskBroughtBack, _brought_back)


def _ready(event: NodeReady) -> None:
    _log.info("%s ready", counted(event.workers, "worker"))


def _stopping(event: NodeStopping) -> None:
    how = "at once" if event.at_once else "when their jobs have ended"
    _log.info("stopping: %s, %s", counted(event.workers, "worker"), how)


def _draining(event: NodeDraining) -> None:
    _log.info("%s", event.why)


def _broken(event: NodeBroken) -> None:
    _log.error(
        "this node cannot go on, and ends when its jobs have ended: %s: %s",
        type(event.error).__name__,
        event.error,
    )


def _begins_anew(event: NodeBeginsAnew) -> None:
    _log.warning("the leases of this node had ended: its jobs run elsewhere, and it begins anew")


class _Troubles:
    """Words what is wrong with the store: the same again after longer and longer times."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._repeats = Repeats(monotonic)
        self._is_open = False

    def trouble(self, event: StoreTrouble) -> None:
        left_out = self._repeats.left_out(event.error)
        if left_out is not None:
            self._is_open = True
            pause = event.retry_seconds
            again = f"; again in {format_seconds(pause)}" if pause else ""
            _log.warning("the store: %s%s%s", event.error, again, said_of(left_out))

    def back(self, event: StoreBack) -> None:
        if self._is_open:
            self._is_open = False
            _log.info("the store works again")


def _not_started(event: WorkerNotStarted) -> None:
    _log.error("a worker cannot be started: %s", event.error)


def _killed(event: WorkerKilled) -> None:
    _log.warning("worker %d is killed: %s", event.pid, event.why)


def _job_process_killed(event: JobProcessKilled) -> None:
    _log.warning(
        "process %d of a job of worker %d is killed: %s", event.pid, event.worker, event.why
    )


def _silent(event: WorkerSilent) -> None:
    _log.warning(
        "worker %d has not answered for %s; the stacks of its threads follow",
        event.pid,
        format_seconds(event.seconds),
    )


def _refused(event: WorkerRefused) -> None:
    _log.error(
        "worker %d is refused: %s; was the code changed? restart the node",
        event.pid,
        event.difference,
    )


def _ended(event: WorkerEnded) -> None:
    what = "the lane" if event.lane else "worker"
    if event.cause is not None:
        _log.warning("%s %d %s", what, event.pid, event.cause)
    else:
        _log.info("%s %d has ended", what, event.pid)
    if event.cleared:
        processes = counted(event.cleared, "process", "processes")
        _log.info("%s of %s %d killed", processes, what, event.pid)
    if event.undead:
        _log.error("processes %s cannot be killed", ", ".join(map(str, event.undead)))


def _handed_back(event: JobsHandedBack) -> None:
    parts = [
        (event.report.returned, "to run again"),
        (event.report.aside, "to run alone"),
        (event.report.cleared, "cleared of suspicion"),
        (event.report.ended, "ended for good"),
    ]
    if said := [f"{count:,} {what}" for count, what in parts if count]:
        _log.warning("jobs handed back: %s", ", ".join(said))


def _set_aside(event: TaskSetAside) -> None:
    _log.warning(
        "task %r kills workers: its jobs run one at a time, each alone in a process of its own",
        event.task,
    )


def _brought_back(event: TaskBroughtBack) -> None:
    _log.info(
        "task %r has killed no worker for a while: its jobs run with the others again", event.task
    )
