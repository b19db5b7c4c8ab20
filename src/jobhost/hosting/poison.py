"""Which tasks kill workers so often that their jobs must not be claimed with others. Pure."""

from collections import deque
from typing import Final

PROOFS: Final = 3
WINDOW_SECONDS: Final = 60.0
"""So many proven kills of a worker within so long set a task aside as a whole. What starts took
does not count: while a process imports the user's code its successor proves nothing."""


def window_seconds(start_seconds: float) -> float:
    """The window on a node whose processes take so long until they are ready: before each of the
    proofs one has started."""
    return WINDOW_SECONDS + PROOFS * start_seconds


class Poison:
    """Counts proofs by task."""

    def __init__(self) -> None:
        self._proofs: dict[str, deque[float]] = {}

    def note(self, task: str, now: float) -> None:
        """A job of this task is proven to have killed its worker; `now` in monotonic seconds."""
        self._proofs.setdefault(task, deque(maxlen=PROOFS)).append(now)

    def aside(self, now: float, start_seconds: float = 0.0) -> frozenset[str]:
        """Tasks to be set aside at this moment.

        Args:
            now: In monotonic seconds.
            start_seconds: How long a process takes until it is ready.
        """
        recent = now - window_seconds(start_seconds)
        for task in [task for task, times in self._proofs.items() if times[-1] <= recent]:
            del self._proofs[task]
        return frozenset(
            task
            for task, times in self._proofs.items()
            if len(times) == PROOFS and times[0] > recent
        )
