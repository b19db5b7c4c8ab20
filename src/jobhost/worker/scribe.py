"""The notes of all jobs of one worker: makes them when a job first speaks, collects what jobs log,
and has a job's last words taken down before its end is recorded."""

import logging

from jobhost.host.notes import Notes
from jobhost.host.wiring import Wiring
from jobhost.worker.execution import Execution
from jobhost.worker.job_logs import JobLogHandler
from jobhost.worker.job_notes import JobNotes
from jobhost.worker.reporter import Reporter


class Scribe:
    """One worker's own. A job that says nothing costs it nothing.

    Args:
        wiring: The host's store and limits.
        level: The least level of log records that are kept; None keeps none.
    """

    def __init__(self, wiring: Wiring, level: int | None) -> None:
        self._wiring = wiring
        self.reporter = Reporter(lambda: wiring.store)
        self._handler = None if level is None else _OwnJobs(level, self.reporter)

    @property
    def log_level_of_commands(self) -> int | None:
        """The least level of a command's lines that are kept: no logger decides about them."""
        return None if self._handler is None else self._handler.level

    @property
    def log_level(self) -> int | None:
        """The least level of records that get as far as a job's log; None: nothing is kept."""
        if self._handler is None:
            return None
        return max(self._handler.level, logging.getLogger().level)

    def start(self) -> None:
        """Collect what jobs log."""
        if self._handler is not None:
            self._handler.enter()

    def close(self) -> None:
        """Write what is left, and collect no more."""
        if self._handler is not None:
            self._handler.leave()
        self.reporter.close()

    def listen(self, execution: Execution) -> JobNotes:
        """The notes of a job, new ones if it has not spoken yet."""
        if isinstance(execution.notes, JobNotes):
            return execution.notes
        new = JobNotes(execution, self._wiring, self.reporter)
        notes: JobNotes = vars(execution).setdefault("notes", new)  # another thread may be first
        return notes

    def settle(self, execution: Execution) -> None:
        """Wait, in bounds, until all that the job has said is written."""
        if isinstance(execution.notes, JobNotes) and execution.notes.has_news:
            self.reporter.settle(execution.notes)

    async def asettle(self, execution: Execution) -> None:
        """`settle` on an event loop; never raises."""
        if isinstance(execution.notes, JobNotes) and execution.notes.has_news:
            await self.reporter.asettle(execution.notes)


class _OwnJobs(JobLogHandler):
    """The handler of one worker: another one in the same process has its own."""

    def __init__(self, level: int, reporter: Reporter) -> None:
        super().__init__(level)
        self._reporter = reporter

    def wants(self, notes: Notes) -> bool:
        """Whether these are notes of a job of this worker."""
        return isinstance(notes, JobNotes) and notes.reporter is self._reporter
