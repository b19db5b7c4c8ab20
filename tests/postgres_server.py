"""PostgreSQL for tests: the server that JOBHOST_TEST_POSTGRES names, else one of this process's
own, from a wheel.

Making a schema takes much longer than emptying one, so each process has one that its tests use in
turn: `empty_schema()`. A test that needs a fresh one takes `new_schema()` and drops it.
"""

import os
import shutil
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from jobhost.cli.demo_server import TemporaryServer, bundled_programs
from jobhost.clock import SystemClock
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.postgres.target import read_target

ENVIRONMENT = "JOBHOST_TEST_POSTGRES"
"""An address as jobhost reads it, `pooler=transaction` included, of a database in which tests may
make schemas; they are called `test_` and something."""

SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum_naptime=1d",
    "shared_buffers=64MB",
)
"""Nothing of this need survive a crash of the machine, and nothing sweeps while a test looks."""

LEFT_OPEN = "an earlier test left transactions open"
"""Only told: the test that finds them is not the one that left them."""

_servers: list[TemporaryServer] = []
_schemas: list[str] = []
_connections: list["psycopg.Connection[Any]"] = []


@cache
def server_url() -> str:
    """The address of a database in which a test may make schemas. Its server is started by the
    first call and stopped by `stop`, or with this process, however it ends."""
    if given := os.environ.get(ENVIRONMENT):
        return given
    _servers.append(TemporaryServer(bundled_programs(), SETTINGS))
    return _servers[-1].url


def programs() -> Path:
    """The folder of PostgreSQL's own programs, such as pg_dump."""
    return bundled_programs()


def connect() -> "psycopg.Connection[Any]":
    """A connection of the test's own to that database, each statement a transaction."""
    parameters = read_target(server_url(), SystemClock()).parameters
    connection = psycopg.connect(**parameters, autocommit=True)
    connection.prepare_threshold = None  # a pooler may stand in between
    return connection


def shared_schema() -> str:
    """The name of the schema that the tests of this process use in turn: migrated."""
    if not _schemas:
        _schemas.append(new_schema())
        migrated(_schemas[0]).close()
    return _schemas[0]


def empty_schema() -> str:
    """The same with nothing in it, whoever used it last."""
    schema = shared_schema()
    shutil.rmtree(_presence(schema), ignore_errors=True)
    try:
        _beside().execute(_emptying(schema))
    except psycopg.errors.LockNotAvailable:
        warnings.warn(f"{LEFT_OPEN}: {_end_others(schema)}", stacklevel=2)
        _beside().execute(_emptying(schema))
    return schema


def new_schema() -> str:
    """A name that no other test has; nothing is made."""
    return f"test_{uuid4().hex[:16]}"


def migrated(schema: str) -> PostgresStore:
    """A store in this schema, which is made."""
    store = PostgresStore(store_url(schema), SystemClock())
    store.migrate()
    return store


def store_url(schema: str) -> str:
    """The address of a store in this schema."""
    base = server_url()
    return f"{base}{'&' if '?' in base else '?'}schema={schema}"


def ask(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run one statement beside the store, on a connection of this process's tests."""
    cursor = _beside().execute(statement.encode(), values or None)
    return [] if cursor.description is None else cursor.fetchall()


def drop_schema(schema: str) -> None:
    """Remove a test's schema, and what its workers left beside it."""
    shutil.rmtree(_presence(schema), ignore_errors=True)
    _beside().execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _beside() -> "psycopg.Connection[Any]":
    """The connection that looks at the tables from outside. A test may have ended the last one."""
    if _connections and not _alive(_connections[0]):
        _connections.pop().close()
    if not _connections:
        _connections.append(connect())
    return _connections[0]


def _alive(connection: "psycopg.Connection[Any]") -> bool:
    try:
        connection.execute("SELECT")
    except psycopg.Error:
        return False
    return True


def stop() -> None:
    """Leave nothing behind: at the end of the tests of this process."""
    while _schemas:
        drop_schema(_schemas.pop())
    while _connections:
        _connections.pop().close()
    while _servers:
        _servers.pop().stop()
    server_url.cache_clear()


def _end_others(schema: str) -> list[tuple[Any, ...]]:
    """End the connections that hold a lock on this schema's tables; what each of them did last."""
    return ask(
        "SELECT pg_terminate_backend(pid), pid, application_name, state, wait_event, "
        "now() - xact_start, query FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND pid IN (SELECT pg_locks.pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
        "WHERE relnamespace = %(schema)s::regnamespace)",
        schema=schema,
    )


@cache
def _emptying(schema: str) -> bytes:
    """A script that empties the tables that were used, but for the ledger of migrations, and
    counts from one again. It does not wait for ever for a test that left a transaction open."""
    rows = ask(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables "
        "WHERE schemaname = %(schema)s AND tablename <> 'migration'",
        schema=schema,
    )
    steps = [f"IF pg_relation_size('{name}') > 0 THEN TRUNCATE {name}; END IF;" for (name,) in rows]
    steps.append(f"PERFORM setval('{schema}.number', 1, false);")
    return f"SET LOCAL lock_timeout = '20s'; DO $$ BEGIN {' '.join(steps)} END $$".encode()


def _presence(schema: str) -> Path:
    """Where the workers of a store keep their proof of life."""
    store = PostgresStore(store_url(schema), SystemClock())
    return store._folder()
