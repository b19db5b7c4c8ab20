"""The bound of a queue, as a producer keeps to it.

Nobody counts jobs for each enqueue, and there is no row that enqueues would lock. A producer counts
now and then, up to the bound, and may then accept a part of the room that it saw without asking
again: its credit. Producers do not know of each other's, so that a queue may hold a batch of each
more than it should. What is said of queues in the store is read again every few seconds, by the
enqueue that comes next.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from jobhost.clock import microseconds
from jobhost.durations import format_seconds
from jobhost.errors import QueueFull, StoreError
from jobhost.jobs.queues import QueueSettings, WhenFull
from jobhost.plurals import counted
from jobhost.store.plan import Plan, drive, drive_async
from jobhost.store.plans.capacity import count_waiting, make_room
from jobhost.store.plans.enqueue import Batch
from jobhost.store.plans.portions import BATCH_MAX
from jobhost.store.plans.queues import all_settings
from jobhost.store.seam import Store

R = TypeVar("R")

LOOK_SECONDS: Final = 5.0
"""Between looks at what the store says of queues."""

_CREDIT_SECONDS: Final = 1.0
"""How long the room that was seen counts: others fill it meanwhile."""

_CREDIT_PART: Final = 10
"""The tenth part of a queue may be accepted unseen."""

_FULL_SECONDS: Final = 0.05
"""How long a queue that was seen full counts as such: who is refused and tries again at once costs
the store nothing."""

_PAUSE_SECONDS: Final = (0.05, 0.5)
"""First and longest pause of an enqueue that waits for a place."""

DEFAULT_WAIT_SECONDS: Final = 5.0
"""How long it waits where nothing else was said: as long as for a store that is away."""

MakeRoom = Callable[[int], Plan[int]]
"""Makes room for so many jobs."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What is said of a queue's size."""

    capacity: int
    when_full: WhenFull
    wait_seconds: float


class _Look:
    """What is known of one queue: so much room until then, or none until then."""

    __slots__ = ("credit", "full_until", "until")

    def __init__(self) -> None:
        self.credit = 0
        self.until = 0.0
        self.full_until = 0.0


_Step = Callable[[], Plan[Any]] | float

_Steps = Generator[_Step, Any, R]
"""Asks for plans to be read, or for a pause in seconds. Nothing is known, None, of what could not
be read: the enqueue makes a new store, or tells what is wrong."""


def _answer(store: Store, step: _Step) -> Any:
    if isinstance(step, float):
        return time.sleep(step)
    try:
        return store.read(step)
    except StoreError:
        return None


async def _answer_async(store: Store, step: _Step) -> Any:
    if isinstance(step, float):
        return await asyncio.sleep(step)
    try:
        return await store.read_async(step)
    except StoreError:
        return None


