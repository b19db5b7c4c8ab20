"""One connection to the file: transactions through the turnstile, statements by name."""

import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobhost.clock import Clock
from jobhost.errors import StoreError, StoreGone, StoreUnavailable
from jobhost.store.plan import Reply, Statement
from jobhost.store.sqlite.catalogue import statements
from jobhost.store.sqlite.executing import perform
from jobhost.store.sqlite.faults import DRIVER_ERRORS, is_busy, translate
from jobhost.store.sqlite.forks import FORKS, FileId
from jobhost.store.sqlite.patience import Patience, Wait
from jobhost.store.sqlite.turnstile import Turnstile

CACHE_KIB: Final = 2 * 1024
"""Page cache of one connection. The hot ends of all tables fit, and the rest is in the operating
system's cache: four times as much brought nothing in a drain, and cost a worker 6 MiB."""

CHECKPOINT_PAGES: Final = 8000
"""Pages of the WAL (32 MiB) after which a commit also moves them into the file."""

_OWN_SETTINGS: Final = (f"cache_size = -{CACHE_KIB}", "trusted_schema = OFF", "temp_store = MEMORY")
"""Of connections on which no statements run but ours."""

_STRETCH_SECONDS: Final = 0.1
"""SQLite's own wait for a locked file cannot be cut short, so it is asked to wait that often."""

_PAUSE_SECONDS: Final = 0.001
"""Pause between these waits, since SQLite refuses some of them at once."""

_CLOSING_SECONDS: Final = 0.1
"""Longest wait of a connection that closes. It closes all the same then: whoever holds the floor
has the file open, so this is not the last one, which moves the WAL into the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where and how to connect.

    Args:
        path: The database file.
        folder: The folder of locks beside it.
        synchronous: "FULL", or "NORMAL": then a power cut may lose the last commits.
        busy_seconds: Longest wait for others: for the turn to write, and for SQLite's locks.
        clock: The store's clock.
    """

    path: Path
    folder: Path
    synchronous: str
    busy_seconds: float
    clock: Clock


