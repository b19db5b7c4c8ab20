"""Enqueueing on a connection that belongs to the caller, inside the caller's own transaction.

Nothing of that connection is changed: no transaction is ended and no setting made; a statement is
prepared when the caller's own would be, by the connection's `prepare_threshold`. The cursor is one
of our own, so that row factories and adapters of either side do not meet. The libraries around
psycopg are known by the names of their classes, not imported.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.errors import InFailedSqlTransaction, ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8BinaryDumper

from jobhost.errors import StoreError, StoreReadOnly, StoreUnavailable, UsageError
from jobhost.jobs.keys import Accepted
from jobhost.store import callers
from jobhost.store.plan import Plan, Reply, Row, Statement, drive, drive_async
from jobhost.store.plans import keys
from jobhost.store.plans.enqueue import Batch, expiry_params
from jobhost.store.postgres import arrays
from jobhost.store.postgres.arrays import Texts, Uuids
from jobhost.store.postgres.catalogue import Sql, statements
from jobhost.store.postgres.faults import DRIVER_ERRORS, translate
from jobhost.store.postgres.target import Target
from jobhost.store.seam import Store

Raw = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]
Address = tuple[str, str, int, str, str]

_DRIVERS: Final = (psycopg.Connection, psycopg.AsyncConnection)

SUPPORTED: Final = (
    "a connection of psycopg 3, or one through it: SQLAlchemy's Connection, Session or "
    "scoped_session, Django's connection; on an event loop psycopg's AsyncConnection, SQLAlchemy's "
    "AsyncConnection, AsyncSession or async_scoped_session"
)

_POOLED: Final = "with pool.connection() as connection"
_DRIVER: Final = (
    "that is another driver: connect with psycopg 3, from SQLAlchemy by an address that begins "
    "with postgresql+psycopg://, or call the SQL function 'enqueue' in the store's schema here"
)

_INSTEAD: Final = {
    **callers.INSTEAD,
    "asyncpg.connection.Connection": _DRIVER,
    "asyncpg.pool.Pool": _DRIVER,
    "asyncpg.pool.PoolConnectionProxy": _DRIVER,
    "psycopg._cursor_base.BaseCursor": "give its connection instead",
    "psycopg2.extensions.connection": _DRIVER,
    "psycopg_pool.base.BasePool": f"give a connection of it instead: {_POOLED}",
    "sqlite3.Connection": "a transaction spans one database, and the store's is PostgreSQL",
}
"""By the name of a class: the next step of who has given one."""

_SPOILT: Final[dict[type[Exception], tuple[type[StoreError], str]]] = {
    InFailedSqlTransaction: (
        StoreError,
        "an earlier statement of your transaction has failed, so that nothing more can be part of "
        "it: roll back, to a savepoint if you have one, and begin again",
    ),
    ReadOnlySqlTransaction: (
        StoreReadOnly,
        "your transaction may only read, so that no job can be part of it: begin one that writes, "
        "on the primary",
    ),
}
"""What is the caller's, and not the store's."""

_ENCODINGS: Final = ("utf-8", "ascii")
"""Text is sent as UTF-8; "ascii" is the driver's word for a server that passes bytes through."""

_ADAPTERS: Final = AdaptersMap(psycopg.adapters)
_ADAPTERS.register_dumper(int, Int8BinaryDumper)
arrays.register(_ADAPTERS)


