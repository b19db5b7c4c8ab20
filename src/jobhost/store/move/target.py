"""The side that is moved to: an empty schema of PostgreSQL, filled in one transaction."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from jobhost.errors import SchemaMismatch, StoreError, UsageError
from jobhost.plurals import counted
from jobhost.store.move.lines import Digest, blocks
from jobhost.store.move.source import Moved
from jobhost.store.move.tables import TABLES, Table
from jobhost.store.plan import Plan, Row, Statement, run
from jobhost.store.postgres import schema
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.faults import DRIVER_ERRORS, translate
from jobhost.store.postgres.store import PostgresStore

_TOLD_BYTES: Final = 256 * 1024
"""Read back between two reports of progress."""

_UNHURRIED: Final = """
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL client_encoding = 'UTF8';
"""
"""A large table takes longer than the statements of a worker may."""

_LOCK: Final = "LOCK TABLE {} IN EXCLUSIVE MODE"
"""Readers may look; a producer or worker that comes too early waits, or hears StoreBusy."""

Told = Callable[[int], None]
"""Hears of so many more rows."""


class Target:
    """The store to move to."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return self._store.url

    @property
    def lacks_schema(self) -> bool:
        """Whether it has no current schema. Raises StoreUnavailable if it cannot be reached, and
        SchemaMismatch when a newer release has made it."""
        connection = PostgresConnection(self._store.target)
        try:
            applied = run(connection.reading(), _applied)
        except SchemaMismatch:
            applied = 0
        finally:
            connection.close()
        schema.refuse_newer(applied)
        return applied < schema.newest()

    def prepare(self) -> None:
        """Make the schema, or bring it to this release, if need be."""
        if self.lacks_schema:
            self._store.migrate()

    def close(self) -> None:
        """Close its connections. Idempotent."""
        self._store.close()

    @contextmanager
    def opened(self) -> Iterator["Hold"]:
        """One transaction, to the commit at the end. Only one at a time: a second one waits, and
        hears StoreBusy if that takes long."""
        connection = PostgresConnection(self._store.target)
        try:
            connection.begin_migration()
            connection.script(_UNHURRIED)
            yield Hold(connection)
            connection.commit()
        except DRIVER_ERRORS as error:
            connection.rollback()
            if isinstance(error, psycopg.Error):
                raise translate(error, self._store.target.place) from error
            raise
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.close()


class Hold:
    """A target in an open transaction, in the hands of one move."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def lock(self) -> None:
        """Keep all others from writing, to the end. Raises StoreBusy when they do not let go."""
        names = [*(table.name for table in TABLES), "moved"]
        tables = sql.SQL(", ").join(self._table(name) for name in names)
        self._connection.script(sql.SQL(_LOCK).format(tables).as_string())

    def has(self, moved: Moved) -> bool:
        """Whether this move has arrived."""
        return bool(self._connection.execute(Statement("moved", {"id": moved.id})).rows)

    def refuse_occupied(self) -> None:
        """Raise UsageError unless every table is empty."""
        found = [table.name for table in TABLES if self._has_rows(table)]
        if found:
            place = self._connection.target.url
            raise UsageError(
                f"{place} is not empty ({', '.join(found)}), and only an empty store can be moved "
                "to: choose another schema with ?schema=NAME, or drop that one"
            )

    def raise_number(self, last: int) -> None:
        """New numbers come after this one; before rows come, so that none is drawn twice."""
        if last > 0:
            self._connection.execute(Statement("raise_number", {"last": last}))

    def fill(self, table: Table, rows: Iterable[Row], told: Told) -> Digest:
        """Copy rows into a table; what was sent."""
        sent = Digest()
        order = sql.SQL("COPY {} ({}) FROM STDIN").format(self._table(table.name), _columns(table))
        with self._raw.cursor() as cursor, cursor.copy(order) as copy:
            for lines, count in blocks(rows):
                copy.write(lines)
                sent.add(lines, count)
                told(count)
        return sent

    def compare(self, table: Table, sent: Digest, told: Told) -> None:
        """Read a table back. Raises StoreError unless it is what was sent, byte by byte."""
        stored = Digest()
        order = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
            _columns(table), self._table(table.name), _order(table)
        )
        lines: list[bytes] = []
        size = 0
        with self._raw.cursor() as cursor, cursor.copy(order) as copy:
            for line in copy:
                lines.append(bytes(line))
                size += len(line)
                if size >= _TOLD_BYTES:
                    stored.add(b"".join(lines), len(lines))
                    told(len(lines))
                    lines, size = [], 0
        stored.add(b"".join(lines), len(lines))
        told(len(lines))
        if stored != sent:
            raise StoreError(
                f"of {counted(sent.rows, 'row')} of {table.name} the target has stored "
                f"{stored.rows:,}, or not as they were sent, so nothing was moved: check the "
                "server's log and encoding"
            )

    def note_arrival(self, moved: Moved) -> None:
        """Enter the mark by which a later run knows that all is here."""
        known = {
            "id": moved.id,
            "from_url": moved.from_url,
            "to_url": moved.to_url,
            "frozen_at": moved.frozen_at,
        }
        self._connection.execute(Statement("note_arrival", known))

    def _has_rows(self, table: Table) -> bool:
        order = sql.SQL("SELECT FROM {} LIMIT 1").format(self._table(table.name))
        return self._raw.execute(order).rowcount > 0

    def _table(self, name: str) -> sql.Identifier:
        return sql.Identifier(self._connection.target.schema, name)

    @property
    def _raw(self) -> "psycopg.Connection[Row]":
        raw = self._connection.raw
        if raw is None:
            raise TypeError("a hold has an open transaction")
        return raw


def _applied() -> Plan[int]:
    found = yield Statement("applied_migrations", alone=True)
    return max((number for number, _ in found.rows), default=0)


def _columns(table: Table) -> sql.Composed:
    return _names(table.columns)


def _order(table: Table) -> sql.Composed:
    """That of SQLite, whatever the database's collation is."""
    return sql.SQL(", ").join(
        sql.SQL('{} COLLATE "C"' if name in table.words else "{}").format(sql.Identifier(name))
        for name in table.key
    )


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
