"""Ended attempts on their way to the store thread."""

import threading
from collections import deque
from collections.abc import Callable

from jobhost.jobs.records import Ended


class Outbox:
    """Filled from the loop and the job threads, emptied by the store thread.

    Args:
        ring: Wakes the store thread; called only when it sleeps.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ended: deque[Ended] = deque()
        self._ring = ring
        self._asleep = threading.Event()

    def put(self, ended: Ended) -> None:
        """Leave one; `flush` makes sure that it is noticed."""
        self._ended.append(ended)

    def flush(self) -> None:
        """Wake the store thread if it sleeps."""
        if self._asleep.is_set():
            self._asleep.clear()
            self._ring()

    def take(self) -> list[Ended]:
        """Everything left so far."""
        taken = []
        while self._ended:
            taken.append(self._ended.popleft())
        return taken

    def keys(self) -> set[tuple[int, int]]:
        """Job and epoch of what waits here."""
        return {(ended.job, ended.epoch) for ended in list(self._ended)}

    def going_to_sleep(self) -> bool:
        """Announce that the store thread will wait; False when there is something to take first."""
        self._asleep.set()
        if self._ended:
            self._asleep.clear()
            return False
        return True

    def awake(self) -> None:
        """The store thread looks again by itself."""
        self._asleep.clear()

    def __len__(self) -> int:
        return len(self._ended)
