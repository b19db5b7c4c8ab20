"""What a dialect must offer beyond plans: transactions, liveness and wake-up.

The worker and the producers are written against these protocols; SQLite is the
first dialect.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Protocol, TypeVar

from jobhost.jobs.keys import Accepted
from jobhost.jobs.records import Ended
from jobhost.store.checkup import Finding
from jobhost.store.plan import Plan
from jobhost.store.plans.enqueue import Batch
from jobhost.store.plans.hot import HotPlans

T = TypeVar("T")


class Ring(IntFlag):
    """What another process has rung for."""

    SILENCE = 0
    READY = 1
    """There are new jobs to claim."""
    DUE = 2
    """A scheduled job may be due earlier than was known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a worker looks at the store by itself. Where a look costs a journey, heartbeats
    tell what there is to do, and looks without an occasion are a last net.

    Args:
        poll_seconds: Between looks for jobs to claim, unless the worker's settings say other.
        stage_seconds: Between passes of the stager.
        lease_look_seconds: Between looks at the leases of others; None: as often as a heartbeat.
    """

    poll_seconds: float
    stage_seconds: float
    lease_look_seconds: float | None = None


class Session(Protocol):
    """One connection in the hands of one owner, such as a thread of a worker."""

    @property
    def hot(self) -> HotPlans:
        """The dialect's own way to accept, record and claim."""
        ...

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction and wait until it is durable.

        Raises StoreRefusedData when the store refuses a value: nothing was written, and a batch
        may be repeated in parts. An attempt (job and epoch) may end once in a batch.
        """
        ...

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads, in one consistent snapshot."""
        ...

    def tidy(self) -> None:
        """Give back some of the room that deleted jobs have left, where nobody else does that.
        Short enough to come between other things. Raises StoreError."""
        ...

    def hurry(self, seconds: float) -> None:
        """No wait for the store is longer than this from now on, one that is going on included:
        it ends in StoreBusy. From any thread, and from a signal handler."""
        ...

    def close(self) -> None:
        """Close the connection. Idempotent."""
        ...


class Bell(Protocol):
    """How a sleeping worker is woken. It is a hint: nothing is lost when it does not ring."""

    def wait(self, timeout_seconds: float) -> Ring:
        """Sleep until somebody rings or the time is over; for what another process rang."""
        ...

    def ring(self) -> None:
        """Wake the sleeper from another thread of this process."""
        ...

    def close(self) -> None:
        """Stop listening. Idempotent."""
        ...


class Presence(Protocol):
    """Proof that a node's process lives, held until it dies or lets go."""

    def release(self) -> None:
        """Let go: from now on the node counts as gone. Idempotent."""
        ...


class Store(Protocol):
    """A place where jobs live. Opened lazily, safe to use from many threads."""

    @property
    def pace(self) -> Pace:
        """How often a worker looks at it by itself."""
        ...

    @property
    def url(self) -> str:
        """Its address, without secrets."""
        ...

    @property
    def hot(self) -> HotPlans:
        """The dialect's own way to accept, record and claim."""
        ...

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction on the process's own connection."""
        ...

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads."""
        ...

    async def write_async(self, make: Callable[[], Plan[T]]) -> T:
        """`write` for a caller on an event loop."""
        ...

    async def read_async(self, make: Callable[[], Plan[T]]) -> T:
        """`read` for a caller on an event loop."""
        ...

    def enqueue_within(self, connection: object, batches: Sequence[Batch]) -> Sequence[Accepted]:
        """Accept jobs inside the transaction of the caller's own connection: they exist, and
        workers are woken, if and only if the caller commits.

        Returns for each call of a batch with keys its job; nothing for jobs without.
        Raises UsageError for a connection on which that cannot be done; StoreError after a
        failed statement, which has spoilt the caller's transaction.
        """
        ...

    async def enqueue_within_async(
        self, connection: object, batches: Sequence[Batch]
    ) -> Sequence[Accepted]:
        """`enqueue_within` on an asynchronous connection."""
        ...

    def completing(
        self, finish: Callable[[], Ended], *, lease_seconds: float
    ) -> AbstractContextManager[Any]:
        """A transaction on a connection of the driver, with which a job completes: at the end of
        the block comes what `finish` says, guarded, then the commit.

        Args:
            lease_seconds: Of the worker. Where others must wait meanwhile, the transaction lasts
                for a part of that at the most.

        Raises LeaseLost when the guard refuses, TransactionTooLong when it lasted too long; then,
        as after any exception, all is rolled back.
        """
        ...

    def completing_async(
        self, finish: Callable[[], Ended], *, lease_seconds: float
    ) -> AbstractAsyncContextManager[Any]:
        """`completing` for a task on an event loop, which does not wait for the store there."""
        ...

    def session(self, *, apart: bool = True) -> Session:
        """A way to the store for one owner: `apart` from all else in this process, as a heartbeat
        needs it, or sharing a connection with it where connections are dear."""
        ...

    def migrate(self) -> list[str]:
        """Bring the schema to this version under a lock; names of the migrations applied."""
        ...

    def checkup(self) -> list[Finding]:
        """Look for what is wrong with it, or soon will be; nothing is changed, and no schema is
        needed. Raises StoreError when it cannot be reached at all."""
        ...

    def announce(self, *, due: bool = False) -> None:
        """Wake workers that sleep, after work was committed; or, `due`, after something that is
        due earlier than they know. Never raises."""
        ...

    def listen(self, node: str) -> Bell:
        """The bell of this node."""
        ...

    def attend(self, node: str) -> Presence:
        """Hold proof that this node lives."""
        ...

    def dead_nodes(self) -> list[str]:
        """Ids of nodes whose process is proven to be gone, found without asking the store."""
        ...

    def forget_node(self, node: str) -> None:
        """Clear away what a rescued node left beside the store."""
        ...

    def hurry_opening(self, seconds: float) -> None:
        """Whoever opens this store just now, by its first use in this process, waits for it no
        longer than this. From any thread, and from a signal handler."""
        ...

    def is_held_up_by(self, pid: int) -> bool:
        """Whether this process of this machine holds what every writer has to wait for, as far as
        that can be told without waiting."""
        ...

    def close(self) -> None:
        """Close all connections. Idempotent; the store opens again when used."""
        ...
