"""Keeps the time of scheduled jobs: knows when to run the next pass of `store.plans.stage`."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from jobhost.events import Events, JobsParked
from jobhost.store.plans.stage import StageReport, stage
from jobhost.store.seam import Session

_SHORTEST_PAUSE_SECONDS: Final = 0.01
"""A producer that rings with every job must not cost a pass each."""


class Stager:
    """Runs passes when something is due.

    Args:
        session: The store thread's connection.
        queues: Queues whose head is looked at for jobs that nobody serves.
        events: Who hears of jobs set aside.
        pass_seconds: Longest pause between passes; a due job does not wait for it.

    `due` is the instant of the next pass, in monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        queues: Sequence[str],
        events: Events,
        *,
        pass_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._queues = queues
        self._events = events
        self._pass_seconds = pass_seconds
        self._monotonic = monotonic
        self._last = 0.0
        self.due = 0.0

    def expect(self, delay_seconds: float) -> None:
        """This worker has just made a job that is due then."""
        self.due = min(self.due, self._monotonic() + delay_seconds)

    def hurry(self) -> None:
        """Somebody rang: a scheduled job may be due earlier than was known."""
        self.due = min(self.due, self._last + _SHORTEST_PAUSE_SECONDS)

    def run_if_due(self) -> int:
        """Run a pass if it is time; how many jobs became ready."""
        if self._monotonic() < self.due:
            return 0
        report = self.run_once()
        return report.staged + report.unparked

    def run_once(self) -> StageReport:
        """One pass."""
        report = self._session.write(lambda: stage(self._queues))
        self._last = now = self._monotonic()
        pause = self._pass_seconds
        if report.due_in_us is not None:
            pause = min(pause, max(0.0, report.due_in_us / 1_000_000))
        self.due = now if report.more else now + pause
        if report.parked:
            self._events.emit(JobsParked(jobs=report.parked))
        return report
