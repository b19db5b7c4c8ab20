"""Enqueueing on a connection that belongs to the caller, inside the caller's own transaction.

Nothing of that connection is changed: no setting is made, and no transaction is ended but one that
was begun here and then failed. The cursor is one of ours, so that a row factory of the caller's
changes no job; a savepoint of ours undoes what a failed call has written. See docs/adr/0017.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from jobhost.errors import StoreBusy, StoreError, UsageError
from jobhost.jobs.keys import Accepted
from jobhost.store import callers
from jobhost.store.plan import Reply, Statement, drive
from jobhost.store.plans import keys
from jobhost.store.plans.enqueue import Batch
from jobhost.store.plans.hot import STEP_BY_STEP
from jobhost.store.sqlite.catalogue import statements
from jobhost.store.sqlite.connection import Target
from jobhost.store.sqlite.executing import perform
from jobhost.store.sqlite.faults import DRIVER_ERRORS, translate
from jobhost.store.sqlite.forks import FileId
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.task_connection import TaskConnection
from jobhost.store.sqlite.turnstile import Turnstiles

SUPPORTED: Final = (
    "a connection of sqlite3, or one through it: SQLAlchemy's Connection, Session or "
    "scoped_session, Django's connection"
)

_OTHER_STORE: Final = "a transaction spans one database, and the store's is a file of SQLite"
_ASYNC: Final = (
    "its statements run in a thread of their own: use a connection of sqlite3, which on this store "
    "is good for aenqueue_with too"
)

_INSTEAD: Final = {
    **callers.INSTEAD,
    "aiosqlite.core.Connection": _ASYNC,
    "psycopg.Connection": _OTHER_STORE,
    "psycopg.AsyncConnection": _OTHER_STORE,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _ASYNC,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _ASYNC,
    "sqlite3.Cursor": "give its connection instead",
}
"""By the name of a class: the next step of who has given one."""

_LEGACY: Final = -1
"""`Connection.autocommit` (from Python 3.12) of a connection that goes by its isolation level."""

_SAVEPOINT: Final = "jobhost_enqueue"


class Callers:
    """Enqueues on connections of callers.

    Args:
        target: Where the store is.
        turnstiles: The ways in for writers.
    """

    def __init__(self, target: Target, turnstiles: Turnstiles) -> None:
        self._target = target
        self._turnstiles = turnstiles
        self._statements = statements()

    def enqueue(
        self, raw: sqlite3.Connection, file: FileId, batches: Sequence[Batch]
    ) -> Sequence[Accepted]:
        """Accept jobs that exist if and only if the caller commits; see `seam.Store`.

        Args:
            raw: What `driver` has found.
            file: The store's, of which the schema is known to be current.

        Raises UsageError for a connection on which that cannot be done, IdempotencyConflict,
        UniqueKeyTaken, StoreError. The caller's transaction is then as it was before, unless
        SQLite has ended it.
        """
        was_open = False
        at_work = raw.at_work() if isinstance(raw, TaskConnection) else nullcontext()
        with at_work, _text_as(raw, bytes):
            try:
                was_open = raw.in_transaction
                cursor = sqlite3.Cursor(raw)
                self._refuse_elsewhere(cursor, file)
                _refuse_without_transaction(raw)
                if batches:
                    with _text_as(raw, str):
                        return self._enqueue(raw, cursor, batches)
                return ()
            except sqlite3.ProgrammingError as error:
                raise UsageError(f"this connection cannot be used here: {error}") from error
            except DRIVER_ERRORS as error:
                raise self._told(error, lost=was_open and not raw.in_transaction) from error

    def _enqueue(
        self, raw: sqlite3.Connection, cursor: sqlite3.Cursor, batches: Sequence[Batch]
    ) -> list[Accepted]:
        begins = not raw.in_transaction
        if begins:
            self._begin(cursor, raw.isolation_level)
        else:
            cursor.execute(self._statements["take_lock"].text)
        try:
            with _all_or_nothing(cursor):
                done: list[Accepted] = []
                for batch in batches:
                    plan = keys.accept(batch, STEP_BY_STEP.enqueue_new)
                    done += drive(self._performer(cursor), plan)
                return done
        except BaseException:
            if begins:
                with suppress(sqlite3.Error):
                    cursor.execute("ROLLBACK")
            raise

    def _performer(self, cursor: sqlite3.Cursor) -> Callable[[Statement], Reply]:
        now = self._target.clock.now()

        def execute(statement: Statement) -> Reply:
            return perform(cursor.execute, self._statements[statement.name], statement, now)

        return execute

    def _begin(self, cursor: sqlite3.Cursor, isolation_level: str | None) -> None:
        """Begin the caller's transaction, as the driver would for a first statement that writes.
        Nothing of it holds the lock yet, so it can wait for its turn as all of our writers do; with
        the patience of the caller's connection. The turn ends once SQLite's lock is had."""
        [(patience_ms,)] = cursor.execute("PRAGMA busy_timeout").fetchall()
        kind = "EXCLUSIVE" if isolation_level == "EXCLUSIVE" else "IMMEDIATE"
        turnstile = self._turnstiles.take()
        try:
            turnstile.enter(Patience(patience_ms / 1000).wait())
            try:
                cursor.execute(f"BEGIN {kind}")
            finally:
                turnstile.leave()
        finally:
            self._turnstiles.give(turnstile)

    def _refuse_elsewhere(self, cursor: sqlite3.Cursor, file: FileId) -> None:
        """Raise UsageError for a connection to another file. The question takes no lock and begins
        no read, which would leave the caller's transaction in the past."""
        found = cursor.execute("PRAGMA database_list").fetchall()
        name = next(path for _, schema, path in found if schema == b"main")
        if not name:
            raise self._elsewhere("a database in memory or of no name")
        path = Path(os.fsdecode(name))
        try:
            stands = path.stat()
        except OSError:
            raise self._elsewhere(f"{path}, which is not there any more") from None
        if (stands.st_dev, stands.st_ino) != file:
            raise self._elsewhere(str(path))

    def _elsewhere(self, place: str) -> UsageError:
        return UsageError(
            f"this connection leads to {place}, and the jobs of this host live in "
            f"{self._target.path}: a transaction spans one file only, so give a connection to that "
            "one, as its main database"
        )

    def _told(self, error: Exception, *, lost: bool) -> StoreError:
        """The error in jobhost's words."""
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY_SNAPSHOT:
            return StoreBusy(
                f"your transaction began with a read, and {self._target.path} was written since: "
                "SQLite lets such a transaction write no more; roll back, and begin with 'BEGIN "
                f"IMMEDIATE' ({error})"
            )
        told = translate(error, self._target.path)
        what = "was rolled back by SQLite" if lost else "is as it was"
        told.args = (f"{told}; your transaction {what}",)
        return told


