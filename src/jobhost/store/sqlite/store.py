"""The store in one SQLite file: connections opened lazily, one writing and one reading
for the whole process, more for owners of their own such as a worker's threads."""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

from jobhost.clock import Clock
from jobhost.errors import SchemaMismatch, StoreDamaged, StoreGone, StoreUnavailable
from jobhost.jobs.keys import Accepted
from jobhost.jobs.records import Ended
from jobhost.store import presence
from jobhost.store.checkup import Finding
from jobhost.store.plan import Plan, run, run_async
from jobhost.store.plans.enqueue import Batch
from jobhost.store.plans.hot import STEP_BY_STEP, HotPlans
from jobhost.store.seam import Pace
from jobhost.store.side_thread import SideThread
from jobhost.store.sqlite import schema
from jobhost.store.sqlite.bell import Ringer, SocketBell
from jobhost.store.sqlite.callers import Callers, driver
from jobhost.store.sqlite.checkup import checkup
from jobhost.store.sqlite.completion import Completions
from jobhost.store.sqlite.connection import SqliteConnection, Target, file_at
from jobhost.store.sqlite.forks import FileId
from jobhost.store.sqlite.holders import is_in_turnstile
from jobhost.store.sqlite.hot import Claims
from jobhost.store.sqlite.room import give_back
from jobhost.store.sqlite.shared import SharedConnection
from jobhost.store.sqlite.task_connection import TaskConnection
from jobhost.store.sqlite.turnstile import Turnstiles

T = TypeVar("T")

OLDEST_SQLITE: Final = (3, 35, 0)
"""The first with RETURNING."""

BUSY_SECONDS: Final = 15.0
"""Longest wait for others, in the queue and for a stranger's lock together: far above any of our
transactions, below the patience of a web server."""