def file_at(path: Path) -> FileId | None:
    """Which file stands there; None when there is none. Raises StoreUnavailable if that cannot
    be told."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be looked at: {error.strerror}; check the rights of its folder"
        ) from error
    return found.st_dev, found.st_ino


class SqliteConnection:
    """A connection in the hands of one thread at a time. During a fork it is closed.

    Args:
        target: Where and how.
        writes: Whether its transactions write; those pass the turnstile.
        file: The file that must stand at the target's path; by default the one that does.
        factory: The driver's class, of a connection that is not to have the store's own settings.
        turnstile: The way in for a connection that writes; by default one of its own.
    """

    def __init__(
        self,
        target: Target,
        *,
        writes: bool,
        file: FileId | None = None,
        factory: type[sqlite3.Connection] | None = None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._target = target
        self._pid = os.getpid()
        self._factory = factory or sqlite3.Connection
        self._settings = (
            f"synchronous = {target.synchronous}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            *(() if factory else _OWN_SETTINGS),
        )
        self._in_use = threading.Lock()  # from begin to end, and during a fork
        self._user: int | None = None
        self._patience = Patience(target.busy_seconds)
        self._turnstile = (turnstile or Turnstile(target.folder)) if writes else None
        self._statements = statements()
        self._now = target.clock.now()
        self._resting = True
        self._file = file
        if file is not None:
            self._refuse_other_file()
        with FORKS.opening(self):
            self._open()

    def begin(self) -> None:
        """Open a transaction; a writing one waits for its turn first.

        Its `:now` is one instant, read when the turn has come: a lease that is live for one
        statement is so for all, and until the end nobody else can write on other grounds.
        """
        self._refuse_other_process()
        if self._turnstile is None:
            self.begin_snapshot()
            return
        wait = self._patience.wait()
        try:
            self._turnstile.enter(wait)
        except StoreUnavailable:
            self._refuse_other_file()  # the locks went with it
            raise
        try:
            self._refuse_other_file()
            self._take()
            self._execute("BEGIN IMMEDIATE", wait=wait)
            self._now = self._target.clock.now()
        except BaseException:
            self.leave()
            raise

    def execute(self, statement: Statement) -> Reply:
        """Execute one statement. Raises StoreError."""
        sql = self._statements[statement.name]
        try:
            return perform(self._execute, sql, statement, self._now)
        except DRIVER_ERRORS as error:
            raise translate(error, self._target.path) from error

    def script(self, text: str) -> None:
        """Execute the statements of a migration inside the open transaction."""
        part = ""
        for line in text.splitlines(keepends=True):
            part += line
            if sqlite3.complete_statement(part):
                self._execute(part)
                part = ""

    def look_at_clock(self) -> None:
        """From here on `:now` is this instant: for a transaction in which others had their time."""
        self._now = self._target.clock.now()

    def commit(self) -> None:
        """Make it durable, and let the next writer in."""
        self._execute("COMMIT")
        self.leave()

    def rollback(self) -> None:
        """Undo whatever is open, and let the next writer in. Never raises."""
        with suppress(sqlite3.Error):
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        self.leave()

    def use_wal(self) -> None:
        """Switch the file to a write-ahead log, which it then stays in. One that is new is made so
        that it can be shortened later; to others that changes nothing."""
        if self._turnstile is None:
            raise TypeError("only a writing connection changes the journal")
        wait = self._patience.wait()
        self._turnstile.enter(wait)
        try:
            self._take()
            self._execute("PRAGMA auto_vacuum = INCREMENTAL", wait=wait)
            self._execute("PRAGMA journal_mode = WAL", wait=wait)
        finally:
            self.leave()

    def reading(self) -> "Snapshot":
        """This connection for a plan that only reads: it does not wait for a turn."""
        return Snapshot(self)

    def begin_snapshot(self) -> None:
        """Open a transaction that reads one consistent state."""
        self._refuse_other_process()
        self._refuse_other_file()
        try:
            self._take()
            self._execute("BEGIN")
            self._now = self._target.clock.now()
        except BaseException:
            self._give()
            raise

    def end_snapshot(self) -> None:
        """Close it."""
        try:
            self._execute("COMMIT")
        finally:
            self._give()

    def hurry(self, seconds: float) -> None:
        """No wait for others is longer than this any more, one that is going on included. From
        any thread, and from a signal handler."""
        self._patience.shorten(seconds)

    def drop(self) -> None:
        """Close at once, in or out of a transaction, which is undone. Never raises."""
        FORKS.forget(self)
        with suppress(sqlite3.Error):
            self._raw.close()

    def close(self) -> None:
        """Close. The last one to close moves the WAL into the file, so it waits for its turn."""
        if self._pid != os.getpid():
            self.abandon()
            return
        entered = False
        if self._turnstile is not None:
            self._patience.shorten(_CLOSING_SECONDS)
            with suppress(StoreError):
                self._turnstile.enter(self._patience.wait())
                entered = True
        self.drop()
        if self._turnstile is not None:
            if entered:
                self._turnstile.leave()
            self._turnstile.close()

    def leave(self) -> None:
        """Let the next writer in, and a fork: the transaction has ended. Idempotent."""
        self._give()
        if self._turnstile is not None:
            self._turnstile.leave()

    def is_used_here(self) -> bool:
        """Whether its transaction is this thread's."""
        return self._user == threading.get_ident()

    def rest(self, seconds: float) -> bool:
        """Close for a fork; see `forks.Rests`."""
        if self.is_used_here() or not self._in_use.acquire(timeout=seconds):
            return False
        with suppress(sqlite3.Error):
            self._raw.close()
        self._resting = True
        return True

    def wake(self) -> None:
        """Whoever uses it next opens it again."""
        self._in_use.release()

    def abandon(self) -> None:
        """Forget a connection that was inherited through a fork.

        Even closing it here could damage the file under the parent, so the object is made
        to outlive this process.
        """
        import ctypes  # noqa: PLC0415 - only ever needed after a fork

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._raw))

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's connection, in a transaction."""
        return self._raw

    @property
    def path(self) -> Path:
        """The database file."""
        return self._target.path

    @property
    def folder(self) -> Path:
        """The folder of its turnstile."""
        return self._target.folder

    @property
    def file(self) -> FileId | None:
        """The file that it was opened on; None when that was gone at once."""
        return self._file

    @property
    def inherited(self) -> bool:
        """Whether this process got the connection through a fork."""
        return self._pid != os.getpid()

    def _take(self) -> None:
        """Keep off forks until `_give`."""
        self._in_use.acquire()
        self._user = threading.get_ident()
        if self._resting:
            self._open()

    def _give(self) -> None:
        if self._user is not None:
            self._user = None
            self._in_use.release()

    def _open(self) -> None:
        """Open the driver's connection. Raises StoreError."""
        self._raw = open_file(self._target, self._factory)
        # Looked up once it is open: some layered file systems change both numbers then.
        self._file = self._file or file_at(self._target.path)
        try:
            wait = self._patience.wait()  # while another process makes the file
            for pragma in self._settings:
                self._execute(f"PRAGMA {pragma}", wait=wait)
            FORKS.require_own_locks(self._file, self._target.path, self._raw)
        except BaseException:
            self._raw.close()
            raise
        self._resting = False

    def _refuse_other_process(self) -> None:
        if self.inherited:
            raise StoreUnavailable(
                "this connection was opened before a fork and cannot be used in the child: "
                "open the worker after forking"
            )

    def _refuse_other_file(self) -> None:
        """Nobody would ever find what is written to a file that has lost its name."""
        path = self._target.path
        if (found := file_at(path)) != self._file:
            what = "was deleted or moved away" if found is None else "was replaced by another file"
            raise StoreGone(
                f"{path} {what} while this process used it, so what was under way could not "
                "be recorded: put the right file there, and start the process again"
            )

    def _execute(
        self, sql: str, params: Mapping[str, Any] | Sequence[Any] = (), *, wait: Wait | None = None
    ) -> sqlite3.Cursor:
        """Execute, again and again while another has the file locked: such a statement has done
        nothing. Raises StoreError."""
        while True:
            try:
                return self._raw.execute(sql, params)
            except DRIVER_ERRORS as error:
                wait = wait or self._patience.wait()
                if not is_busy(error) or not wait.left:
                    raise translate(error, self._target.path) from error
                time.sleep(_PAUSE_SECONDS)


def open_file(target: Target, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
    """A connection of the driver to the file, which begins no transaction by itself. Raises
    StoreError."""
    try:
        return sqlite3.connect(
            target.path.absolute().as_uri() + "?mode=rw",
            uri=True,
            timeout=min(_STRETCH_SECONDS, target.busy_seconds),
            isolation_level=None,
            check_same_thread=False,
            factory=factory,
        )
    except sqlite3.Error as error:
        raise translate(error, target.path) from error


class Snapshot:
    """A writing connection as the runner sees it when a plan only reads."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def begin(self) -> None:
        """Open a reading transaction."""
        self._connection.begin_snapshot()

    def execute(self, statement: Statement) -> Reply:
        """Execute one statement."""
        return self._connection.execute(statement)

    def commit(self) -> None:
        """End the transaction."""
        self._connection.end_snapshot()

    def rollback(self) -> None:
        """End the transaction after an error."""
        with suppress(StoreError):
            self._connection.end_snapshot()
