"""Where in `ready` to look for the next jobs.

A claimed row leaves `ready`, but its dead remains stay at the head of the index until a
vacuum, longer while an old transaction is open. A worker therefore remembers the last seq
that it claimed of each queue, priority and lane, and begins there. This is a hint about
cost; what it could miss is looked for from further below:

- A job's seq is drawn before its transaction commits, so one may become visible below the
  last seq. The *floor* follows it as soon as every transaction that was in progress at that
  time has ended; short of work, and four times a second under load, the look begins at
  the floor.
- Once a minute it begins at the very start, whatever is believed here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from jobhost.jobs.records import Delivery

FLOOR_SECONDS: Final = 0.25
"""Longest time under load without a look from the floor: a late commit is claimed within it."""

START_SECONDS: Final = 60.0
"""Time between looks from the very start."""

TRAILS_MAX: Final = 64
"""Remembered trails; the rest is found between them, at some cost."""

_LOWEST, _HIGHEST = -32768, 32767


class Stretch(NamedTuple):
    """One part of a queue: from `seq` on in a lane of priority `low`, or, without a lane, all
    priorities between `low` and `high`."""

    queue: str
    low: int
    high: int
    lane: int | None
    seq: int


@dataclass(slots=True)
class Trail:
    """What is known of one queue, priority and lane.

    Args:
        last: The last seq claimed.
        floor: Nothing can become visible below it any more.
        mark: The end of the transaction ids, and `last`, at some time before.
    """

    last: int
    floor: int = 0
    mark: tuple[int, int] | None = None

    def learn(self, xmin: int, xmax: int) -> None:
        """Raise the floor to the mark if all that ran then has ended; set the next mark."""
        if self.mark is not None and xmin >= self.mark[0]:
            self.floor = self.mark[1]
            self.mark = None
        if self.mark is None:
            self.mark = (xmax, self.last)


class Hints:
    """The trails of one worker; another worker knows other tasks and left other jobs standing."""

    def __init__(self) -> None:
        self._trails: dict[tuple[str, int, int], Trail] = {}
        self._short = True
        self._next_floor = self._next_start = 0.0

    def stretches(self, queues: Iterable[str], now: float) -> list[Stretch]:
        """Where to look, in order: higher priorities first, lane 0 before lane 1."""
        from_start = now >= self._next_start
        from_floor = self._short or now >= self._next_floor
        if from_start:
            self._next_start = now + START_SECONDS
        if from_floor:
            self._next_floor = now + FLOOR_SECONDS
        found = []
        for queue in queues:
            above = _HIGHEST
            for priority in self._priorities(queue):
                found.append(Stretch(queue, priority, above, None, 0))
                for lane in (0, 1):
                    trail = self._trails.get((queue, priority, lane))
                    seq = 0 if trail is None or from_start else trail.last
                    if trail is not None and from_floor:
                        seq = min(seq, trail.floor)
                    found.append(Stretch(queue, priority, _HIGHEST, lane, seq))
                above = priority
            found.append(Stretch(queue, _LOWEST, above, None, 0))
        return found

    def learn(self, claimed: Sequence[Delivery], wanted: int, xmin: int, xmax: int) -> None:
        """Remember what a look has found.

        Args:
            claimed: In the order of the stretches.
            wanted: How many there could have been.
            xmin, xmax: Of the snapshot of the look: all transactions below xmin had ended, none
                from xmax on had begun.
        """
        self._short = len(claimed) < wanted
        ends = {(job.queue, job.priority, job.lane): job.seq for job in claimed}
        for key, seq in ends.items():
            trail = self._trails.pop(key, None) or Trail(seq)
            trail.last = max(trail.last, seq)
            self._trails[key] = trail  # last in the order of use
        while len(self._trails) > TRAILS_MAX:
            del self._trails[next(iter(self._trails))]
        for trail in self._trails.values():
            trail.learn(xmin, xmax)

    def _priorities(self, queue: str) -> list[int]:
        return sorted({prio for name, prio, _ in self._trails if name == queue}, reverse=True)
