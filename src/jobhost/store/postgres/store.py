"""The store in a PostgreSQL schema: one connection for the process and its worker, a second one
for a worker's heartbeat."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing
from pathlib import Path
from typing import Any, Final, TypeVar

from jobhost.clock import Clock, SystemClock
from jobhost.errors import SchemaMismatch, StoreError
from jobhost.jobs.keys import Accepted
from jobhost.jobs.records import Ended
from jobhost.store import presence
from jobhost.store.checkup import Finding
from jobhost.store.plan import Plan, Statement, run
from jobhost.store.plans.enqueue import Batch
from jobhost.store.plans.hot import HotPlans
from jobhost.store.postgres import schema
from jobhost.store.postgres.bell import NotifyBell, listen_to
from jobhost.store.postgres.callers import Callers
from jobhost.store.postgres.checkup import checkup
from jobhost.store.postgres.completion import Completions
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.hot import hot_plans
from jobhost.store.postgres.shared import SharedConnection
from jobhost.store.postgres.target import Target, read_target
from jobhost.store.seam import Pace
from jobhost.store.side_thread import SideThread

T = TypeVar("T")

_NET_SECONDS: Final = 300.0
"""Between looks that nothing has asked for: the last net."""


class PostgresStore:
    """A store in one schema of a database; see `seam.Store` for the methods' contracts.

    Opened by its first use. After a fork the child opens connections of its own.

    Args:
        url: `postgresql://user:password@host:port/database`, with `?schema=NAME` (default
            `jobhost`) and `&pooler=transaction` behind a pooler; all else is libpq's.
        clock: The store's clock; the server's, unless it is one that is moved by hand.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._target = read_target(url, clock)
        self._hot = hot_plans()
        self._proofs: Path | None = None
        self._process = _Process(self._target)
        self._callers = Callers(self._target, self)

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return self._target.url

    @property
    def target(self) -> Target:
        """Where and how it connects."""
        return self._target

    @property
    def pace(self) -> Pace:
        """Seldom, since heartbeats tell what there is to do; behind a pooler nobody rings."""
        if self._target.pooled:
            return Pace(poll_seconds=1.0, stage_seconds=5.0, lease_look_seconds=_NET_SECONDS)
        return Pace(
            poll_seconds=_NET_SECONDS, stage_seconds=_NET_SECONDS, lease_look_seconds=_NET_SECONDS
        )

    @property
    def hot(self) -> HotPlans:
        """One statement each."""
        return self._hot

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction on the process's own connection."""
        return run(self._ready().connection, make)

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads."""
        return run(self._ready().connection.reading(), make)

    async def write_async(self, make: Callable[[], Plan[T]]) -> T:
        """`write` for a caller on an event loop: the whole plan in one hop to a thread."""
        process = self._current()
        return await process.side_thread.hop(lambda: self.write(make))

    async def read_async(self, make: Callable[[], Plan[T]]) -> T:
        """`read` for a caller on an event loop: the whole plan in one hop to a thread."""
        process = self._current()
        return await process.side_thread.hop(lambda: self.read(make))

    def enqueue_within(self, connection: object, batches: Sequence[Batch]) -> Sequence[Accepted]:
        """Accept jobs inside the transaction of the caller's own connection."""
        return self._callers.enqueue(connection, batches)

    async def enqueue_within_async(
        self, connection: object, batches: Sequence[Batch]
    ) -> Sequence[Accepted]:
        """`enqueue_within` on an asynchronous connection."""
        return await self._callers.enqueue_async(connection, batches)

    def completing(
        self, finish: Callable[[], Ended], *, lease_seconds: float
    ) -> AbstractContextManager[Any]:
        """A transaction on a connection of its own, with which a job completes."""
        return self._current().completions.completing(finish)

    def completing_async(
        self, finish: Callable[[], Ended], *, lease_seconds: float
    ) -> AbstractAsyncContextManager[Any]:
        """`completing` on an asynchronous connection."""
        return self._current().completions.completing_async(finish)

    def session(self, *, apart: bool = True) -> "PostgresSession":
        """A way to the store for one owner; `apart` with a connection of its own, as a heartbeat
        needs it, else with the process's."""
        process = self._ready()
        if apart:
            return PostgresSession(PostgresConnection(self._target), owned=True)
        return PostgresSession(process.connection, owned=False)

    def migrate(self) -> list[str]:
        """Make the schema if need be and bring it to this release."""
        with closing(PostgresConnection(self._target)) as connection:
            return schema.migrate(connection)

    def checkup(self) -> list[Finding]:
        """Look for what is wrong with server, login, tables and jobs."""
        with closing(PostgresConnection(self._target)) as connection:
            return checkup(connection, self._target.clock or SystemClock())

    def announce(self, *, due: bool = False) -> None:
        """Wake all workers."""
        try:
            self.write(lambda: _announce("due" if due else ""))
        except StoreError:
            return  # it is a hint

    def listen(self, node: str) -> NotifyBell:
        """The bell of this process's worker."""
        connection = self._ready().connection
        if not self._target.pooled:
            connection.listen(listen_to(self._target.schema))
        return NotifyBell(connection)

    def attend(self, node: str) -> presence.LockedFile:
        """Hold proof towards the others on this machine that this node lives."""
        self._proofs = None  # the system may have removed the place that it had given
        return presence.attend_in(self._folder(), node)

    def dead_nodes(self) -> list[str]:
        """Nodes of this machine whose process is proven to be gone."""
        folder = self._folder()
        return presence.dead_nodes(folder) if presence.is_private(folder) else []

    def forget_node(self, node: str) -> None:
        """Remove the files of a node that was rescued."""
        presence.forget(self._folder(), node)

    def hurry_opening(self, seconds: float) -> None:
        """Have the look at the schema that is going on, if one is, wait no longer than this."""
        if (look := self._current().schema_look) is not None:
            look.hurry(seconds)

    def is_held_up_by(self, pid: int) -> bool:
        """Nobody can: the server ends a transaction that stands still, and others pass by what it
        has locked."""
        return False

    def close(self) -> None:
        """Close all connections of this process."""
        self._current().close()
        self._process = _Process(self._target)

    def _current(self) -> "_Process":
        """In a forked child: leave the parent's connections alone, and begin with own ones. The
        driver says nothing on a connection inherited through a fork when it is collected."""
        if self._process.pid != os.getpid():
            self._process = _Process(self._target)
        return self._process

    def _ready(self) -> "_Process":
        process = self._current()
        if not process.schema_is_current:
            with process.schema_lock:
                if not process.schema_is_current:
                    self._check_schema(process)
                    process.schema_is_current = True
        return process

    def _check_schema(self, process: "_Process") -> None:
        """A schema that is older, or not there, is not made by the way: on a server that is a
        decision, and needs rights that a worker should not have."""
        with closing(PostgresConnection(self._target)) as connection:
            process.schema_look = connection
            try:
                applied = run(connection.reading(), _applied)
            except SchemaMismatch:
                applied = 0
            finally:
                process.schema_look = None
        schema.refuse_newer(applied)
        if applied < schema.newest():
            raise SchemaMismatch(
                f"{self._target.place} has no current jobhost schema {self._target.schema!r}: run "
                "'jobhost migrate' as its owner"
            )

    def _folder(self) -> Path:
        """Where the workers of this user and machine keep their proof of life for this store."""
        if self._proofs is None:
            key = hashlib.sha256(self._target.url.encode()).hexdigest()[:16]
            self._proofs = presence.users_folder() / key
        return self._proofs