class OwnCursor(psycopg.Cursor[Row]):
    """A cursor with adapters of its own, whatever the connection's are."""

    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class AsyncOwnCursor(psycopg.AsyncCursor[Row]):
    """Likewise."""

    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class Callers:
    """Enqueues on connections of callers.

    Args:
        target: Where the store is.
        store: To ask which database that is.
    """

    def __init__(self, target: Target, store: Store) -> None:
        self._target = target
        self._store = store
        self._statements = statements(target.schema, server_time=target.clock is None)
        self._home: Row | None = None
        self._same: set[Address] = set()

    def enqueue(self, connection: object, batches: Sequence[Batch]) -> Sequence[Accepted]:
        """Accept jobs that exist if and only if the caller commits; see `seam.Store`."""
        raw = sync_driver(connection)
        _refuse_unfit(raw)
        with OwnCursor(raw, row_factory=tuple_row) as cursor:

            def execute(statement: Statement) -> Reply:
                sql, params = self._prepare(statement)
                try:
                    cursor.execute(sql.text, params, binary=True)
                    with _perhaps_no_rows():
                        return Reply(cursor.fetchall(), cursor.rowcount)
                    return Reply([], cursor.rowcount)
                except DRIVER_ERRORS as error:
                    raise self._told(error) from error

            home = self._home or self._ask()
            accepted = drive(execute, self._enqueue(raw, home, batches))
            if accepted is None and home != (home := self._ask()):
                accepted = drive(execute, self._enqueue(raw, home, batches))
        return self._conclude(raw, home, accepted)

    async def enqueue_async(
        self, connection: object, batches: Sequence[Batch]
    ) -> Sequence[Accepted]:
        """`enqueue` on an asynchronous connection."""
        raw = await async_driver(connection)
        _refuse_unfit(raw)
        async with AsyncOwnCursor(raw, row_factory=tuple_row) as cursor:

            async def execute(statement: Statement) -> Reply:
                sql, params = self._prepare(statement)
                try:
                    await cursor.execute(sql.text, params, binary=True)
                    rows: list[Row] = []
                    with _perhaps_no_rows():
                        rows = await cursor.fetchall()
                    return Reply(rows, cursor.rowcount)
                except DRIVER_ERRORS as error:
                    raise self._told(error) from error

            home = self._home or await self._ask_async()
            accepted = await drive_async(execute, self._enqueue(raw, home, batches))
            if accepted is None and home != (home := await self._ask_async()):
                accepted = await drive_async(execute, self._enqueue(raw, home, batches))
        return self._conclude(raw, home, accepted)

    def _ask(self) -> Row:
        """Where the store is. Its own connection may have ended with a server that was started
        anew, which nobody had noticed."""
        try:
            return self._store.read(_whereabouts)
        except StoreUnavailable:
            return self._store.read(_whereabouts)

    async def _ask_async(self) -> Row:
        try:
            return await self._store.read_async(_whereabouts)
        except StoreUnavailable:
            return await self._store.read_async(_whereabouts)

    def _enqueue(
        self, raw: Raw, home: Row, batches: Sequence[Batch]
    ) -> Plan[list[Accepted] | None]:
        """Accept and announce. None, and nothing is done: the connection leads elsewhere, or
        the server was started anew since it was asked for `home`.

        Each statement that accepts a job looks where it is. The question before the first one on an
        address is there because a database without our tables would fail it, and spoil the caller's
        transaction; the one before keys, since their statements do not look.
        """
        is_keyed = any(batch.keyed is not None for batch in batches)
        if is_keyed or _address(raw) not in self._same or _is_unclear(raw):
            found = yield Statement("whereabouts")
            if found.first != home:
                return None
            _refuse_unfit(raw)
        done: list[Accepted] = []
        try:
            for batch in batches:
                done += yield from keys.accept(batch, partial(_insert, home=home))
        except _ElsewhereError:
            return None
        return done

    def _conclude(self, raw: Raw, home: Row, accepted: list[Accepted] | None) -> list[Accepted]:
        """Remember what was found. Raises UsageError for a connection that leads elsewhere."""
        if accepted is None:
            raise UsageError(
                f"this connection leads to {raw.info.dbname!r} on {raw.info.host}, and the jobs of "
                f"this host live in {self._target.place}: a transaction spans one database "
                "only, so give a connection to that one"
            )
        self._home = home
        self._same.add(_address(raw))
        return accepted

    def _prepare(self, statement: Statement) -> tuple[Sql, dict[str, Any]]:
        sql = self._statements[statement.name]
        params = dict(statement.params)
        if sql.wants_now and self._target.clock is not None:
            params["now"] = self._target.clock.now()
        return sql, params

    def _told(self, error: Exception) -> StoreError:
        """The error in jobhost's words."""
        for kind, (made, what) in _SPOILT.items():
            if isinstance(error, kind):
                return made(f"{what} ({str(error).strip()})")
        return translate(error, self._target.place)


class _ElsewhereError(Exception):
    """The connection does not lead to `home`."""


def _insert(batch: Batch, home: Row) -> Plan[int]:
    """Accept a batch where `home` is. Raises _ElsewhereError anywhere else."""
    accepted = yield _accept(batch, home)
    if not accepted.rows[0][0]:
        raise _ElsewhereError
    if batch.expiry is not None:
        ids = Uuids([job.id for job in batch.jobs])
        yield Statement("set_expiry", {"ids": ids, **expiry_params(batch.expiry)})
    return len(batch.jobs)


