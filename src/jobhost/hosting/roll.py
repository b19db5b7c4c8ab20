"""The roll of a node: the rows that stand for it and its workers in the store, each with its proof
of life.

Belongs to the thread of the registrar. What fails in the store is raised, and may be repeated.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from jobhost.clock import microseconds
from jobhost.errors import StoreUnavailable
from jobhost.hosting.access import Access
from jobhost.hosting.exits import Death
from jobhost.hosting.facts import Crewmate, Entered, Fact, HandedBack, Service
from jobhost.store.plans.nodes import Kind, NewNode, Rescue, RescueReport, leave, register
from jobhost.store.seam import Presence
from jobhost.version import VERSION
from jobhost.worker.rescuer import rescue_all
from jobhost.worker.vitals import if_told, tell_of

_LOST: Final = "lost its lease"


@dataclass(slots=True)
class Entry:
    """One row among the nodes, with its proof of life, and the process that it stands for."""

    number: int
    id: str
    pid: int
    presence: Presence


class Roll:
    """Args:
        access: The way to the store.
        service: What the node serves.
        lease_seconds: Of a new row.
        tell: Takes facts.
        vitals: JSON about memory and load, for the row of the node.

    `own` is the row of the node itself, once it was entered.
    """

    def __init__(
        self,
        access: Access,
        service: Service,
        *,
        lease_seconds: float,
        tell: Callable[[Fact], None],
        vitals: Callable[[], str | None],
    ) -> None:
        self._access = access
        self._service = service
        self._lease_seconds = lease_seconds
        self._tell = tell
        self._vitals = vitals
        self._crew: dict[int, tuple[Crewmate, Entry]] = {}
        self._former: list[Entry] = []
        self._worker_name = f"{socket.gethostname()}:"
        self.own: Entry | None = None

    def enter_node(self) -> int:
        """Enter the node itself, anew if it has a row that was lost; its number."""
        former, self.own = self.own, self._new_entry(Kind.NODE, os.getpid(), 0)
        if former is not None:
            self._former.append(former)
        return self.own.number

    def enter(self, mate: Crewmate) -> None:
        """Enter a worker; Entered is told."""
        entry = self._new_entry(mate.kind, mate.pid, mate.slots)
        self._crew[mate.ticket] = (mate, entry)
        self._tell(Entered(mate.ticket, entry.number, entry.id))

    def enter_again(self, ticket: int, number: int) -> None:
        """Only once for each number that was lost, however many have noticed."""
        if ticket not in self._crew or self._crew[ticket][1].number != number:
            return
        mate, former = self._crew[ticket]
        self.enter(mate)
        self._former.append(former)
        self.drop_former()

    def members(self) -> list[tuple[int, int]]:
        """Ticket and number of each worker."""
        return [(ticket, entry.number) for ticket, (_, entry) in self._crew.items()]

    def end(self, ticket: int, death: Death | None) -> bool:
        """End the row of a worker and take over what it held; HandedBack is told. False: the node
        has lost its own lease; it may once it was entered anew."""
        if ticket not in self._crew:
            return True  # the node is leaving, and the store was not there to enter it
        _, entry = self._crew[ticket]
        cause = "stopped" if death is None else death.cause
        report = self._rescue(
            entry, died=True, cause=cause, own_doing=death is not None and death.own_doing
        )
        if report.refused:
            return False
        del self._crew[ticket]
        entry.presence.release()
        self._access.store.forget_node(entry.id)
        self._tell(HandedBack(ticket, report))
        return True

    def drop_former(self) -> None:
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

    def miss(self, family: frozenset[int]) -> None:
        """Workers whose row somebody else has ended get another one. Rows that nobody knows end: an
        answer of the store was lost when they were made.

        Args:
            family: Numbers of the rows that a heartbeat has renewed, the node's own included.
        """
        self.drop_former()
        newest = max(family, default=0)
        for ticket, number in self.members():
            if number < newest and number not in family:
                self.enter_again(ticket, number)
        if self.own is None:
            return
        known = {self.own.number, *(number for _, number in self.members())}
        for number in family - known:
            self._carry_out(
                Rescue(
                    node=number,
                    worker=f"{self._worker_name}?",
                    rescuer=self.own.number,
                    died=True,
                    cause=_LOST,
                    own_doing=False,
                )
            )

    def leave(self) -> None:
        """End the node's own row."""
        if self.own is not None:
            number = self.own.number
            self._access.session().write(lambda: leave(number))
            self.own.presence.release()

    def _new_entry(self, kind: Kind, pid: int, slots: int) -> Entry:
        session, entry_id = self._access.session(), uuid4().hex
        try:
            presence = self._access.store.attend(entry_id)
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
            supervisor=None if kind is Kind.NODE or self.own is None else self.own.number,
            # Of a worker the next heartbeat of the node tells more, and is believed.
            vitals=if_told(self._vitals if kind is Kind.NODE else lambda: tell_of(pid)),
        )
        try:
            number = session.write(lambda: register(new))
        except BaseException:
            presence.release()
            raise
        return Entry(number, entry_id, pid, presence)

    def _rescue(
        self, entry: Entry, *, died: bool, cause: str = "", own_doing: bool | None = None
    ) -> RescueReport:
        if self.own is None:
            return RescueReport()
        order = Rescue(
            node=entry.number,
            worker=self._worker_name + str(entry.pid),
            rescuer=self.own.number,
            died=died,
            cause=cause,
            own_doing=own_doing,
        )
        return self._carry_out(order)

    def _carry_out(self, order: Rescue) -> RescueReport:
        total = rescue_all(self._access.session(), order)
        if total.returned or total.cleared:
            self._access.store.announce()
        return total