def driver(connection: object) -> sqlite3.Connection:
    """The driver's connection below whatever a caller has, in a transaction of its library.

    Raises UsageError for what is not supported.
    """
    bare = callers.bare(connection)
    found = bare if callers.is_async(bare) else callers.unwrap(bare, begins=_begins)
    if isinstance(found, sqlite3.Connection):
        return found
    raise callers.not_supported(connection, found, supported=SUPPORTED, instead=_INSTEAD)


def _begins(found: object) -> bool:
    """Whether a first statement that writes begins a transaction, or one is always open."""
    if not isinstance(found, sqlite3.Connection):
        return False
    control = getattr(found, "autocommit", _LEGACY)
    return found.isolation_level is not None if control == _LEGACY else not control


def _refuse_without_transaction(raw: sqlite3.Connection) -> None:
    if not raw.in_transaction and not _begins(raw):
        raise UsageError(
            "this connection has no transaction open and commits each statement by itself, so the "
            "job would not wait for your commit: execute 'BEGIN IMMEDIATE' on it first (Django: "
            "'with transaction.atomic()'), or use enqueue"
        )


@contextmanager
def _text_as(raw: sqlite3.Connection, factory: Any) -> Iterator[None]:
    """Text comes as this for the length of the block, in the caller's own thread."""
    before = raw.text_factory
    raw.text_factory = factory
    try:
        yield
    finally:
        raw.text_factory = before


@contextmanager
def _all_or_nothing(cursor: sqlite3.Cursor) -> Iterator[None]:
    """What the block has done is undone when it fails; what the caller has done before stays."""
    cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        yield
        cursor.execute(f"RELEASE {_SAVEPOINT}")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have ended the whole transaction
            cursor.execute(f"ROLLBACK TO {_SAVEPOINT}")
            cursor.execute(f"RELEASE {_SAVEPOINT}")
        raise
