"""How many jobs a worker has started and ended lately, by queue and priority, for its heartbeat."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from jobhost.jobs.records import Delivery, Ended

WINDOW_SECONDS: Final = 60.0
_PART_SECONDS: Final = 5.0
"""What is older than the window goes in parts of this length."""

LINES_MAX: Final = 500
"""Queues and priorities that one heartbeat tells of; a worker serves a handful."""

_Line = tuple[str, int]
"""Queue and priority."""


class Rates:
    """Counts of the last minute. Safe to use from any thread; a job costs two steps of a counter.

    Args:
        monotonic: The clock.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._began = monotonic()
        self._parts: deque[tuple[float, dict[_Line, list[int]]]] = deque()

    def started(self, deliveries: Iterable[Delivery]) -> None:
        """These jobs are being started."""
        with self._mutex:
            part = self._part()
            for delivery in deliveries:
                self._count(part, (delivery.queue, delivery.priority), 0)

    def ended(self, delivery: Delivery, ended: Ended) -> None:
        """An attempt has ended: well, with an error, or otherwise, such as with a snooze, which
        counts as neither."""
        settlement = ended.settlement
        if settlement.label == "succeeded":
            place = 1
        elif settlement.error is not None:
            place = 2
        else:
            return
        with self._mutex:
            self._count(self._part(), (delivery.queue, delivery.priority), place)

    def tell(self) -> dict[str, Any]:
        """What the heartbeat tells: over how many seconds, and for each queue and priority how
        many jobs were started, ended well, and ended with an error."""
        with self._mutex:
            now = self._monotonic()
            begin = self._forget(now)
            sums: dict[_Line, list[int]] = {}
            for _, part in self._parts:
                for line, counts in part.items():
                    before = sums.setdefault(line, [0, 0, 0])
                    for at, count in enumerate(counts):
                        before[at] += count
            lines = [[*line, *counts] for line, counts in list(sums.items())[:LINES_MAX]]
        return {"seconds": round(max(now - begin, 1.0), 3), "queues": lines}

    def _part(self) -> dict[_Line, list[int]]:
        """The counts of the moment."""
        now = self._monotonic()
        if not self._parts or now >= self._parts[-1][0] + _PART_SECONDS:
            self._forget(now)
            self._parts.append((now // _PART_SECONDS * _PART_SECONDS, {}))
        return self._parts[-1][1]

    def _forget(self, now: float) -> float:
        """Drop the parts that begin before the window; since when the counts are complete."""
        first = math.ceil((now - WINDOW_SECONDS) / _PART_SECONDS) * _PART_SECONDS
        while self._parts and self._parts[0][0] < first:
            self._parts.popleft()
        return max(self._began, first)

    def _count(self, part: dict[_Line, list[int]], line: _Line, place: int) -> None:
        counts = part.get(line)
        if counts is None:
            if len(part) >= LINES_MAX:
                return
            counts = part[line] = [0, 0, 0]
        counts[place] += 1
