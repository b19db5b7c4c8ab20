"""Takes over the jobs of workers that died or lost their lease.

A death that the kernel has proven is acted upon at once. A lease that has run out counts
only if it is still out one heartbeat later: the whole machine may have been asleep, and
every lease with it.

A node ends with the first batch of its rescue. Jobs of an ended node have no other sign than
their rows, so they are looked for after each rescue: this one or another may have been cut short,
and a claim of the dead may have been committed behind its back.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from jobhost.events import Events, WorkerRescued
from jobhost.store.plans.nodes import LiveNode, Rescue, RescueReport, live_nodes, orphans, rescue
from jobhost.store.plans.suspects import SUSPECT_BATCH, clear
from jobhost.store.seam import Session, Store

LOOK_SECONDS: Final = 0.1
"""Pause between looks for the dead: some system calls, no statement."""

WATCH_SECONDS: Final = 30.0
"""Time after a rescue in which leases are looked at with each heartbeat: longer than a statement
of the dead worker goes on at a server that has not noticed."""


class Rescuer:
    """Looks for dead workers and rescues their jobs.

    Args:
        store: Tells who is dead.
        session: The store thread's connection.
        heartbeat_seconds: How long a lease must stay out to count.
        look_seconds: Pause between looks at leases while nothing has happened; default: a
            heartbeat.
        events: Who hears of a rescue.
    """

    def __init__(
        self,
        store: Store,
        session: Session,
        *,
        heartbeat_seconds: float,
        events: Events,
        look_seconds: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._session = session
        self._heartbeat = heartbeat_seconds
        self._look = look_seconds or heartbeat_seconds
        self._events = events
        self.set_aside = (
            False  # whether a rescue has made suspects; whoever acts on it takes it back
        )
        self._monotonic = monotonic
        self._next_lease_look = 0.0
        self._watched_until = -math.inf
        self._lapsed_since: dict[int, float] = {}

    def run_once(self, me: int) -> int:
        """One look. Returns how many jobs were taken over.

        Args:
            me: The number of the node that rescues; its lease gives the right to.
        """
        now = self._monotonic()
        rescued = 0
        if dead := self._store.dead_nodes():
            rescued += self._bury(dead, me)
        if now >= self._next_lease_look:
            rescued += self._look_at_leases(me, now)
        return rescued

    def hurry(self) -> None:
        """Look at leases with the next look: one is known to have run out."""
        self._next_lease_look = 0.0

    def take_over(self, number: int, name: str, me: int) -> None:
        """Rescue one node whose lease is known to have ended, such as this worker's former one."""
        self._rescue(LiveNode(number=number, id="", worker=name, lapsed=True), me, died=False)

    def _bury(self, dead: list[str], me: int) -> int:
        by_id = {node.id: node for node in self._session.read(live_nodes)}
        rescued = 0
        for node_id in dead:
            node = by_id.get(node_id)
            if node is not None and node.number == me:
                continue  # whatever is said of it, it lives
            report = RescueReport() if node is None else self._rescue(node, me, died=True)
            rescued += report.total
            if not report.refused:  # or nobody would have the proof any more
                self._store.forget_node(node_id)
        return rescued

    def _look_at_leases(self, me: int, now: float) -> int:
        self._next_lease_look = 0.0  # until this look has come to its end
        lapsed = [n for n in self._session.read(live_nodes) if n.lapsed and n.number != me]
        since = {node.number: self._lapsed_since.get(node.number, now) for node in lapsed}
        self._lapsed_since = since
        rescued = 0
        for node in lapsed:
            if now - since[node.number] >= self._heartbeat:
                rescued += self._rescue(node, me, died=False).total
        lost = self._session.read(orphans)
        for number in lost:
            orphaned = LiveNode(number=number, id="", worker=f"node {number}", lapsed=True)
            rescued += self._rescue(orphaned, me, died=False).total
        soon = lapsed or lost or now < self._watched_until
        self._next_lease_look = now + (self._heartbeat if soon else self._look)
        return rescued

    def _rescue(self, node: LiveNode, me: int, *, died: bool) -> RescueReport:
        self._next_lease_look = 0.0
        self._watched_until = self._monotonic() + WATCH_SECONDS
        order = Rescue(node=node.number, worker=node.worker, rescuer=me, died=died)
        total = rescue_all(self._session, order)
        self.set_aside |= total.aside > 0
        if total.returned or total.ended:
            reason = "died" if died else "lost its lease"
            self._events.emit(
                WorkerRescued(
                    worker=node.worker, reason=reason, returned=total.returned, ended=total.ended
                )
            )
        return total


def rescue_all(session: Session, order: Rescue) -> RescueReport:
    """Carry out a rescue, and clear whom it has shown to be innocent, in as many transactions as it
    takes. Raises StoreError; suspects that were not cleared by then run alone."""
    total = RescueReport()
    while True:
        report = session.write(lambda: rescue(order))
        total += report
        if not report.more:
            break
    former, cleared = total.to_clear, total.cleared
    batch = 0 if former is None else SUSPECT_BATCH
    while batch >= SUSPECT_BATCH:
        batch = session.write(lambda: clear(former))
        cleared += batch
    return replace(total, cleared=cleared, to_clear=None)
