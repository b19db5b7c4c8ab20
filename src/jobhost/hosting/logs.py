"""What a node says in its log, one sentence each."""

import logging
from collections.abc import Sequence

from jobhost.durations import format_seconds
from jobhost.hosting.exits import Death
from jobhost.hosting.process import WorkerProcess
from jobhost.plurals import counted
from jobhost.store.plans.nodes import RescueReport

_log = logging.getLogger("jobhost.node")


def ready(workers: int) -> None:
    """All workers have begun."""
    _log.info("%s ready", counted(workers, "worker"))


def stopping(workers: int, *, at_once: bool) -> None:
    """A signal came, or somebody drains the node."""
    how = "at once" if at_once else "when their jobs have ended"
    _log.info("stopping: %s, %s", counted(workers, "worker"), how)


def asked_to_drain() -> None:
    """`jobhost nodes drain` has named this node."""
    _log.info("somebody asked this node to drain")


def not_started(error: OSError) -> None:
    """The system has no room for another process; it is tried again."""
    _log.error("a worker cannot be started: %s", error)


def killed(process: WorkerProcess, why: str) -> None:
    """The node kills a worker."""
    _log.warning("worker %d is killed: %s", process.pid, why)


def silent(process: WorkerProcess, seconds: float) -> None:
    """A worker's interpreter does not answer; where it is shows on standard error."""
    _log.warning(
        "worker %d has not answered for %s; the stacks of its threads follow",
        process.pid,
        format_seconds(seconds),
    )


def ended(
    process: WorkerProcess, death: Death | None, *, cleared: int, undead: Sequence[int]
) -> None:
    """A worker's process is gone."""
    what = _name(process)
    if death is not None:
        _log.warning("%s %d %s", what, process.pid, death.cause)
    else:
        _log.info("%s %d has ended", what, process.pid)
    if cleared:
        _log.info("%s of %s %d killed", counted(cleared, "process", "processes"), what, process.pid)
    if undead:
        _log.error("processes %s cannot be killed", ", ".join(map(str, undead)))


def handed_back(report: RescueReport) -> None:
    """What a dead worker held is where it belongs."""
    parts = [
        (report.returned, "to run again"),
        (report.aside, "to run alone"),
        (report.cleared, "cleared of suspicion"),
        (report.ended, "ended for good"),
    ]
    if said := [f"{count:,} {what}" for count, what in parts if count]:
        _log.warning("jobs handed back: %s", ", ".join(said))


def refused(process: WorkerProcess, difference: str) -> None:
    """A worker has other code than the first one."""
    _log.error(
        "worker %d is refused: %s; was the code changed? restart the node", process.pid, difference
    )


def leases_lost() -> None:
    """The store took this node for dead."""
    _log.warning("the leases of this node had ended: its jobs run elsewhere, and it begins anew")


def trouble(error: str, retry_seconds: float) -> None:
    """The store did not take an order."""
    again = f"; again in {format_seconds(retry_seconds)}" if retry_seconds else ""
    _log.warning("the store: %s%s", error, again)


def set_aside(task: str) -> None:
    """A task kills workers."""
    _log.warning(
        "task %r kills workers: its jobs run one at a time, each alone in a process of its own",
        task,
    )


def brought_back(task: str) -> None:
    """A task has killed no worker for a while."""
    _log.info("task %r has killed no worker for a while: its jobs run with the others again", task)


def _name(process: WorkerProcess) -> str:
    return "the lane" if process.lane else "worker"
