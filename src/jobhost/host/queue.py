"""The handle of a queue: pause and resume it, change its settings, see how it stands."""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict, Unpack

from jobhost.host.wiring import Wiring
from jobhost.jobs.queue_stats import QueueStats
from jobhost.jobs.queues import QueueSettings, check_queue, check_reason, stored_changes
from jobhost.store.plan import drive, drive_async
from jobhost.store.plans import queue_stats, queues


class QueueChanges(TypedDict, total=False):
    """What may be set of a queue; None takes a setting back. See `jobs.queues.QueueSettings`."""

    objective: timedelta | str | None
    capacity: int | None
    when_full: str | None
    wait: timedelta | str | None
    expires: timedelta | str | None
    dropped: bool | None
    raise_priority_after: timedelta | str | None
    hours: str | None
    zone: str | None


class Queue:
    """A queue of a host's store. Holding one costs nothing; it talks to the store when asked.

    A queue need not exist to be paused or set: it comes to be with its first job.

    Args:
        name: Its name.
        wiring: The host's store.
    """

    __slots__ = ("_name", "_wiring")

    def __init__(self, name: str, wiring: Wiring) -> None:
        self._name = check_queue(name)
        self._wiring = wiring

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def __repr__(self) -> str:
        return f"<Queue {self._name!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Queue):
            return NotImplemented
        return self._wiring is other._wiring and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def pause(self, reason: str | None = None) -> bool:
        """Have nothing of it started, on any worker, from their next claims on. What runs goes on,
        and jobs are accepted as before.

        Args:
            reason: Why, for whoever looks; up to 500 characters.

        Returns whether it was not paused before. Paused again, it has the new reason. Durable when
        this returns. Raises InvalidOption, StoreError.
        """
        why = check_reason(reason)
        return self._wiring.store.write(lambda: queues.pause_queue(self._name, why))

    async def apause(self, reason: str | None = None) -> bool:
        """`pause` for a caller on an event loop."""
        why = check_reason(reason)
        return await self._wiring.store.write_async(lambda: queues.pause_queue(self._name, why))

    def resume(self) -> bool:
        """End a pause; idle workers start at once. Returns whether it was paused."""
        resumed = self._wiring.store.write(lambda: queues.resume_queue(self._name))
        self._wiring.store.announce()
        return resumed

    async def aresume(self) -> bool:
        """`resume` for a caller on an event loop."""
        resumed = await self._wiring.store.write_async(lambda: queues.resume_queue(self._name))
        self._wiring.store.announce()
        return resumed

    def set(self, **settings: Unpack[QueueChanges]) -> None:
        """Store settings, for all programs that use this store; what is not given stays.

            host.queue("mail").set(objective="30s", capacity=10_000, when_full="wait", wait="2s")
            host.queue("reports").set(hours="mon-fri 22:00-06:00", zone="Europe/Berlin")

        Raises InvalidOption, StoreError.
        """
        changes = stored_changes(settings)
        self._wiring.store.write(lambda: queues.set_queue(self._name, changes))
        self._tell(changes)

    async def aset(self, **settings: Unpack[QueueChanges]) -> None:
        """`set` for a caller on an event loop."""
        changes = stored_changes(settings)
        await self._wiring.store.write_async(lambda: queues.set_queue(self._name, changes))
        self._tell(changes)

    def _tell(self, changes: Mapping[str, Any]) -> None:
        """Wake workers for a queue that may open now, or at another time than they know."""
        if queues.changes_hours(changes):
            self._wiring.store.announce()
            self._wiring.store.announce(due=True)

    def settings(self) -> QueueSettings:
        """What is stored of it."""
        found = self._wiring.store.read(lambda: queues.queue_settings(self._name))
        return found or QueueSettings(name=self._name)

    async def asettings(self) -> QueueSettings:
        """`settings` for a caller on an event loop."""
        found = await self._wiring.store.read_async(lambda: queues.queue_settings(self._name))
        return found or QueueSettings(name=self._name)

    def stats(self) -> QueueStats:
        """How it stands: what waits and for how long, what runs, how fast jobs come and go, by
        priority too. Its cost does not grow with the backlog."""
        looks = queue_stats.look_at([self._name], random.random)
        (found,) = drive(self._wiring.store.read, looks)
        return found

    async def astats(self) -> QueueStats:
        """`stats` for a caller on an event loop."""
        looks = queue_stats.look_at([self._name], random.random)
        (found,) = await drive_async(self._wiring.store.read_async, looks)
        return found


def all_stats(wiring: Wiring) -> list[QueueStats]:
    """The figures of all queues that anything is known of, by name."""
    names = wiring.store.read(queue_stats.known_queues)
    return drive(wiring.store.read, queue_stats.look_at(names, random.random))


async def all_stats_async(wiring: Wiring) -> list[QueueStats]:
    """`all_stats` for a caller on an event loop."""
    names = await wiring.store.read_async(queue_stats.known_queues)
    return await drive_async(wiring.store.read_async, queue_stats.look_at(names, random.random))
