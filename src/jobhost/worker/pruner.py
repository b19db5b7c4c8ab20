"""Deletes jobs that were kept long enough, a slice at a time; see `store.plans.retention`.

One worker of a store does it, the first of those that live. A second one, for a moment when it is
not clear who that is, would do no harm.
"""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from jobhost.events import Events, JobsPruned
from jobhost.jobs.retention import Retention
from jobhost.store.plans.keys import prune_keys
from jobhost.store.plans.retention import Slice, first_worker, prune
from jobhost.store.seam import Session

_FIRST_SECONDS: Final = (60.0, 120.0)
"""Until the first walk: a worker has other things to do when it starts, and many start at once."""

_WALK_SECONDS: Final = 600.0
"""Between walks: ten minutes more or less of some days."""

_AFRESH_SECONDS: Final = 6 * 3600.0
"""A walk goes on where the last one ended, among jobs that had not been old. Now and then it begins
with the first job, for those that ended late or were redriven."""

_REST: Final = 9.0
"""After a slice, so many times as long as it took: a tenth of the time at the most is taken from
jobs, and so from the store."""

_REST_SECONDS_MIN: Final = 0.05


class Pruner:
    """Walks when it is time.

    Args:
        session: The store thread's connection.
        retention: How long jobs are kept.
        events: Who hears of what was deleted.

    `due` is the instant of the next slice, in monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        retention: Retention,
        events: Events,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._events = events
        self._monotonic = monotonic
        self._starts = [
            Slice(state=state, keep_us=keep_us) for state, keep_us in retention.spans().items()
        ]
        self._walks = {start.state: start for start in self._starts}
        self._left: list[Slice] = []
        self._walking = False
        self._keys_after = -1
        self._pruned = 0
        self._afresh = 0.0
        self.due = monotonic() + random.uniform(*_FIRST_SECONDS)

    def run_if_due(self, me: int) -> None:
        """Do a slice if it is time, and if this worker is the one. Raises StoreError.

        Args:
            me: The number of this worker.
        """
        now = self._monotonic()
        if now < self.due:
            return
        if not self._walking and self._session.read(first_worker) != me:
            self.due = now + _WALK_SECONDS
            return
        self.run_once()

    def run_once(self) -> int:
        """Do the next slice, of a new walk if the last one is over: through each state in turn,
        then through the keys. How many jobs it deleted. Raises StoreError."""
        start = self._monotonic()
        if not self._walking:
            self._begin(start)
        pruned = 0
        if self._left:
            pruned = self._prune(self._left[0])
        else:
            self._prune_keys()
        if pruned or not self._walking:
            self._session.tidy()
        now = self._monotonic()
        if self._walking:
            self.due = now + max(_REST_SECONDS_MIN, (now - start) * _REST)
        else:
            self.due = now + _WALK_SECONDS * random.uniform(0.9, 1.1)
        return pruned

    @property
    def walking(self) -> bool:
        """Whether a walk has begun and is not over."""
        return self._walking

    def _prune(self, at: Slice) -> int:
        report = self._session.write(lambda: prune(at))
        self._walks[at.state] = replace(at, after=report.after)
        if report.over:
            del self._left[0]
        else:
            self._left[0] = self._walks[at.state]
        self._pruned += report.pruned
        return report.pruned

    def _prune_keys(self) -> None:
        """Keys that nobody holds any more, a pass of them."""
        report = self._session.write(lambda: prune_keys(self._keys_after))
        self._keys_after = report.after
        if not report.more:
            self._end()

    def _begin(self, now: float) -> None:
        self._walking = True
        if now >= self._afresh:
            self._afresh = now + _AFRESH_SECONDS
            self._walks = {start.state: start for start in self._starts}
        self._left = list(self._walks.values())

    def _end(self) -> None:
        self._walking = False
        self._keys_after = -1
        if self._pruned:
            self._events.emit(JobsPruned(jobs=self._pruned))
        self._pruned = 0