def _accept(batch: Batch, home: Row) -> Statement:
    """The statement that accepts a batch where `home` is."""
    ids, payloads, envelopes = zip(*batch.jobs, strict=True)
    params = {
        "started": home[0],
        "database": home[1],
        "task": batch.task,
        "queue": batch.queue,
        "priority": batch.priority,
        "parent": batch.parent,
        "ids": Uuids(ids),
        "payloads": Texts(payloads),
        "envelopes": Texts(envelopes),
    }
    if batch.run_at is None and not batch.delay_us:
        return Statement("enqueue_ready_within", params)
    due = {"run_at": batch.run_at, "delay_us": batch.delay_us}
    return Statement("enqueue_scheduled_within", {**params, **due})


def sync_driver(connection: object) -> "psycopg.Connection[Any]":
    """The driver's connection below whatever a synchronous caller has, in a transaction.

    Raises UsageError for what is not supported.
    """
    bare = callers.bare(connection)
    found = bare if callers.is_async(bare) else _unwrap(bare)
    if isinstance(found, psycopg.Connection):
        return found
    if isinstance(found, psycopg.AsyncConnection) or callers.is_async(found):
        raise UsageError(
            f"a {callers.name_of(connection)} is asynchronous: await task.aenqueue_with(...) on it"
        )
    raise _not_supported(connection, found)


async def async_driver(connection: object) -> "psycopg.AsyncConnection[Any]":
    """`sync_driver` for what an asynchronous caller has."""
    bare: Any = callers.bare(connection)
    found = await bare.run_sync(_unwrap) if callers.is_async(bare) else _unwrap(bare)
    if isinstance(found, psycopg.AsyncConnection):
        return found
    if isinstance(found, psycopg.Connection):
        raise UsageError(
            f"a {callers.name_of(connection)} is synchronous and would block the event loop: call "
            "task.enqueue_with(...) on it, in a thread"
        )
    raise _not_supported(connection, found)


def _unwrap(connection: object) -> object:
    return callers.unwrap(connection, begins=_begins)


@contextmanager
def _perhaps_no_rows() -> Iterator[None]:
    """For a fetch after a statement that may give no rows. In a pipeline only the fetch itself
    finds out, and its complaint, unlike those of the server, has no code."""
    try:
        yield
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise


def _begins(found: object) -> bool:
    return isinstance(found, _DRIVERS) and not found.autocommit


def _not_supported(connection: object, found: object) -> UsageError:
    return callers.not_supported(connection, found, supported=SUPPORTED, instead=_INSTEAD)


def _address(raw: Raw) -> Address:
    """By which way the server was reached."""
    info = raw.info
    return info.host, info.hostaddr, info.port, info.dbname, info.user


def _is_unclear(raw: Raw) -> bool:
    """Whether it cannot be known yet if a transaction is open: in a pipeline."""
    return raw.autocommit and raw.info.transaction_status is TransactionStatus.ACTIVE


def _refuse_unfit(raw: Raw) -> None:
    """Raise UsageError for a connection that is closed, or on which a job would not wait for a
    commit, or would arrive as other text."""
    if raw.closed:
        raise UsageError("this connection is closed: open another, and begin a transaction on it")
    if raw.autocommit and raw.info.transaction_status is TransactionStatus.IDLE:
        raise UsageError(
            "this connection has no transaction open and commits each statement by itself, so the "
            "job would not wait for your commit: open a transaction around it (psycopg: 'with "
            "connection.transaction()', Django: 'with transaction.atomic()'), or use enqueue"
        )
    if getattr(raw, "_tpc", None) is not None:  # the driver tells it in no other way
        raise UsageError(
            "this connection is in a two-phase transaction, which PostgreSQL does not prepare once "
            "a notice was sent in it, as jobs do: commit the job in one phase, or write down in "
            "yours that it is due"
        )
    if raw.info.encoding not in _ENCODINGS:
        raise UsageError(
            f"this connection has the client_encoding {raw.info.encoding!r}: jobs are text in "
            "UTF-8, so leave the encoding at that"
        )


def _whereabouts() -> Plan[Row]:
    found = yield Statement("whereabouts", alone=True)
    return found.rows[0]
