"""Keeps the opening hours of queues: knows when the next one opens, or needs its next window."""

import time
from collections.abc import Callable
from typing import Final

from jobhost.events import Events, HoursUnreadable
from jobhost.store.plans.hours import HoursReport, keep_hours, opening_hours, report
from jobhost.store.seam import Session

_SHORTEST_PAUSE_SECONDS: Final = 0.01
"""Between passes: a producer that rings for each job that is due must not cost a look each."""


class Opener:
    """Looks when a queue opens or closes.

    Args:
        session: The store thread's connection.
        events: Who hears of hours that cannot be read here.
        pass_seconds: Longest pause between looks; a queue that opens does not wait for it.

    `due` is the instant of the next look, in monotonic seconds.
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
        self._open: frozenset[str] = frozenset()
        self._unreadable: frozenset[str] = frozenset()
        self._last = 0.0
        self.due = 0.0

    def expect(self, delay_seconds: float) -> None:
        """A queue is known to open or close then."""
        soonest = self._last + _SHORTEST_PAUSE_SECONDS
        self.due = min(self.due, max(soonest, self._monotonic() + delay_seconds))

    def hurry(self) -> None:
        """Somebody rang: the hours of a queue may be others."""
        self.expect(0.0)

    def run_if_due(self) -> bool:
        """Look if it is time; whether a queue has opened. Raises StoreError."""
        if self._monotonic() < self.due:
            return False
        before = self._open
        return bool(self.run_once().open - before)

    def run_once(self) -> HoursReport:
        """One look; windows that are over are moved on."""
        kept = self._session.read(opening_hours)
        over = any(one.over for one in kept)
        found = self._session.write(keep_hours) if over else report(kept)
        self._last = now = self._monotonic()
        pause = self._pass_seconds
        if found.change_in_us is not None:
            pause = min(pause, max(_SHORTEST_PAUSE_SECONDS, found.change_in_us / 1_000_000))
        self.due = now + pause
        self._open = found.open
        for queue, reason in found.unreadable:
            if queue not in self._unreadable:
                self._events.emit(HoursUnreadable(queue=queue, reason=reason))
        self._unreadable = frozenset(queue for queue, _ in found.unreadable)
        return found