class _Process:
    """What a store holds open in one process; a fork begins with a new one."""

    def __init__(self, target: Target) -> None:
        self.pid = os.getpid()
        self.connection = SharedConnection(target)
        self.completions = Completions(target)
        self.schema_lock = threading.Lock()
        self.schema_is_current = False
        self.schema_look: PostgresConnection | None = None
        self.side_thread = SideThread()

    def close(self) -> None:
        """Close everything."""
        self.side_thread.close()
        self.completions.close()
        self.connection.close()


class PostgresSession:
    """A way to the store for one owner; see `seam.Session`."""

    def __init__(self, connection: PostgresConnection | SharedConnection, *, owned: bool) -> None:
        self._connection = connection
        self._owned = owned
        self._hot = hot_plans()

    @property
    def hot(self) -> HotPlans:
        """One statement each; with hints of this owner."""
        return self._hot

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction."""
        return run(self._connection, make)

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads."""
        return run(self._connection.reading(), make)

    def hurry(self, seconds: float) -> None:
        """No wait for the store is longer than this from now on."""
        self._connection.hurry(seconds)

    def tidy(self) -> None:
        """Nothing to do: autovacuum frees the room that deleted jobs have left, for new ones."""

    def close(self) -> None:
        """Close the connection, if it is this owner's; else leave it as it was."""
        if self._owned:
            self._connection.close()
        else:
            self._connection.relax()


def _announce(why: str) -> Plan[None]:
    yield Statement("announce", {"why": why}, alone=True)


def _applied() -> Plan[int]:
    found = yield Statement("applied_migrations")
    return max((number for number, _ in found.rows), default=0)
