"""Watches when jobs expire: knows when to run the next pass of `store.plans.expiry`."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from jobhost.events import Events, JobsExpired
from jobhost.store.plans.expiry import ExpiryReport, expire, expired_among, until_next
from jobhost.store.seam import Session

_SHORTEST_PAUSE_SECONDS: Final = 1.0
"""Between passes that found nothing: a producer that rings with every job must not cost a pass
each, and a job whose time is over while it runs not a look each moment."""


class Expirer:
    """Runs passes when a job expires.

    Args:
        session: The store thread's connection.
        events: Who hears of expired jobs.
        pass_seconds: Longest pause between passes; a job that expires does not wait for it.

    `due` is the instant of the next pass, in monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        events: Events,
        *,
        pass_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._events = events
        self._pass_seconds = pass_seconds
        self._monotonic = monotonic
        self._last = 0.0
        self.due = 0.0

    def expect(self, delay_seconds: float) -> None:
        """A job is known to expire then."""
        soonest = self._last + _SHORTEST_PAUSE_SECONDS
        self.due = min(self.due, max(soonest, self._monotonic() + delay_seconds))

    def hurry(self) -> None:
        """Somebody rang: a job may expire earlier than was known."""
        self.expect(0.0)

    def run_if_due(self) -> None:
        """Run a pass if it is time. Raises StoreError."""
        if self._monotonic() >= self.due:
            self.run_once()

    def run_once(self) -> ExpiryReport:
        """One pass: a look, and a transaction only if there is something to end. Most stores have
        no job that expires, and a writer would hold up all others for nothing."""
        left_us = self._session.read(until_next)
        report = ExpiryReport(due_in_us=left_us)
        if left_us is not None and left_us <= 0:
            report = self._session.write(expire)
        self._last = now = self._monotonic()
        pause = self._pass_seconds
        if report.due_in_us is not None:
            left = report.due_in_us / 1_000_000
            pause = min(pause, left if left > 0 else _SHORTEST_PAUSE_SECONDS)
        self.due = now if report.more else now + pause
        if report.expired or report.dropped:
            self._events.emit(JobsExpired(jobs=report.expired, dropped=report.dropped))
        return report

    def late_among(self, jobs: Sequence[int]) -> frozenset[int]:
        """Which of these jobs, claimed and not begun, must not start. Raises StoreError."""
        late = self._session.read(lambda: expired_among(jobs))
        if late:
            self._events.emit(JobsExpired(jobs=len(late), dropped=0))
            self.hurry()  # some may have to be deleted
        return late
