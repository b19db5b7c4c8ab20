"""What a worker does for the store and all who share it, beside its own jobs: it takes over from
the dead, makes jobs ready when they are due, opens queues by their hours, raises what waits for
long, and forgets nodes that ended long ago."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobhost.events import Events
from jobhost.jobs.retention import Retention
from jobhost.store.plans.nodes import PRUNE_BATCH, News, prune
from jobhost.store.seam import Session, Store
from jobhost.worker.ager import Ager
from jobhost.worker.expirer import Expirer
from jobhost.worker.objectives import Objectives
from jobhost.worker.opener import Opener
from jobhost.worker.pruner import Pruner
from jobhost.worker.rescuer import LOOK_SECONDS, Rescuer
from jobhost.worker.stager import Stager

PRUNE_SECONDS: Final = 3600.0
"""Pause between looks for nodes to forget, of which the first comes with a worker's start: who is
replaced time and again makes rows the fastest."""

_NEXT_BATCH_SECONDS: Final = 10.0
"""Pause while there are more of them than one transaction forgets: nobody waits for it."""


class Upkeep:
    """Runs the rescuer and the stager when they are due, and prunes nodes.

    Args:
        store: The store.
        session: The store thread's connection.
        queues: Names of the queues that this worker serves.
        events: Who hears of what was found.
        heartbeat_seconds: How long a lease must stay out to count.
        retention: How long jobs that have ended are kept.
        declared: What the program has declared of queues, by name and column.
    """

    def __init__(
        self,
        store: Store,
        session: Session,
        queues: Sequence[str],
        events: Events,
        *,
        heartbeat_seconds: float,
        retention: Retention,
        declared: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        pace = store.pace
        self.stager = Stager(session, queues, events, pass_seconds=pace.stage_seconds)
        self.expirer = Expirer(session, events, pass_seconds=pace.stage_seconds)
        self.opener = Opener(session, events, pass_seconds=pace.stage_seconds)
        self.ager = Ager(session, events, quiet_seconds=pace.stage_seconds)
        self.pruner = Pruner(session, retention, events)
        self.objectives = Objectives(
            session, events, declared or {}, quiet_seconds=pace.stage_seconds
        )
        self.rescuer = Rescuer(
            store,
            session,
            heartbeat_seconds=heartbeat_seconds,
            events=events,
            look_seconds=pace.lease_look_seconds,
        )
        self._session = session
        self._next_rescue = self._next_prune = 0.0

    @property
    def due(self) -> float:
        """Instant of the next look, in monotonic seconds."""
        parts = (
            self.stager, self.expirer, self.pruner, self.objectives, self.opener, self.ager
        )  # fmt: skip
        return min(self._next_rescue, self._next_prune, *(part.due for part in parts))

    def run_if_due(self, me: int, now: float) -> bool:
        """Stage, rescue and prune what it is time for. Raises StoreError.

        Args:
            me: The number of the node that rescues.
            now: Monotonic seconds.

        Returns whether there is something new to claim.
        """
        self.expirer.run_if_due()
        found = self.stager.run_if_due()
        if now >= self._next_rescue:
            self._next_rescue = now + LOOK_SECONDS
            found += self.rescuer.run_once(me)
        self.pruner.run_if_due(me)
        self.objectives.run_if_due(me)  # before hours are looked at, some of which it declares
        opened = self.opener.run_if_due()
        self.ager.run_if_due(me)
        if now >= self._next_prune:
            self._prune(me, now)
        return opened or found > 0

    def heed(self, news: News) -> None:
        """What a heartbeat has told of leases and due times: be there in time."""
        if news.lapsed:
            self._next_rescue = 0.0
            self.rescuer.hurry()
        if news.due_in_us is not None:
            self.stager.expect(news.due_in_us / 1_000_000)
            self.expirer.expect(news.due_in_us / 1_000_000)
            self.opener.expect(news.due_in_us / 1_000_000)

    def hurry(self) -> None:
        """Somebody rang: something may be due earlier than was known."""
        self.stager.hurry()
        self.expirer.hurry()
        self.opener.hurry()

    def _prune(self, me: int, now: float) -> None:
        self._next_prune = now + PRUNE_SECONDS  # also if it fails: nobody needs it now
        if self._session.write(lambda: prune(me)) >= PRUNE_BATCH:
            self._next_prune = now + _NEXT_BATCH_SECONDS
