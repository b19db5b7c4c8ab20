"""The node's place in the store: enters its workers, renews their leases, hands back what the dead
held.

One thread does what it is told, in order, and repeats each order until the store has taken it; so
the node itself never waits for the store. What comes of an order is told as a fact.
"""

import os
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, TypeAlias
from uuid import uuid4

from jobhost.clock import microseconds
from jobhost.errors import SchemaMismatch, StoreError, StoreGone
from jobhost.events import Events, StoreTrouble
from jobhost.hosting.exits import Death
from jobhost.hosting.facts import (
    Broken,
    Crewmate,
    Entered,
    Fact,
    HandedBack,
    LeasesLost,
    Renewed,
    Service,
    SetAside,
    Trouble,
)
from jobhost.store.plan import Plan
from jobhost.store.plans.nodes import (
    Kind,
    NewNode,
    Pulse,
    Rescue,
    RescueReport,
    leave,
    register,
    rescue,
)
from jobhost.store.plans.suspects import SUSPECT_BATCH, bring_back, set_aside
from jobhost.store.seam import Presence, Session, Store
from jobhost.version import VERSION
from jobhost.worker.heartbeat import Heartbeat

_BACK_OFF_SECONDS: Final = (0.1, 5.0)
"""First and longest pause after a store error."""

_DOUBLINGS_MAX: Final = 16

_LAST_IN_LANE: Final = 2**62
"""Stands for the worker of those who are set aside with their whole task, who come after those
that some death has made suspects: among these are innocents, and no worker has this number."""

STORE_SECONDS: Final = 1.5
"""Longest wait for the store once the node was asked to end; then its leases run out by
themselves."""


_Order: TypeAlias = Callable[[], None]


