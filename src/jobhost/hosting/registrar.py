"""The node's place in the store: enters its workers, renews their leases, hands back what the dead
held.

One thread does what it is told, in order, and repeats each order until the store has taken it; so
the node itself never waits for the store. What comes of an order is told as a fact.
"""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, TypeAlias
from uuid import uuid4

from jobhost.clock import microseconds
from jobhost.errors import (
    SchemaMismatch,
    StoreBusy,
    StoreError,
    StoreGone,
    StoreUnavailable,
)
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
from jobhost.store.passing import passes
from jobhost.store.plan import Plan
from jobhost.store.plans.nodes import (
    Kind,
    LiveNode,
    NewNode,
    Pulse,
    Rescue,
    RescueReport,
    leave,
    live_nodes,
    register,
)
from jobhost.store.plans.suspects import SUSPECT_BATCH, bring_back, set_aside
from jobhost.store.seam import Presence, Session, Store
from jobhost.version import VERSION
from jobhost.worker.back_off import BackOff
from jobhost.worker.heartbeat import Heartbeat
from jobhost.worker.rescuer import rescue_all

_BACK_OFF_SECONDS: Final = (0.1, 5.0)
"""First and longest pause after a store error."""

_REFUSED_SECONDS: Final = 0.1
"""Until a hand-back that was refused is tried again, after what else is to be done."""

_LOST: Final = "lost its lease"

_LAST_IN_LANE: Final = 2**62
"""Stands for the worker of those who are set aside with their whole task, who come after those
that some death has made suspects: among these are innocents, and no worker has this number."""

STORE_SECONDS: Final = 1.5
"""Longest wait for the store once the node was asked to end; then its leases run out by
themselves."""


_Order: TypeAlias = Callable[[], None]


@dataclass(slots=True)
class _Entry:
    """One row among the nodes, with its proof of life, and the process that it stands for."""

    number: int
    id: str
    pid: int
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
        self._former: list[_Entry] = []
        self._leaving = threading.Event()
        self._worker_name = f"{socket.gethostname()}:"
        self._thread = threading.Thread(target=self._run, name="jobhost-registrar", daemon=True)

    def start(self) -> None:
        """Enter the node, and then do what is told."""
        self._orders.put(self._enter_node)
        self._orders.put(self._forgive)
        self._thread.start()

    def enter(self, mate: Crewmate) -> None:
        """Enter a worker; Entered follows."""
        self._orders.put(lambda: self._enter(mate))

    def end(self, ticket: int, death: Death | None) -> None:
        """A worker's process is gone, and all that it left: HandedBack follows. None: it ended in
        order."""
        self._orders.put(lambda: self._end(ticket, death))

    def enter_again(self, ticket: int, number: int) -> None:
        """The store does not know the lease of a worker under this number any more."""
        self._orders.put(lambda: self._enter_again(ticket, number))

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
        back_off = BackOff(*_BACK_OFF_SECONDS)
        while True:
            try:
                return order()
            except (StoreGone, SchemaMismatch):
                raise
            except StoreError as error:
                if self._own is None and not (isinstance(error, StoreBusy) or passes(error)):
                    raise
                pause = back_off.failed()
                self._tell(Trouble(str(error), pause))
                if self._leaving.wait(pause):
                    return None

    def _open(self) -> Session:
        if self._session is None:
            self._session = self._store.session()
        return self._session

    def _new_entry(self, kind: Kind, pid: int, slots: int) -> _Entry:
        session, entry_id = self._open(), uuid4().hex
        try:
            presence = self._store.attend(entry_id)
        except OSError as error:
            raise StoreUnavailable(
                f"the proof of life of this node cannot be made: {error}; check the folder"
            ) from error
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
        return _Entry(number, entry_id, pid, presence)

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
        if report.refused and not self._leaving.wait(_REFUSED_SECONDS):
            # The node itself has lost its lease: it is about to be entered anew, and then may.
            self._orders.put(lambda: self._end(ticket, death))
            return
        del self._crew[ticket]
        entry.presence.release()
        self._store.forget_node(entry.id)
        self._tell(HandedBack(ticket, report))

    def _enter_again(self, ticket: int, number: int) -> None:
        """Only once for each number that was lost, however many have noticed."""
        if ticket not in self._crew or self._crew[ticket][1].number != number:
            return
        mate, former = self._crew[ticket]
        self._enter(mate)
        self._former.append(former)
        self._drop_former()

    def _enter_all_again(self, lost: int) -> None:
        """Everything that ran on this node belongs to others now."""
        former = self._own
        if former is None or former.number != lost:
            return
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._enter_node()
        self._former.append(former)
        self._tell(LeasesLost())
        for ticket, (_, entry) in self._crew.items():
            self.enter_again(ticket, entry.number)
        self._orders.put(self._drop_former)

    def _drop_former(self) -> None:
        """Let go of rows whose lease is lost, and take over what is left in their name. One whose
        lease is live after all was renewed with the rest: it ends all the same, since its worker
        has another by now."""
        while self._former:
            former = self._former[0]
            report = self._rescue(former, died=False)
            if report.refused:
                report = self._rescue(former, died=True, cause=_LOST, own_doing=False)
            if report.refused:
                return  # without a lease of this node's own; the next heartbeat asks again
            self._former.remove(former)
            former.presence.release()

    def _rescue(
        self, entry: _Entry, *, died: bool, cause: str = "", own_doing: bool | None = None
    ) -> RescueReport:
        if self._own is None:
            return RescueReport()
        order = Rescue(
            node=entry.number,
            worker=self._worker_name + str(entry.pid),
            rescuer=self._own.number,
            died=died,
            cause=cause,
            own_doing=own_doing,
        )
        return self._carry_out(order)

    def _carry_out(self, order: Rescue) -> RescueReport:
        total = rescue_all(self._open(), order)
        if total.returned or total.cleared:
            self._store.announce()
        return total

    def _set_aside(self, tasks: tuple[str, ...]) -> None:
        queues = self._service.queues
        self._tell(SetAside(self._in_batches(lambda: set_aside(_LAST_IN_LANE, tasks, queues))))

    def _forgive(self) -> None:
        """What former nodes have set aside as a whole gets another chance if none of them lives:
        this one may have better code."""
        living = self._open().read(live_nodes)
        if any(one.kind is Kind.NODE and not one.lapsed for one in living if not self._is_own(one)):
            return
        for task in self._service.tasks:
            self._bring_back(task)

    def _is_own(self, node: LiveNode) -> bool:
        return self._own is not None and node.number == self._own.number

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
        """Workers whose row somebody else has ended get another one. Rows that nobody knows end: an
        answer of the store was lost when they were made."""
        self._drop_former()
        newest = max(family, default=0)
        for ticket, (_, entry) in list(self._crew.items()):
            if entry.number < newest and entry.number not in family:
                self._enter_again(ticket, entry.number)
        if self._own is None:
            return
        known = {self._own.number, *(entry.number for _, entry in self._crew.values())}
        for number in family - known:
            self._carry_out(
                Rescue(
                    node=number,
                    worker=f"{self._worker_name}?",
                    rescuer=self._own.number,
                    died=True,
                    cause=_LOST,
                    own_doing=False,
                )
            )

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
