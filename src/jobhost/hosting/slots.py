"""A place for one process in a crew, and how often that may be filled anew."""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RESTARTS_MAX: Final = 10
RESTARTS_SECONDS: Final = 10.0
"""No slot is started more often than RESTARTS_MAX times in any span of this length: a fresh
interpreter and the user's imports cost a processor for most of a second."""

BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_LONGEST_SECONDS: Final = 30.0
_DOUBLINGS: Final = 16
"""Far beyond the longest, and far from what a float cannot hold."""

BACKOFF_JITTER: Final = 0.25
"""Share of a wait that is left to chance, so that workers that failed together do not return
together."""

STARTS_KEPT: Final = 10
"""Of the newest starts it is known how long they took."""


class Phase(StrEnum):
    """How far the process of a slot is."""

    VACANT = "vacant"
    """There is none."""
    STARTING = "starting"
    """It imports the user's code."""
    JOINING = "joining"
    """It has said hello and waits for the store."""
    WORKING = "working"
    LEAVING = "leaving"
    """It was asked to stop."""
    KILLED = "killed"
    """It was killed, and its end is not known yet."""


@dataclass(slots=True)
class Slot:
    """One place for a process.

    `due` is when it changes by itself: VACANT is started then, STARTING and LEAVING are killed.
    `failures` counts the processes in a row that ended before they were ready.
    """

    number: int
    phase: Phase = Phase.VACANT
    due: float | None = None
    ready: bool = False
    failures: int = 0
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_MAX))

    @property
    def vacant(self) -> bool:
        return self.phase is Phase.VACANT

    @property
    def heeds(self) -> bool:
        """Whether there is a process that can still be asked to do something."""
        return self.phase not in (Phase.VACANT, Phase.KILLED)

    def free_from(self, now: float) -> float:
        """When it may be started again without being started too often."""
        if len(self.starts) < RESTARTS_MAX:
            return now
        return max(now, self.starts[0] + RESTARTS_SECONDS)


def backoff_seconds(failures: int, chance: float) -> float:
    """The pause after this many processes in a row that ended before they were ready.

    0 for none, then 0.5 s doubled up to 30 s. The jitter only shortens.

    Args:
        failures: 0 or more.
        chance: A random number from 0 up to 1.
    """
    if not failures:
        return 0.0
    pause = math.ldexp(BACKOFF_FIRST_SECONDS, min(failures, _DOUBLINGS) - 1)
    return min(pause, BACKOFF_LONGEST_SECONDS) * (1.0 - BACKOFF_JITTER * chance)