@dataclass(slots=True)
class _Entry:
    """One row among the nodes, with its proof of life."""

    number: int
    id: str
    presence: Presence


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
        self._store = store
        self._service = service
        self._lease_seconds = lease_seconds
        self._tell = tell
        self._vitals = vitals
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._session: Session | None = None
        self._own: _Entry | None = None
        self._heartbeat: Heartbeat | None = None
        self._crew: dict[int, tuple[Crewmate, _Entry]] = {}
        self._leaving = threading.Event()
        self._worker_name = f"{socket.gethostname()}:"
        self._thread = threading.Thread(target=self._run, name="jobhost-registrar", daemon=True)

    def start(self) -> None:
        """Enter the node, and then do what is told."""
        self._orders.put(self._enter_node)
        self._thread.start()

    def enter(self, mate: Crewmate) -> None:
        """Enter a worker; Entered follows."""
        self._orders.put(lambda: self._enter(mate))

    def end(self, ticket: int, death: Death | None) -> None:
        """A worker's process is gone, and all that it left: HandedBack follows. None: it ended in
        order."""
        self._orders.put(lambda: self._end(ticket, death))

    def enter_again(self, ticket: int) -> None:
        """The store does not know a worker's lease any more."""
        self._orders.put(lambda: self._enter_again(ticket))

    def set_aside(self, tasks: tuple[str, ...]) -> None:
        """Waiting jobs of these tasks at the heads of the queues go through the lane: SetAside
        follows."""
        self._orders.put(lambda: self._set_aside(tasks))

    def bring_back(self, task: str) -> None:
        """Those who wait only because of their task become ready again."""
        self._orders.put(lambda: self._bring_back(task))

    def close(self) -> None:
        """Do what is still to be done, if the store takes it soon, and leave it."""
        self._orders.put(None)
        self._leaving.set()
        if self._session is not None:
            self._session.hurry(STORE_SECONDS)
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
        failures = 0
        while True:
            try:
                return order()
            except (StoreGone, SchemaMismatch):
                raise
            except StoreError as error:
                first, longest = _BACK_OFF_SECONDS
                pause = min(first * 2**failures, longest) * random.uniform(0.5, 1.0)
                failures = min(failures + 1, _DOUBLINGS_MAX)
                self._tell(Trouble(str(error), pause))
                if self._leaving.wait(pause):
                    return None

    def _open(self) -> Session:
        if self._session is None:
            self._session = self._store.session()
        return self._session

    def _new_entry(self, kind: Kind, pid: int, slots: int) -> _Entry:
        session, entry_id = self._open(), uuid4().hex
        presence = self._store.attend(entry_id)
        new = NewNode(
            id=entry_id,
            host=socket.gethostname(),
            pid=pid,
            version=VERSION,
            slots=slots,
            queues=[] if kind is Kind.LANE else self._service.queues,
            tasks=self._service.tasks,
            lease_us=microseconds(self._lease_seconds),
            kind=kind,
            supervisor=None if kind is Kind.NODE or self._own is None else self._own.number,
        )
        try:
            number = session.write(lambda: register(new))
        except BaseException:
            presence.release()
            raise
        return _Entry(number, entry_id, presence)

    def _enter_node(self) -> None:
        self._own = self._new_entry(Kind.NODE, os.getpid(), 0)
        number = self._own.number
        events = Events()
        events.subscribe(StoreTrouble, self._hear_trouble)
        self._heartbeat = Heartbeat(
            self._store,
            number,
            lease_seconds=self._lease_seconds,
            events=events,
            on_lost=lambda: self._orders.put(lambda: self._enter_all_again(number)),
            on_pulse=self._hear,
            vitals=self._vitals,
        )
        self._heartbeat.start()

    def _hear_trouble(self, event: StoreTrouble) -> None:
        self._tell(Trouble(event.error, event.retry_seconds or 0.0))

    def _enter(self, mate: Crewmate) -> None:
        entry = self._new_entry(mate.kind, mate.pid, mate.slots)
        self._crew[mate.ticket] = (mate, entry)
        self._tell(Entered(mate.ticket, entry.number, entry.id))

    def _end(self, ticket: int, death: Death | None) -> None:
        if ticket not in self._crew:
            return  # the node is leaving, and the store was not there to enter it
        _, entry = self._crew[ticket]
        cause = "stopped" if death is None else death.cause
        report = self._rescue(
            entry, died=True, cause=cause, own_doing=death is not None and death.own_doing
        )
        del self._crew[ticket]
        entry.presence.release()
        self._store.forget_node(entry.id)
        self._tell(HandedBack(ticket, report))

    def _enter_again(self, ticket: int) -> None:
        if ticket not in self._crew:
            return
        mate, former = self._crew[ticket]
        self._enter(mate)
        self._drop(former)

    def _enter_all_again(self, lost: int) -> None:
        """Everything that ran on this node belongs to others now."""
        former = self._own
        if former is None or former.number != lost:
            return
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._enter_node()
        self._tell(LeasesLost())
        for ticket in list(self._crew):
            self._enter_again(ticket)
        self._drop(former)

    def _drop(self, former: _Entry) -> None:
        """Let go of a row whose lease is lost, and take over what is left in its name."""
        self._rescue(former, died=False)
        former.presence.release()

    def _rescue(
        self, entry: _Entry, *, died: bool, cause: str = "", own_doing: bool | None = None
    ) -> RescueReport:
        if self._own is None:
            return RescueReport()
        mate = next((mate for mate, held in self._crew.values() if held is entry), None)
        order = Rescue(
            node=entry.number,
            worker=self._worker_name + str(os.getpid() if mate is None else mate.pid),
            rescuer=self._own.number,
            died=died,
            cause=cause,
            own_doing=own_doing,
        )
        total = RescueReport()
        while True:
            report = self._open().write(lambda: rescue(order))
            total = total + report
            if not report.more:
                break
        if total.returned or total.cleared:
            self._store.announce()
        return total

    def _set_aside(self, tasks: tuple[str, ...]) -> None:
        queues = self._service.queues
        self._tell(SetAside(self._in_batches(lambda: set_aside(_LAST_IN_LANE, tasks, queues))))

    def _bring_back(self, task: str) -> None:
        if self._in_batches(lambda: bring_back(task)):
            self._store.announce()

    def _in_batches(self, make: Callable[[], Plan[int]]) -> int:
        """Run a plan that moves a batch until one is not full; how many it moved."""
        moved, batch = 0, SUSPECT_BATCH
        while batch >= SUSPECT_BATCH and not self._leaving.is_set():
            batch = self._open().write(make)
            moved += batch
        return moved

    def _hear(self, pulse: Pulse) -> None:
        """Called from the heartbeat's thread."""
        self._tell(Renewed(pulse))
        self._orders.put(lambda: self._miss(pulse.family))

    def _miss(self, family: frozenset[int]) -> None:
        """Workers whose row somebody else has ended get another one."""
        newest = max(family, default=0)
        for ticket, (_, entry) in list(self._crew.items()):
            if entry.number < newest and entry.number not in family:
                self._enter_again(ticket)

    def _leave(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        try:
            if self._session is not None and self._own is not None:
                number = self._own.number
                self._session.write(lambda: leave(number))
                self._own.presence.release()
        except StoreError as error:
            self._tell(Trouble(str(error), 0.0))
        finally:
            if self._session is not None:
                self._session.close()
            self._store.close()