class SqliteStore:
    """A store in one file; see `seam.Store` for the methods' contracts.

    Opened by its first use. After a fork the child opens connections of its own.

    Args:
        path: The database file; created with its schema by the first write.
        clock: The store's clock.
        synchronous: "FULL" (default) or "NORMAL", which is faster for single enqueues and
            may lose the last commits at a power cut, though not at a crash of the process.
    """

    def __init__(self, path: Path, clock: Clock, *, synchronous: str = "FULL") -> None:
        self._path = path.absolute()
        self._folder = self._path.with_name(self._path.name + "-run")
        self._target = Target(
            path=self._path,
            folder=self._folder,
            synchronous=synchronous,
            busy_seconds=BUSY_SECONDS,
            clock=clock,
        )
        self._process = self._new_process()

    @property
    def url(self) -> str:
        """Its address; read by `open_store` it leads back here."""
        path = str(self._path)
        for sign in "%?#":  # what an address would take for its own
            path = path.replace(sign, quote(sign))
        return f"sqlite:///{path}"

    @property
    def target(self) -> Target:
        """Where and how it connects."""
        return self._target

    @property
    def pace(self) -> Pace:
        """Often: a look costs no journey here."""
        return Pace(poll_seconds=1.0, stage_seconds=1.0)

    @property
    def hot(self) -> HotPlans:
        """Step by step: a statement costs no journey here."""
        return STEP_BY_STEP

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction on the process's own connection."""
        self._notice_fork()
        self._process.completions.refuse_within()
        return run(self._process.writer, make)

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads."""
        self._notice_fork()
        return run(self._process.reader, make)

    async def write_async(self, make: Callable[[], Plan[T]]) -> T:
        """`write` for a caller on an event loop: the whole plan in one hop to a thread."""
        self._notice_fork()
        self._process.completions.refuse_within()
        return await run_async(self._process.writer, make, self._process.side_thread.hop)

    async def read_async(self, make: Callable[[], Plan[T]]) -> T:
        """`read` for a caller on an event loop: the whole plan in one hop to a thread."""
        self._notice_fork()
        return await run_async(self._process.reader, make, self._process.side_thread.hop)

    def enqueue_within(self, connection: object, batches: Sequence[Batch]) -> Sequence[Accepted]:
        """Accept jobs inside the transaction of a caller's own connection.

        The bells are rung before the commit: the caller holds SQLite's lock until then, so that a
        worker that wakes up waits for it, and looks right after it.
        """
        self._notice_fork()
        raw = driver(connection)
        if not isinstance(raw, TaskConnection):
            self._process.completions.refuse_within()
        accepted = self._process.callers.enqueue(raw, self._known_file(), batches)
        if batches:
            self.announce()
        return accepted

    async def enqueue_within_async(
        self, connection: object, batches: Sequence[Batch]
    ) -> Sequence[Accepted]:
        """`enqueue_within` at once and in the caller's thread, to which the connection belongs."""
        return self.enqueue_within(connection, batches)

    def completing(
        self, finish: Callable[[], Ended], *, lease_seconds: float
    ) -> AbstractContextManager[Any]:
        """A transaction on a connection of its own, with which a job completes. It holds the turn
        to write."""
        self._notice_fork()
        completions = self._process.completions
        return completions.completing(finish, self._known_file(), lease_seconds=lease_seconds)

    def completing_async(
        self, finish: Callable[[], Ended], *, lease_seconds: float
    ) -> AbstractAsyncContextManager[Any]:
        """`completing`, where turn and commit are waited for in threads; the statements on the
        connection are those of sqlite3 itself."""
        self._notice_fork()
        completions = self._process.completions
        return completions.completing_async(finish, self._known_file(), lease_seconds=lease_seconds)

    def session(self, *, apart: bool = True) -> "SqliteSession":
        """A connection of its own, for one owner: they cost little here."""
        return SqliteSession(self._connect(writes=True))

    def migrate(self) -> list[str]:
        """Create the file if need be and bring its schema to this release."""
        _refuse_old_sqlite()
        if self._path.exists():
            self._applied()
        self._create_file()
        connection = SqliteConnection(self._target, writes=True)
        try:
            return schema.migrate(connection)
        finally:
            connection.close()

    def checkup(self) -> list[Finding]:
        """Look for what is wrong with the file, its place and its jobs."""
        if not self._path.exists():
            raise self._no_store()
        if not self._path.is_file():
            raise StoreDamaged(
                f"{self._path} is no file that can hold a store; choose another path"
            )
        _refuse_old_sqlite()
        return checkup(self._target)

    def announce(self, *, due: bool = False) -> None:
        """Ring the bells of all workers."""
        self._notice_fork()
        self._process.ringer.ring_all()

    def listen(self, node: str) -> SocketBell:
        """The bell of this node."""
        return SocketBell(self._folder, node)

    def attend(self, node: str) -> presence.LockedFile:
        """Hold proof that this node lives."""
        return presence.LockedFile(self._folder, node)

    def dead_nodes(self) -> list[str]:
        """Nodes whose process is proven to be gone."""
        return presence.dead_nodes(self._folder)

    def forget_node(self, node: str) -> None:
        """Remove the files of a node that was rescued."""
        presence.forget(self._folder, node)

    def hurry_opening(self, seconds: float) -> None:
        """A file is there at once."""

    def is_held_up_by(self, pid: int) -> bool:
        """Whether this process is in the turnstile."""
        return is_in_turnstile(pid, self._folder)

    def close(self) -> None:
        """Close all connections of this process."""
        self._notice_fork()
        self._process.close()
        self._process = self._new_process()

    def _new_process(self) -> "_Process":
        return _Process(self._target, self._connect)

    def _notice_fork(self) -> None:
        """In a forked child: leave the parent's connections alone, and begin with own ones."""
        if self._process.pid != os.getpid():
            self._process.abandon()
            self._process = self._new_process()

    def _connect(self, *, writes: bool) -> SqliteConnection:
        process = self._process
        with process.schema_lock:
            if process.file is None:
                self._ensure_schema(create=writes)
                process.file = file_at(self._path)
            elif writes and file_at(self._path) == process.file:
                self._make_folder()  # a reader that came first has not made it
        return SqliteConnection(self._target, writes=writes, file=process.file)

    def _known_file(self) -> FileId:
        """The store's file, for those who write to it on connections of others: it must be there,
        and its schema current, since their transactions cannot wait for a migration. Raises
        StoreError."""
        process = self._process
        with process.schema_lock:
            if process.file is None:
                self._ensure_schema(create=False)
                process.file = file_at(self._path)
            if process.file is None or file_at(self._path) != process.file:
                raise StoreGone(
                    f"{self._path} is not the file any more that this process has used: put the "
                    "right file there, and start the process again"
                )
            self._make_folder()
            return process.file

    def _ensure_schema(self, *, create: bool) -> None:
        if not self._path.exists():
            if not create:
                raise self._no_store()
            self.migrate()
            return
        _refuse_old_sqlite()
        if schema.newest() not in self._applied():
            if not create:
                raise SchemaMismatch(
                    f"{self._path} has no current jobhost schema: run 'jobhost migrate', or call "
                    "host.migrate() first"
                )
            self.migrate()
        elif create:
            self._make_folder()

    def _no_store(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"there is no store at {self._path}: check the address, or make one with "
            "'jobhost migrate'"
        )

    def _applied(self) -> set[int]:
        """The migrations in the file. This comes before anything is made or changed: the file
        may belong to another program, or be no database."""
        connection = SqliteConnection(self._target, writes=False)
        try:
            return schema.applied(connection)
        finally:
            connection.close()

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"{self._folder}, the folder of the store's locks, cannot be made: "
                f"{error.strerror}; check what stands there and the rights of its parent"
            ) from error

    def _create_file(self) -> None:
        if not self._path.parent.is_dir():
            raise StoreUnavailable(
                f"the folder {self._path.parent} does not exist: create it, or change the address"
            )
        self._make_folder()
        try:
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreUnavailable(
                f"{self._path} cannot be created: {error.strerror}; check the folder's rights"
            ) from error
        connection = SqliteConnection(self._target, writes=True)
        try:
            connection.use_wal()
        finally:
            connection.close()


