"""`host.dead`: the dead letters of a store, looked at and moved from outside."""

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

from jobhost.errors import InvalidOption, did_you_mean
from jobhost.host.wiring import Wiring
from jobhost.jobs.dead import DeadFilter, DeadGroup
from jobhost.jobs.records import JobRecord
from jobhost.store.plan import Plan
from jobhost.store.plans import dead
from jobhost.store.plans.dead import SLICE_MAX, DeadCount, Moved

_RATE: Final = re.compile(r"(\d+)/(s|m|h)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}

_SLICES_A_SECOND: Final = 4
"""A rate is kept by slices that are spread over the second, and not by bursts."""

_KNOWN: Final = tuple(field.name for field in fields(DeadFilter))


class Which(TypedDict, total=False):
    """Which dead letters; see `jobs.dead.DeadFilter`."""

    task: str | None
    queue: str | None
    error: str | None
    reason: str | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """How far a redrive or a purge has come: jobs moved, and jobs that somebody else had moved, or
    whose unique key another job has."""

    done: int
    refused: int


Watch = Callable[[Progressed], object]


class DeadLetters:
    """Those of one store. Every method takes the words of `DeadFilter` to say which.

    Raises InvalidOption for a word that is none, or a value that cannot be meant.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def jobs(self, *, limit: int = 50, **which: Unpack[Which]) -> list[JobRecord]:
        """The newest of them, at most `limit` (1 to 1,000)."""
        meant = _filter(which)
        return self._wiring.store.read(lambda: dead.list_dead(meant, limit=limit)).jobs

    def count(self, **which: Unpack[Which]) -> DeadCount:
        """How many there are, among the newest 100,000 dead ones."""
        meant = _filter(which)
        return self._wiring.store.read(lambda: dead.count_dead(meant))

    def groups(self, **which: Unpack[Which]) -> list[DeadGroup]:
        """Those that died alike, the largest groups first: 100 groups at most, among the newest
        100,000 dead ones."""
        meant = _filter(which)
        return self._wiring.store.read(lambda: dead.group_dead(meant))

    def redrive(
        self, *, rate: str | None = None, watch: Watch | None = None, **which: Unpack[Which]
    ) -> Progressed:
        """Send them back, oldest first, each with fresh counts; their history is kept.

        Args:
            rate: How many at most, such as "10/s", "300/m", so that what was down is not flooded
                when it is up again. Default: as fast as the store takes them.
            watch: Called after each slice of at most 100 with what is done so far.
            which: See `DeadFilter`; nothing means all.
        """
        walk = _Walk(dead.redrive_dead, _filter(which), _pace(rate), watch)
        for pause in walk.steps():
            walk.take(self._wiring.store.write(walk.plan))
            self._wiring.store.announce()
            time.sleep(pause())
        return walk.progressed

    def purge(self, *, watch: Watch | None = None, **which: Unpack[Which]) -> Progressed:
        """Delete them, with all that belongs to them. There is no way back."""
        walk = _Walk(dead.purge_dead, _filter(which), None, watch)
        for _ in walk.steps():
            walk.take(self._wiring.store.write(walk.plan))
        return walk.progressed

    async def ajobs(self, *, limit: int = 50, **which: Unpack[Which]) -> list[JobRecord]:
        """`jobs` for a caller on an event loop."""
        meant = _filter(which)
        page = await self._wiring.store.read_async(lambda: dead.list_dead(meant, limit=limit))
        return page.jobs

    async def acount(self, **which: Unpack[Which]) -> DeadCount:
        """`count` for a caller on an event loop."""
        meant = _filter(which)
        return await self._wiring.store.read_async(lambda: dead.count_dead(meant))

    async def agroups(self, **which: Unpack[Which]) -> list[DeadGroup]:
        """`groups` for a caller on an event loop."""
        meant = _filter(which)
        return await self._wiring.store.read_async(lambda: dead.group_dead(meant))

    async def aredrive(
        self, *, rate: str | None = None, watch: Watch | None = None, **which: Unpack[Which]
    ) -> Progressed:
        """`redrive` for a caller on an event loop."""
        walk = _Walk(dead.redrive_dead, _filter(which), _pace(rate), watch)
        for pause in walk.steps():
            walk.take(await self._wiring.store.write_async(walk.plan))
            self._wiring.store.announce()
            await asyncio.sleep(pause())
        return walk.progressed

    async def apurge(self, *, watch: Watch | None = None, **which: Unpack[Which]) -> Progressed:
        """`purge` for a caller on an event loop."""
        walk = _Walk(dead.purge_dead, _filter(which), None, watch)
        for _ in walk.steps():
            walk.take(await self._wiring.store.write_async(walk.plan))
        return walk.progressed


class _Walk:
    """Slice by slice through the dead letters that are meant.

    Args:
        move: The plan of one slice.
        which: Those that are meant.
        pace: Jobs a second, or None.
        watch: Hears of each slice.
    """

    def __init__(
        self,
        move: Callable[..., Plan[Moved]],
        which: DeadFilter,
        pace: float | None,
        watch: Watch | None,
    ) -> None:
        self._move = move
        self._which = which
        self._pace = pace
        self._watch = watch
        self._limit = SLICE_MAX
        if pace is not None:
            self._limit = max(1, min(SLICE_MAX, math.ceil(pace / _SLICES_A_SECOND)))
        self._after: int | None = -1
        self._began = time.monotonic()
        self._looked_at = 0
        self.progressed = Progressed(done=0, refused=0)

    def plan(self) -> Plan[Moved]:
        """The next slice."""
        return self._move(self._which, after=self._after, limit=self._limit)

    def steps(self) -> Iterator[Callable[[], float]]:
        """One for each slice: gives the seconds to wait after it."""
        while self._after is not None:
            yield self._rest

    def take(self, moved: Moved) -> None:
        """What a slice came to."""
        self._after = moved.after
        self._looked_at += moved.done + moved.refused
        self.progressed = Progressed(
            done=self.progressed.done + moved.done, refused=self.progressed.refused + moved.refused
        )
        if self._watch is not None:
            self._watch(self.progressed)

    def _rest(self) -> float:
        if self._pace is None or self._after is None:
            return 0.0
        return max(0.0, self._began + self._looked_at / self._pace - time.monotonic())


def _filter(which: Any) -> DeadFilter:
    for name in which:
        if name not in _KNOWN:
            raise InvalidOption(
                f"{name!r} says nothing about dead letters: {did_you_mean(name, _KNOWN)}"
            )
    return DeadFilter(**which)


def _pace(rate: object) -> float | None:
    """Jobs a second. Raises InvalidOption."""
    if rate is None:
        return None
    found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    if found is None or int(found[1]) == 0:
        raise InvalidOption(f"rate must be such as '10/s', '300/m' or '1000/h'; got {rate!r}")
    return int(found[1]) / _SECONDS[found[2]]
