"""Tells when jobs of a queue wait longer than its objective, and when it fills up.

One of the living workers looks for all: the one that was entered first.
"""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from jobhost.events import Events, QueueFilling, QueueHasRoom, QueueInTime, QueueLate
from jobhost.jobs.depth import EXACT_MAX, NOTHING
from jobhost.jobs.queue_stats import NEARLY_FULL
from jobhost.jobs.queues import QueueSettings
from jobhost.store.plan import drive
from jobhost.store.plans.queue_stats import Line, depth_of, lines
from jobhost.store.plans.queues import declare_queue, watched_queues
from jobhost.store.seam import Session

LOOK_SECONDS: Final = 10.0
"""Between looks while there is something to look at."""

ROOM_AGAIN: Final = 0.7
"""Of the capacity. Below the mark at which it is told, or a queue that stands there would be told
again and again."""


class Objectives:
    """Looks when it is time.

    Args:
        session: The store thread's connection.
        events: Who hears of it.
        declared: What this program has declared of queues, by name and column; stored with the
            first look.
        quiet_seconds: Between looks while no queue has an objective or a capacity, or another
            worker looks.

    `due` is the instant of the next look, in monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        events: Events,
        declared: Mapping[str, Mapping[str, Any]],
        *,
        quiet_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._events = events
        self._declared = dict(declared)
        self._quiet_seconds = max(quiet_seconds, LOOK_SECONDS)
        self._monotonic = monotonic
        self._heads: dict[tuple[str, int, int], tuple[int, float]] = {}
        self._late: set[str] = set()
        self._filling: set[str] = set()
        self.due = 0.0

    def run_if_due(self, me: int) -> None:
        """Look if it is time. Raises StoreError.

        Args:
            me: The number of this worker.
        """
        if self._monotonic() >= self.due:
            self.run_once(me)

    def run_once(self, me: int) -> None:
        """Look."""
        for name, settings in list(self._declared.items()):
            self._declare(name, settings)
            del self._declared[name]
        watched = self._session.read(lambda: watched_queues(me))
        self.due = self._monotonic() + (LOOK_SECONDS if watched else self._quiet_seconds)
        names = [queue.name for queue in watched]
        self._late.intersection_update(names)
        self._filling.intersection_update(names)
        if not watched:
            self._heads.clear()
            return
        bound = 1 if all(queue.capacity is None for queue in watched) else EXACT_MAX + 1
        found = self._session.read(lambda: lines(names, bound))
        ages = self._ages(found)
        for queue in watched:
            here = [line for line in found if line.queue == queue.name]
            self._judge_age(queue, max((ages[line.key] for line in here), default=0.0))
            self._judge_room(queue, here)

    def _declare(self, name: str, settings: Mapping[str, Any]) -> None:
        self._session.write(lambda: declare_queue(name, settings))

    def _ages(self, found: list[Line]) -> dict[tuple[str, int, int], float]:
        """For how long at least the head of each line has waited. A head that stood there before
        has waited since it was first seen, whatever was accepted meanwhile."""
        now = self._monotonic()
        self._heads = {
            line.key: (line.first, seen[1])
            if (seen := self._heads.get(line.key)) is not None and seen[0] == line.first
            else (line.first, now)
            for line in found
        }
        return {line.key: max(line.age.at_least, now - self._heads[line.key][1]) for line in found}

    def _judge_age(self, queue: QueueSettings, oldest_seconds: float) -> None:
        if queue.objective is None:
            self._late.discard(queue.name)
            return
        objective_seconds = queue.objective.total_seconds()
        if queue.opening is not None:
            oldest_seconds = queue.opening.counted(oldest_seconds)
        if oldest_seconds > objective_seconds and queue.name not in self._late:
            self._late.add(queue.name)
            self._events.emit(
                QueueLate(
                    queue=queue.name,
                    oldest_seconds=oldest_seconds,
                    objective_seconds=objective_seconds,
                    paused=queue.paused_at is not None,
                )
            )
        elif oldest_seconds <= objective_seconds and queue.name in self._late:
            self._late.discard(queue.name)
            self._events.emit(QueueInTime(queue=queue.name, objective_seconds=objective_seconds))

    def _judge_room(self, queue: QueueSettings, here: list[Line]) -> None:
        capacity = queue.capacity
        if capacity is None:
            self._filling.discard(queue.name)
            return
        depth = sum(
            (drive(self._session.read, depth_of(line, random.random)) for line in here),
            NOTHING,
        )
        if depth.jobs >= NEARLY_FULL * capacity and queue.name not in self._filling:
            self._filling.add(queue.name)
            self._events.emit(QueueFilling(queue=queue.name, jobs=depth.jobs, capacity=capacity))
        elif depth.jobs < ROOM_AGAIN * capacity and queue.name in self._filling:
            self._filling.discard(queue.name)
            self._events.emit(QueueHasRoom(queue=queue.name, jobs=depth.jobs, capacity=capacity))
