"""Where in `ready` to look for the next jobs.

A claimed row leaves `ready`, but its dead remains stay at the head of the index until a
vacuum, longer while an old transaction is open. A worker therefore remembers the last seq
that it claimed of each queue, priority and lane, and begins there. This is a hint about
cost; what it could miss is looked for from further below:

- A job's seq is drawn before its transaction commits, so one may become visible below the
  last seq. The *floor* is where a look begins when short of work, and four times a second
  under load. It follows the last seq when two things have come together: every transaction
  that was in progress at that time has ended, and a look from the floor has been there since.
- Once a minute it begins at the very start, whatever is believed here: a row that another
  had locked, and then did not take, is skipped by the looks and may be left below the floor.

The queues that a look left out, since they are paused, are forgotten: how far it saw would be
believed of them as well.

Whoever draws a seq has a transaction id by then, or a row could appear below the floor.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
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
        last: The highest seq claimed.
        floor: All that can ever be visible below it has been looked at.
        mark: The end of the transaction ids, and `last`, at some time before.
    """

    last: int
    floor: int = 0
    mark: tuple[int, int] | None = None

    def learn(self, xmin: int, xmax: int, seen: float) -> None:
        """Raise the floor if all that ran at the time of the mark has ended; set the next mark.

        Args:
            xmin, xmax: Of the snapshot of a look from the floor or below it; equal when nobody
                was writing.
            seen: Up to which seq it looked; infinity if it came to the end of the trail.
        """
        if xmin >= xmax:  # nothing was in progress: what is below `last` has been seen
            self.mark = (xmax, self.last)
        if self.mark is not None and xmin >= self.mark[0]:
            if seen >= self.mark[1]:
                self.floor, self.mark = self.mark[1], None
            else:
                self.floor = max(self.floor, int(seen))
        if self.mark is None:
            self.mark = (xmax, self.last)


_Key = tuple[str, int, int]
"""Queue, priority and lane."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: when it began, where, and past which known trails it leads."""

    began: float
    queues: list[str]
    keys: list[_Key]
    from_start: bool = False
    from_floor: bool = False


class Hints:
    """The trails of one worker; another worker knows other tasks and left other jobs standing."""

    def __init__(self) -> None:
        self._trails: dict[_Key, Trail] = {}
        self._behind = True
        self._next_floor = self._next_start = 0.0
        self._look = _Look(0.0, [], [])

    def stretches(self, queues: Iterable[str], now: float) -> list[Stretch]:
        """Where to look, in order: higher priorities first, lane 0 before lane 1."""
        from_start = now >= self._next_start
        from_floor = from_start or self._behind or now >= self._next_floor
        self._look = look = _Look(now, [], [], from_start=from_start, from_floor=from_floor)
        found = []
        for queue in queues:
            look.queues.append(queue)
            above = _HIGHEST
            for priority in self._priorities(queue):
                found.append(Stretch(queue, priority, above, None, 0))
                for lane in (0, 1):
                    trail = self._trails.get((queue, priority, lane))
                    look.keys.append((queue, priority, lane))
                    seq = 0 if trail is None or from_start else trail.last
                    if trail is not None and from_floor:
                        seq = min(seq, trail.floor)
                    found.append(Stretch(queue, priority, _HIGHEST, lane, seq))
                above = priority
            found.append(Stretch(queue, _LOWEST, above, None, 0))
        return found

    def learn(self, claimed: Sequence[Delivery], wanted: int, xmin: int, xmax: int) -> None:
        """Remember what the last look has found. One whose answer never came does not count.

        Args:
            claimed: In the order of the stretches.
            wanted: How many there could have been.
            xmin, xmax: Of the snapshot of the look: all transactions below xmin had ended, none
                from xmax on had begun.
        """
        look = self._look
        full = _key(claimed[-1]) if claimed and len(claimed) >= wanted else None
        self._behind = full is None or self._is_late(full, claimed[-1].seq)
        if look.from_start:
            self._next_start = look.began + START_SECONDS
        if look.from_floor:
            self._next_floor = look.began + FLOOR_SECONDS
        for key, seq in {_key(job): job.seq for job in claimed}.items():
            trail = self._trails.pop(key, None) or Trail(seq)
            trail.last = max(trail.last, seq)
            self._trails[key] = trail  # last in the order of use
        while len(self._trails) > TRAILS_MAX:
            del self._trails[next(iter(self._trails))]
        if look.from_floor:
            for key, seen in _walked(look, full, claimed):
                if key in self._trails:
                    self._trails[key].learn(xmin, xmax, seen)

    def forget(self, queues: Collection[str]) -> None:
        """The last look has left out these queues, and what it has not seen it cannot learn from.
        Nothing of them is remembered: the next look begins at their start."""
        if not queues or not self._trails:
            return
        left_out = frozenset(queues)
        for key in [key for key in self._trails if key[0] in left_out]:
            del self._trails[key]

    def _is_late(self, key: _Key, seq: int) -> bool:
        """Whether all slots went to jobs from below the last seq: there may be more of them."""
        trail = self._trails.get(key)
        return trail is not None and seq < trail.last

    def _priorities(self, queue: str) -> list[int]:
        return sorted({prio for name, prio, _ in self._trails if name == queue}, reverse=True)


def _key(job: Delivery) -> _Key:
    return job.queue, job.priority, job.lane


def _walked(
    look: _Look, full: _Key | None, claimed: Sequence[Delivery]
) -> Iterator[tuple[_Key, float]]:
    """The trails that a look has walked, those that it has found included: to their end, or up to
    the seq at which its slots were full."""
    for key in sorted(
        {*look.keys, *map(_key, claimed)},
        key=lambda key: (look.queues.index(key[0]), -key[1], key[2]),
    ):
        if key == full:
            yield key, claimed[-1].seq
            return
        yield key, math.inf
