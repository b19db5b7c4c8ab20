"""A worker's place among the nodes: its number, its proof of life, its bell and its lease."""

import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from jobhost.clock import microseconds
from jobhost.events import Events, WorkerStarted
from jobhost.store.plans.nodes import NewNode, News, Pulse, leave, register
from jobhost.store.seam import Bell, Session, Store
from jobhost.version import VERSION
from jobhost.worker.heartbeat import Heartbeat
from jobhost.worker.vitals import if_told, tell_own


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a worker tells the others of itself.

    Args:
        slots: Jobs at a time.
        queues: Names of those that it serves.
        tasks: Names of those that it knows.
        lease_seconds: How long it counts as living without a heartbeat.
    """

    slots: int
    queues: Sequence[str]
    tasks: Sequence[str]
    lease_seconds: float


class Member(Protocol):
    """What the store thread needs of a registration.

    What other threads learn is left here as a note, and the bell rung: `lost` is set once the lease
    has ended, `drain_wanted` once somebody wants this worker to stop, `suspects` while jobs wait to
    run alone that no node takes care of.
    """

    number: int
    name: str
    bell: Bell
    lost: bool
    drain_wanted: bool
    suspects: bool

    @property
    def left_out(self) -> Collection[str]:
        """Tasks that this worker must not claim."""
        ...

    @property
    def may_hand_back(self) -> bool:
        """Whether this worker, which was asked to stop, hands back itself what has not ended."""
        ...

    def began(self) -> None:
        """A turn was taken, and the next one may claim. Repeating is harmless."""
        ...

    def lose(self) -> None:
        """The lease has ended: leave a note of it. From any thread."""
        ...

    def take_news(self) -> News | None:
        """What the last heartbeat has told, once."""
        ...

    def report_rates(self, told: Callable[[], Mapping[str, Any]]) -> None:
        """Heartbeats tell these rates from now on; called from another thread."""
        ...

    def leave(self) -> None:
        """End it: nothing is held any more. Raises StoreError; then the lease runs out."""
        ...

    def drop(self, *, ended: bool = True) -> None:
        """Let go of what this process holds for it; `ended` says that the store knows its end."""
        ...


class Membership:
    """One registration, from entering to leaving. After a lost lease a new one is made.

    Args:
        store: The store to be a node of.
        session: The store thread's connection.
        profile: What the others may know.
        events: Who hears that the worker has started.

    The notes are those of `Member`; they come from the heartbeat's thread.
    """

    left_out: Collection[str] = ()
    may_hand_back = True

    def __init__(self, store: Store, session: Session, profile: Profile, events: Events) -> None:
        self.id = uuid4().hex
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.lost = self.drain_wanted = self.suspects = False
        self._drain_heard = False
        self._news: News | None = None
        self._rates: Callable[[], Mapping[str, Any]] | None = None
        self._session = session
        self.bell = store.listen(self.id)
        self._presence = store.attend(self.id)
        try:
            self.number = self._register(profile)
        except BaseException:
            self._presence.release()
            self.bell.close()
            raise
        self._heartbeat = Heartbeat(
            store,
            self.number,
            lease_seconds=profile.lease_seconds,
            events=events,
            on_lost=self.lose,
            on_pulse=self._hear,
            vitals=self._vitals,
        )
        self._heartbeat.start()
        events.emit(
            WorkerStarted(
                node=self.number,
                worker=self.name,
                queues=tuple(profile.queues),
                slots=profile.slots,
                tasks=len(profile.tasks),
            )
        )

    def lose(self) -> None:
        """The lease has ended: leave a note of it. From any thread."""
        self.lost = True
        self.bell.ring()

    def began(self) -> None:
        """Nobody waits to hear that."""

    def take_news(self) -> News | None:
        """What the last heartbeat has told, once."""
        news, self._news = self._news, None
        return news

    def report_rates(self, told: Callable[[], Mapping[str, Any]]) -> None:
        """Heartbeats tell these rates from now on."""
        self._rates = told

    def leave(self) -> None:
        """End it: nothing is held any more. Raises StoreError; then the lease runs out."""
        self._heartbeat.stop()
        self._session.write(lambda: leave(self.number))

    def drop(self, *, ended: bool = True) -> None:
        """Let go of the bell, and of the proof of life if the node has `ended` in the store.

        If not, the kernel frees the proof with this process, and others rescue what the node
        held at once instead of waiting for its lease.
        """
        self._heartbeat.stop()
        if ended:
            self._presence.release()
        self.bell.close()

    def _register(self, profile: Profile) -> int:
        new = NewNode(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            slots=profile.slots,
            queues=profile.queues,
            tasks=profile.tasks,
            lease_us=microseconds(profile.lease_seconds),
            vitals=if_told(self._vitals),
        )
        return self._session.write(lambda: register(new))

    def _vitals(self) -> str:
        return tell_own() if self._rates is None else tell_own(rates=self._rates())

    def _hear(self, pulse: Pulse) -> None:
        """Every heartbeat tells of a drain again: the note of it is left once."""
        self._news = pulse.news
        self.suspects = pulse.suspects
        drain = pulse.drain and not self._drain_heard
        if drain:
            self._drain_heard = self.drain_wanted = True
        if drain or pulse.suspects or (pulse.news is not None and pulse.news.asks):
            self.bell.ring()
