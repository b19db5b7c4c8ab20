"""The contract's harness: every dialect, driven from a thread and from an event loop.

A dialect joins by one entry in `DIALECTS`. It says how a fresh store is opened in a folder
with a given clock, and how a test looks at its tables from outside.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from postgres_server import ask, empty_schema, shared_schema, store_url

from jobhost.clock import Clock, ManualClock
from jobhost.store.plan import Plan
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.seam import Store
from jobhost.store.sqlite.store import SqliteStore

from .conservation import assert_conserved
from .world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How to open a store of this kind in an empty folder, and how to look into its tables.

    A dialect whose stores are not in folders has one that is opened time and again, and says
    how to empty it for the next test.
    """

    open: Callable[[Path, Clock], Store]
    query: Callable[[Path, str], list[tuple[Any, ...]]]
    empty: Callable[[], Any] = lambda: None


def _query_sqlite(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "jobs.db")) as connection:
        return connection.execute(sql).fetchall()


def _open_postgres(folder: Path, clock: Clock) -> Store:
    return PostgresStore(store_url(shared_schema()), clock)


def _query_postgres(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    rows = ask(sql.replace("jobhost_", f"{shared_schema()}."))
    return [tuple(v.bytes if isinstance(v, UUID) else v for v in row) for row in rows]


DIALECTS = {
    "sqlite": Dialect(
        open=lambda folder, clock: SqliteStore(folder / "jobs.db", clock), query=_query_sqlite
    ),
    "postgres": Dialect(open=_open_postgres, query=_query_postgres, empty=empty_schema),
}


class Direct:
    """Drives plans from the calling thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, make: Callable[[], Plan[T]]) -> T:
        return self._store.write(make)

    def read(self, make: Callable[[], Plan[T]]) -> T:
        return self._store.read(make)

    def close(self) -> None:
        self._store.close()


class OnLoop:
    """Drives plans from an event loop of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runner = asyncio.Runner()

    def write(self, make: Callable[[], Plan[T]]) -> T:
        return self._runner.run(self._store.write_async(make))

    def read(self, make: Callable[[], Plan[T]]) -> T:
        return self._runner.run(self._store.read_async(make))

    def close(self) -> None:
        self._runner.close()
        self._store.close()


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each dialect in turn."""
    return DIALECTS[request.param]


@pytest.fixture(params=[Direct, OnLoop], ids=["sync", "async"])
def world(request: pytest.FixtureRequest, dialect: Dialect, tmp_path: Path) -> Iterator[World]:
    """A fresh store in the hands of one driver. After the test every job is accounted for."""
    clock = ManualClock()
    dialect.empty()
    store = dialect.open(tmp_path, clock)
    store.migrate()
    driver = request.param(store)
    yield World(store, clock, driver, lambda sql: dialect.query(tmp_path, sql))
    driver.close()
    assert_conserved(lambda sql: dialect.query(tmp_path, sql))
