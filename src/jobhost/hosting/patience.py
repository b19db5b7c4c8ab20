"""How soon a worker that has lost its registration gets another. Pure."""

from typing import Final

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
CALM_SECONDS: Final = 60.0
"""A registration that lasted so long was a good one."""


class Reentry:
    """Of one worker. A lease is lost now and then, and the next registration must not wait; but one
    that is lost at once each time, such as to a worker that looks into another store, is entered
    more and more seldom.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._due = 0.0
        self._last: float | None = None
        self._lost: int | None = None
        self._waits = False

    def lose(self, number: int, now: float) -> None:
        """The registration under this number is lost; `now` in monotonic seconds. Idempotent."""
        if self._lost == number:
            return
        self._lost, self._waits = number, True
        calm = self._last is None or now - self._last >= CALM_SECONDS
        self._pause = 0.0 if calm else min(max(FIRST_SECONDS, 2 * self._pause), LONGEST_SECONDS)
        self._due = now + self._pause
        self._last = self._due

    def take_due(self, now: float) -> int | None:
        """The number that is to be replaced now, once; None: nothing is to be done yet."""
        if not self._waits or now < self._due:
            return None
        self._waits = False
        return self._lost
