"""What a dialect must offer beyond plans: transactions, liveness and wake-up.

The worker and the producers are written against these protocols; SQLite is the
first dialect.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from jobhost.store.plan import Plan

T = TypeVar("T")


class Session(Protocol):
    """One connection in the hands of one owner, such as a thread of a worker."""

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction and wait until it is durable."""
        ...

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads, in one consistent snapshot."""
        ...

    def close(self) -> None:
        """Close the connection. Idempotent."""
        ...


class Bell(Protocol):
    """How a sleeping worker is woken. It is a hint: nothing is lost when it does not ring."""

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until somebody rings or the time is over; whether another process rang."""
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
    def url(self) -> str:
        """Its address, without secrets."""
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

    def session(self) -> Session:
        """A connection of its own, for one owner."""
        ...

    def migrate(self) -> list[str]:
        """Bring the schema to this version under a lock; names of the migrations applied."""
        ...

    def announce(self) -> None:
        """Wake workers that sleep, after work was committed. Never raises."""
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

    def close(self) -> None:
        """Close all connections. Idempotent; the store opens again when used."""
        ...