class Gate:
    """Lets batches into queues. One of a host; from any thread.

    Args:
        declared: Settings that the program has declared, by queue and column. What the store says
            wins.
        changed: Called when what the store says of queues is another.
    """

    def __init__(
        self,
        declared: Mapping[str, Mapping[str, Any]],
        changed: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._declared = declared
        self._changed = changed
        self._monotonic = monotonic
        self._stored: dict[str, QueueSettings] = {}
        self._looks: dict[str, _Look] = {}
        self._lock = threading.Lock()
        self._next = 0.0

    def look(self, store: Store) -> None:
        """Read what the store says of queues, if it was not read lately. What cannot be read now
        stays as it was known: an enqueue that follows tells of a store that is away."""
        if self._monotonic() >= self._next:
            drive(partial(_answer, store), self._read_settings())

    async def look_async(self, store: Store) -> None:
        """`look` for a caller on an event loop."""
        if self._monotonic() >= self._next:
            await drive_async(partial(_answer_async, store), self._read_settings())

    def expiry_cap(self, queue: str) -> tuple[int, bool] | None:
        """The longest that the store lets a job of this queue wait, in microseconds, and whether it
        is dropped then; None if it says nothing."""
        found = self._stored.get(queue)
        if found is None or found.expires is None:
            return None
        return microseconds(found.expires.total_seconds()), found.dropped

    def admit(self, store: Store, batch: Batch, *, within: bool = False) -> MakeRoom | None:
        """Wait for a place, if that is what the queue says.

        Args:
            within: The batch is for a transaction of the caller's, which is open: nobody waits in
                it, and nothing is dropped for a commit that may not come. A full queue refuses.

        Returns a plan that makes room, to be run in the transaction that accepts the batch; None
        where there is room, or where that cannot be asked: the enqueue then tells why. Raises
        QueueFull.
        """
        if (bound := self.bound(batch.queue)) is None:
            return None
        return drive(partial(_answer, store), self._enter(bound, batch, within=within))

    async def admit_async(
        self, store: Store, batch: Batch, *, within: bool = False
    ) -> MakeRoom | None:
        """`admit` for a caller on an event loop."""
        if (bound := self.bound(batch.queue)) is None:
            return None
        steps = self._enter(bound, batch, within=within)
        return await drive_async(partial(_answer_async, store), steps)

    def bound(self, queue: str) -> Bound | None:
        """What is said of a queue's size; None: it has no bound."""
        stored, declared = self._stored.get(queue), self._declared.get(queue, {})
        if stored is not None and stored.capacity is not None:
            wait = None if stored.wait is None else stored.wait.total_seconds()
            return Bound(
                stored.capacity, stored.when_full, DEFAULT_WAIT_SECONDS if wait is None else wait
            )
        if (capacity := declared.get("capacity")) is None:
            return None
        wait_us = declared.get("wait_us")
        return Bound(
            capacity,
            WhenFull(declared.get("when_full", WhenFull.REJECT)),
            DEFAULT_WAIT_SECONDS if wait_us is None else wait_us / 1_000_000,
        )

    def _learn(self, found: list[QueueSettings]) -> None:
        stored = {settings.name: settings for settings in found}
        if stored != self._stored:
            self._stored = stored
            self._changed()

    def _read_settings(self) -> _Steps[None]:
        self._next = self._monotonic() + LOOK_SECONDS
        found = yield all_settings
        if found is not None:
            self._learn(found)

    def _enter(self, bound: Bound, batch: Batch, *, within: bool) -> _Steps[MakeRoom | None]:
        """The way of one batch to its place. A batch is let in as a whole where there is room for
        one job of it: else one larger than the queue never were."""
        queue, count = batch.queue, len(batch.jobs)
        if within:
            bound = replace(bound, when_full=WhenFull.REJECT)
        if bound.when_full is WhenFull.DROP_OLDEST:
            if self._takes(queue, count):
                return None
            waiting = (yield partial(count_waiting, queue, bound.capacity)) or 0
            self._saw(queue, bound, waiting)
            if bound.capacity - waiting >= count and self._takes(queue, count):
                return None
            return lambda more: make_room(queue, bound.capacity, more)
        end = self._monotonic() + bound.wait_seconds
        pause, longest = _PAUSE_SECONDS
        while not self._takes(queue, count):
            if not self._is_full(queue):
                waiting = (yield partial(count_waiting, queue, bound.capacity)) or 0
                self._saw(queue, bound, waiting)
                continue
            left = end - self._monotonic()
            if bound.when_full is WhenFull.REJECT or left <= 0:
                raise self._refused(queue, bound)
            yield min(pause, left)
            pause = min(pause * 1.5, longest)
        return None

    def _takes(self, queue: str, count: int) -> bool:
        with self._lock:
            look = self._looks.get(queue)
            if look is None or look.credit <= 0 or self._monotonic() >= look.until:
                return False
            look.credit -= count
            return True

    def _is_full(self, queue: str) -> bool:
        look = self._looks.get(queue)
        return look is not None and self._monotonic() < look.full_until

    def _saw(self, queue: str, bound: Bound, waiting: int) -> None:
        now, room = self._monotonic(), bound.capacity - waiting
        with self._lock:
            look = self._looks.setdefault(queue, _Look())
            look.credit = min(room, BATCH_MAX, max(1, bound.capacity // _CREDIT_PART))
            look.until = now + _CREDIT_SECONDS
            look.full_until = now + _FULL_SECONDS if room <= 0 else 0.0

    def _refused(self, queue: str, bound: Bound) -> QueueFull:
        waited = ""
        if bound.when_full is WhenFull.WAIT:
            waited = f", and had no room within {format_seconds(bound.wait_seconds)}"
        error = QueueFull(
            f"queue {queue!r} is full: {counted(bound.capacity, 'job')} wait there{waited}; try "
            "again later, start more workers, or raise its capacity with 'jobhost queues set'"
        )
        error.queue, error.capacity = queue, bound.capacity
        return error
