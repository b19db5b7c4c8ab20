"""The node's place in the store: enters its workers, renews their leases, hands back what the dead
held.

One thread does what it is told, in order, and repeats each order until the store has taken it; so
the node itself never waits for the store. What comes of an order is told as a fact. The rows are
kept in `roll.py`, the way to the store in `access.py`.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TypeAlias

from jobhost.errors import SchemaMismatch, StoreBusy, StoreError, StoreGone
from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.hosting.access import Access
from jobhost.hosting.exits import Death
from jobhost.hosting.facts import (
    Broken,
    Crewmate,
    Fact,
    LeasesLost,
    Renewed,
    Service,
    SetAside,
    Trouble,
    Works,
)
from jobhost.hosting.roll import Roll
from jobhost.store.passing import passes
from jobhost.store.plan import Plan
from jobhost.store.plans.nodes import Kind, LiveNode, Pulse, live_nodes
from jobhost.store.plans.suspects import SUSPECT_BATCH, bring_back, set_aside
from jobhost.store.seam import Store
from jobhost.worker.back_off import BackOff
from jobhost.worker.heartbeat import Heartbeat

_BACK_OFF_SECONDS: Final = (0.1, 5.0)
"""First and longest pause after a store error."""

_REFUSED_SECONDS: Final = 0.1
"""Until a hand-back that was refused is tried again, after what else is to be done."""

_LAST_IN_LANE: Final = 2**62
"""Stands for the worker of those who are set aside with their whole task, who come after those
that some death has made suspects: among these are innocents, and no worker has this number."""

STORE_SECONDS: Final = 1.5
"""Longest wait for the store once the node was asked to end; then its leases run out by
themselves."""


_Order: TypeAlias = Callable[[], None]


class Registrar:
    """Args:
    store: The store.
    service: What the node serves.
    lease_seconds: How long each renewal lasts.
    tell: Takes facts; called from threads of the registrar.
    vitals: JSON about memory and load for the next heartbeat.
    """

    def __init__(
        self,
        store: Store,
        service: Service,
        *,
        lease_seconds: float,
        tell: Callable[[Fact], None],
        vitals: Callable[[], str | None],
    ) -> None:
        self._access = Access(store)
        self._roll = Roll(
            self._access, service, lease_seconds=lease_seconds, tell=tell, vitals=vitals
        )
        self._service = service
        self._lease_seconds = lease_seconds
        self._tell = tell
        self._vitals = vitals
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._heartbeat: Heartbeat | None = None
        self._heartbeat_fails = self._heartbeat_failed = False
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobhost-registrar", daemon=True)

    def start(self) -> None:
        """Enter the node, and then do what is told."""
        self._orders.put(self._enter_node)
        self._orders.put(self._forgive)
        self._thread.start()

    def enter(self, mate: Crewmate) -> None:
        """Enter a worker; Entered follows."""
        self._orders.put(lambda: self._roll.enter(mate))

    def end(self, ticket: int, death: Death | None) -> None:
        """A worker's process is gone, and all that it left: HandedBack follows. None: it ended in
        order."""
        self._orders.put(lambda: self._end(ticket, death))

    def enter_again(self, ticket: int, number: int) -> None:
        """The store does not know the lease of a worker under this number any more."""
        self._orders.put(lambda: self._roll.enter_again(ticket, number))

    def set_aside(self, tasks: tuple[str, ...]) -> None:
        """Waiting jobs of these tasks at the heads of the queues go through the lane: SetAside
        follows."""
        self._orders.put(lambda: self._set_aside(tasks))

    def bring_back(self, task: str) -> None:
        """Those who wait only because of their task become ready again."""
        self._orders.put(lambda: self._bring_back(task))

    def offer(self, store: Store) -> None:
        """The same store by a newer address: taken when the present one fails."""
        self._access.offer(store)
        self._orders.put(self._heed_offer)

    def is_held_up_by(self, pid: int) -> bool:
        """Whether this process holds what every writer of the store has to wait for. Does not wait
        for the store."""
        return self._access.store.is_held_up_by(pid)

    def close(self) -> None:
        """Do what is still to be done, if the store takes it soon, and leave it."""
        self._orders.put(None)
        self._leaving.set()
        self._access.hurry(STORE_SECONDS)
        self._thread.join(timeout=2 * STORE_SECONDS)

    # --- the thread

    def _run(self) -> None:
        try:
            while (order := self._orders.get()) is not None:
                self._insist(order)
        except BaseException as error:  # noqa: BLE001 - the node must not live on without its store
            self._tell(Broken(error))
        finally:
            self._leave()

    def _insist(self, order: _Order) -> None:
        """Repeat an order until the store has taken it, or it is time to leave."""
        back_off, failed = BackOff(*_BACK_OFF_SECONDS), False
        while True:
            try:
                order()
            except (StoreGone, SchemaMismatch):
                raise
            except StoreError as error:
                if self._roll.own is None and not (isinstance(error, StoreBusy) or passes(error)):
                    raise
                pause, failed = back_off.failed(), True
                self._tell(Trouble(str(error), pause))
                if self._leaving.wait(pause):
                    return
                self._change_address()
            else:
                if failed:
                    self._tell(Works())
                return

    def _leave(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        try:
            self._roll.leave()
        except StoreError as error:
            self._tell(Trouble(str(error), 0.0))
        finally:
            self._access.close()

    # --- the leases

    def _enter_node(self) -> None:
        self._renew(self._roll.enter_node())

    def _renew(self, number: int) -> None:
        """Renew the leases of the node with this number, and of its workers, from now on."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        events = Events()
        events.subscribe(StoreTrouble, self._hear_trouble)
        events.subscribe(StoreBack, self._hear_of_end)
        self._heartbeat = Heartbeat(
            self._access.store,
            number,
            lease_seconds=self._lease_seconds,
            events=events,
            on_lost=lambda: self._orders.put(lambda: self._enter_all_again(number)),
            on_pulse=self._hear,
            vitals=self._vitals,
        )
        self._heartbeat.start()

    def _hear(self, pulse: Pulse) -> None:
        """Called from the heartbeat's thread."""
        if self._heartbeat_failed:  # another one may have, before the address was changed
            self._heartbeat_failed = False
            self._tell(Works())
        self._tell(Renewed(pulse))
        self._orders.put(lambda: self._roll.miss(pulse.family))

    def _hear_trouble(self, event: StoreTrouble) -> None:
        """Called from the heartbeat's thread, once for each trouble."""
        self._tell(Trouble(event.error, event.retry_seconds or 0.0))
        self._heartbeat_fails = self._heartbeat_failed = True
        self._orders.put(self._heed_offer)

    def _hear_of_end(self, event: StoreBack) -> None:
        """Called from the heartbeat's thread: it works again."""
        self._heartbeat_fails = False

    def _heed_offer(self) -> None:
        """The heartbeat has a connection of its own, which may fail where others still stand."""
        if self._heartbeat_fails:
            self._change_address()

    def _change_address(self) -> None:
        if self._access.change() and self._roll.own is not None:
            self._heartbeat_fails = False
            self._renew(self._roll.own.number)

    def _enter_all_again(self, lost: int) -> None:
        """Everything that ran on this node belongs to others now."""
        if self._roll.own is None or self._roll.own.number != lost:
            return
        self._enter_node()
        self._tell(LeasesLost())
        for ticket, number in self._roll.members():
            self.enter_again(ticket, number)
        self._orders.put(self._roll.drop_former)

    def _end(self, ticket: int, death: Death | None) -> None:
        if not self._roll.end(ticket, death) and not self._leaving.wait(_REFUSED_SECONDS):
            self._orders.put(lambda: self._end(ticket, death))

    # --- tasks that kill workers

    def _set_aside(self, tasks: tuple[str, ...]) -> None:
        queues = self._service.queues
        self._tell(SetAside(self._in_batches(lambda: set_aside(_LAST_IN_LANE, tasks, queues))))

    def _forgive(self) -> None:
        """What former nodes have set aside as a whole gets another chance if none of them lives:
        this one may have better code."""
        living = self._access.session().read(live_nodes)
        if any(one.kind is Kind.NODE and not one.lapsed for one in living if not self._is_own(one)):
            return
        for task in self._service.tasks:
            self._bring_back(task)

    def _is_own(self, node: LiveNode) -> bool:
        return self._roll.own is not None and node.number == self._roll.own.number

    def _bring_back(self, task: str) -> None:
        if self._in_batches(lambda: bring_back(task)):
            self._access.store.announce()

    def _in_batches(self, make: Callable[[], Plan[int]]) -> int:
        """Run a plan that moves a batch until one is not full; how many it moved."""
        moved, batch = 0, SUSPECT_BATCH
        while batch >= SUSPECT_BATCH and not self._leaving.is_set():
            batch = self._access.session().write(make)
            moved += batch
        return moved
