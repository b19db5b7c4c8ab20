"""Keeps the time of scheduled jobs: knows when to run the next pass of `store.plans.stage`."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from jobhost.events import Events, JobsParked
from jobhost.store.plans.stage import StageReport, stage
from jobhost.store.seam import Session

_SHORTEST_PAUSE_SECONDS: Final = 0.01
"""A producer that rings with every job must not cost a pass each."""


_SHARE_OF_UNSERVED: Final = 0.1
"""Of the time of the store thread, for jobs that nobody serves while there are many of them: claims
pass them by cheaply, so that nothing waits for this."""


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
        self._next_unserved = 0.0
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
        began = self._monotonic()
        queues = self._queues if began >= self._next_unserved else ()
        report = self._session.write(lambda: stage(queues))
        self._last = now = self._monotonic()
        if report.more_unserved:
            self._next_unserved = now + (now - began) * (1 / _SHARE_OF_UNSERVED - 1)
        self.due = now if report.more else now + self._pause(report, now)
        if report.parked:
            self._events.emit(JobsParked(jobs=report.parked))
        return report

    def _pause(self, report: StageReport, now: float) -> float:
        """Seconds until the next pass has something to do."""
        pause = self._pass_seconds
        if report.due_in_us is not None:
            pause = min(pause, report.due_in_us / 1_000_000)
        if self._next_unserved > now:
            pause = min(pause, self._next_unserved - now)
        return max(0.0, pause)