class _Process:
    """What a store holds open in one process; a fork begins with a new one."""

    def __init__(self, target: Target, connect: "_Connect") -> None:
        self.pid = os.getpid()
        self.turnstiles = Turnstiles(target.folder)
        self.callers = Callers(target, self.turnstiles)
        self.completions = Completions(target, self.turnstiles)
        self.writer = SharedConnection(lambda: connect(writes=True))
        self.reader = SharedConnection(lambda: connect(writes=False))
        self.ringer = Ringer(target.folder)
        self.schema_lock = threading.Lock()
        self.file: FileId | None = None  # the one whose schema is known to be current
        self.side_thread = SideThread()

    def close(self) -> None:
        """Close everything."""
        self.side_thread.close()
        self.completions.close()
        self.turnstiles.close()
        self.reader.close()
        self.writer.close()
        self.ringer.close()

    def abandon(self) -> None:
        """Forget everything without closing it: it is the parent's."""
        self.writer.abandon()
        self.reader.abandon()


class _Connect(Protocol):
    def __call__(self, *, writes: bool) -> SqliteConnection: ...


class SqliteSession:
    """A connection with one owner; see `seam.Session`."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._claims = Claims()
        self._hot = self._claims.plans()

    @property
    def hot(self) -> HotPlans:
        """Step by step: a statement costs no journey here. Claims remember how far they looked."""
        return self._hot

    def write(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan in a writing transaction."""
        try:
            return run(self._connection, make)
        except BaseException:
            self._claims.forget()
            raise

    def read(self, make: Callable[[], Plan[T]]) -> T:
        """Run a plan that only reads, without waiting for a turn to write."""
        return run(self._connection.reading(), make)

    def hurry(self, seconds: float) -> None:
        """No wait of this connection is longer any more, one that is going on included."""
        self._connection.hurry(seconds)

    def tidy(self) -> None:
        """Give back some of the room that deleted jobs have left."""
        self.write(give_back)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreUnavailable(
            f"jobhost needs SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer, this Python has "
            f"{sqlite3.sqlite_version}: use a newer Python"
        )
