"""Enqueueing on a connection that belongs to the caller, inside the caller's own transaction.

Nothing of that connection is changed: no transaction is ended, no setting made, no statement
prepared. The cursor is one of our own, so that row factories and adapters of either side do not
meet. The libraries around psycopg are known by the names of their classes, not imported.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8BinaryDumper

from jobhost.errors import UsageError
from jobhost.store.plan import Plan, Reply, Row, Statement, drive, drive_async
from jobhost.store.plans.enqueue import Batch
from jobhost.store.postgres import arrays
from jobhost.store.postgres.catalogue import Sql, statements
from jobhost.store.postgres.faults import DRIVER_ERRORS, translate
from jobhost.store.postgres.hot import enqueue
from jobhost.store.postgres.target import Target
from jobhost.store.seam import Store

Raw = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]

_DRIVERS: Final = (psycopg.Connection, psycopg.AsyncConnection)

SUPPORTED: Final = (
    "a connection of psycopg 3, or one through it: SQLAlchemy's Connection or Session, Django's "
    "connection; on an event loop psycopg's AsyncConnection, SQLAlchemy's AsyncConnection or "
    "AsyncSession"
)

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
        self._same: set[tuple[str, int, str]] = set()

    def enqueue(self, connection: object, batches: Sequence[Batch]) -> None:
        """Accept jobs that exist if and only if the caller commits."""
        raw = sync_driver(connection)
        _refuse_unfit(raw)
        if self._home is None:
            self._home = self._store.read(_database)
        with OwnCursor(raw, row_factory=tuple_row) as cursor:

            def execute(statement: Statement) -> Reply:
                sql, params = self._prepare(statement)
                try:
                    cursor.execute(sql.text, params, prepare=False, binary=True)
                    return Reply(cursor.fetchall())
                except DRIVER_ERRORS as error:
                    raise translate(error, self._target.place) from error

            drive(execute, self._enqueue(raw, self._home, batches))

    async def enqueue_async(self, connection: object, batches: Sequence[Batch]) -> None:
        """`enqueue` on an asynchronous connection."""
        raw = await async_driver(connection)
        _refuse_unfit(raw)
        if self._home is None:
            self._home = await self._store.read_async(_database)
        async with AsyncOwnCursor(raw, row_factory=tuple_row) as cursor:

            async def execute(statement: Statement) -> Reply:
                sql, params = self._prepare(statement)
                try:
                    await cursor.execute(sql.text, params, prepare=False, binary=True)
                    return Reply(await cursor.fetchall())
                except DRIVER_ERRORS as error:
                    raise translate(error, self._target.place) from error

            await drive_async(execute, self._enqueue(raw, self._home, batches))

    def _enqueue(self, raw: Raw, home: Row, batches: Sequence[Batch]) -> Plan[None]:
        """Make sure that the connection leads to the store's database, then accept and announce."""
        info = raw.info
        address = (info.host, info.port, info.dbname)
        if address not in self._same:
            found = yield Statement("database")
            if found.first != home:
                raise UsageError(
                    f"this connection leads to {info.dbname!r} on {info.host}, and the jobs of "
                    f"this host live in {self._target.place}: a transaction spans one database "
                    "only, so give a connection to that one"
                )
            self._same.add(address)
        for batch in batches:
            yield from enqueue(batch)
        if batches:
            later = batches[0].run_at is not None or batches[0].delay_us
            yield Statement("announce_late", {"occasion": "due" if later else ""})

    def _prepare(self, statement: Statement) -> tuple[Sql, dict[str, Any]]:
        sql = self._statements[statement.name]
        params = dict(statement.params)
        if sql.wants_now and self._target.clock is not None:
            params["now"] = self._target.clock.now()
        return sql, params


def sync_driver(connection: object) -> "psycopg.Connection[Any]":
    """The driver's connection below whatever a synchronous caller has, in a transaction.

    Raises UsageError for what is not supported.
    """
    found = _unwrap(connection)
    if isinstance(found, psycopg.Connection):
        return found
    if isinstance(found, psycopg.AsyncConnection) or _is_async(connection):
        raise UsageError(
            f"a {_name(connection)} is asynchronous: await task.aenqueue_with(...) on it"
        )
    raise _not_supported(connection, found)


async def async_driver(connection: object) -> "psycopg.AsyncConnection[Any]":
    """`sync_driver` for what an asynchronous caller has."""
    facade: Any = connection
    found = await facade.run_sync(_unwrap) if _is_async(connection) else _unwrap(connection)
    if isinstance(found, psycopg.AsyncConnection):
        return found
    if isinstance(found, psycopg.Connection):
        raise UsageError(
            f"a {_name(connection)} is synchronous and would block the event loop: call "
            "task.enqueue_with(...) on it, in a thread"
        )
    raise _not_supported(connection, found)


def _of_sqlalchemy(connection: Any) -> object:
    """Its transaction begins here as with a first statement, or its commit would do nothing."""
    found: object = connection.connection.driver_connection
    if isinstance(found, _DRIVERS) and not connection.in_transaction():
        connection.begin()
    return found


def _of_session(session: Any) -> object:
    return _of_sqlalchemy(session.connection())


def _of_django(connection: Any) -> object:
    connection.ensure_connection()
    found: object = connection.connection
    return found


_WAYS: Final[dict[str, Callable[[Any], object]]] = {
    "sqlalchemy.engine.base.Connection": _of_sqlalchemy,
    "sqlalchemy.orm.session.Session": _of_session,
    "sqlalchemy.orm.scoping.scoped_session": _of_session,
    "django.db.backends.base.base.BaseDatabaseWrapper": _of_django,
    "django.utils.connection.ConnectionProxy": _of_django,
}

_ASYNC: Final = frozenset(
    {
        "sqlalchemy.ext.asyncio.engine.AsyncConnection",
        "sqlalchemy.ext.asyncio.session.AsyncSession",
    }
)
"""They run a function with the synchronous object that they are made around."""


def _unwrap(connection: object) -> object:
    """What the library's object is made around; all others as they are."""
    for name in _names(connection):
        if name in _WAYS:
            return _WAYS[name](connection)
    return connection


def _is_async(connection: object) -> bool:
    return not _ASYNC.isdisjoint(_names(connection))


def _names(connection: object) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(connection).__mro__]


def _name(connection: object) -> str:
    return _names(connection)[0]


def _not_supported(connection: object, found: object) -> UsageError:
    inner = "" if found is connection else f" around a {_name(found)}"
    return UsageError(f"expected {SUPPORTED}; got a {_name(connection)}{inner}")


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
    if raw.info.encoding not in _ENCODINGS:
        raise UsageError(
            f"this connection has the client_encoding {raw.info.encoding!r}: jobs are text in "
            "UTF-8, so leave the encoding at that"
        )


def _database() -> Plan[Row]:
    found = yield Statement("database", alone=True)
    return found.rows[0]
