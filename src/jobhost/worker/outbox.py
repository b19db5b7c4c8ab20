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
        self._flushed = False
        self._freed = False

    def put(self, ended: Ended) -> None:
        """Leave one; `flush` must follow, for it and what was left beside it."""
        self._ended.append(ended)

    def free(self) -> None:
        """A slot is about to be free, with nothing to record; `flush` must follow."""
        self._freed = True

    @property
    def has_freed(self) -> bool:
        """Whether a job has recorded itself since the last `take`."""
        return self._freed

    def flush(self) -> None:
        """No more comes for now: wake the store thread if it sleeps."""
        self._flushed = True
        if self._asleep.is_set():
            self._asleep.clear()
            self._ring()

    def take(self) -> list[Ended]:
        """Everything left so far."""
        self._flushed = self._freed = False
        taken = []
        while self._ended:
            taken.append(self._ended.popleft())
        return taken

    def keys(self) -> set[tuple[int, int]]:
        """Job and epoch of what waits here."""
        return {(ended.job, ended.epoch) for ended in list(self._ended)}

    def is_filling(self) -> bool:
        """Announce a short wait if somebody is in the middle of leaving more: a batch is worth
        it, a handful of rows costs the store as much. False: there is nothing to wait for."""
        if not self._ended:
            return False
        self._asleep.set()
        if self._flushed:
            self._asleep.clear()
            return False
        return True

    def going_to_sleep(self) -> bool:
        """Announce that the store thread will wait; False when there is something to take first,
        or to look at."""
        self._asleep.set()
        if self._ended or self._freed:
            self._asleep.clear()
            return False
        return True

    def awake(self) -> None:
        """The store thread looks again by itself."""
        self._asleep.clear()

    def __len__(self) -> int:
        return len(self._ended)
