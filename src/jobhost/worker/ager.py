"""Raises the priorities of jobs that wait for long, in the queues that have an age.

One of the living workers does so for all: the one that was entered first.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from jobhost.events import Events, PrioritiesRaised
from jobhost.store.plans.ageing import ageing_queues, raise_waiting
from jobhost.store.seam import Session

SHORTEST_PAUSE_SECONDS: Final = 1.0
"""Between passes, also where a slice was full: it is upkeep, and workers come first."""

LOOK_SECONDS: Final = 10.0
"""Shortest pause between looks while no queue has an age, or another worker does it."""


class Ager:
    """Runs passes when it is time.

    Args:
        session: The store thread's connection.
        events: Who hears of raised priorities.
        quiet_seconds: Between looks while there is nothing to do here.

    `due` is the instant of the next pass, in monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        events: Events,
        *,
        quiet_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._events = events
        self._quiet_seconds = max(quiet_seconds, LOOK_SECONDS)
        self._monotonic = monotonic
        self.due = 0.0

    def run_if_due(self, me: int) -> None:
        """Run a pass if it is time. Raises StoreError.

        Args:
            me: The number of this worker.
        """
        if self._monotonic() >= self.due:
            self.run_once(me)

    def run_once(self, me: int) -> int:
        """One pass; how many jobs were raised."""
        raised, pause = 0, self._quiet_seconds
        for queue in self._session.read(lambda: ageing_queues(me)):
            report = self._session.write(partial(raise_waiting, queue))
            raised += report.raised
            if report.raised:
                self._events.emit(PrioritiesRaised(queue=queue, jobs=report.raised))
            if report.due_in_us is not None:
                left = 0.0 if report.more else report.due_in_us / 1_000_000
                pause = min(pause, max(SHORTEST_PAUSE_SECONDS, left))
        self.due = self._monotonic() + pause
        return raised
