"""A fresh SQLite file for each test, and a look into it from outside."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobhost.clock import ManualClock
from jobhost.ids import new_ids
from jobhost.store.plans.enqueue import Batch, NewJob, enqueue
from jobhost.store.sqlite.store import SqliteStore

from ..conservation import Query


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is or will be."""
    return tmp_path / "jobs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store that nobody has used yet."""
    store = SqliteStore(path, ManualClock())
    yield store
    store.close()


@pytest.fixture
def query(path: Path) -> Query:
    """Looks into the file on a connection of its own."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def accept() -> Callable[..., list[bytes]]:
    """Enqueues plain jobs; their ids."""

    def enqueue_some(store: SqliteStore, count: int = 1, payload: str = "[]") -> list[bytes]:
        ids = [bytes(one) for one in new_ids(count)]
        jobs = [NewJob(one, payload, None) for one in ids]
        batch = Batch(task="work", queue="default", priority=0, jobs=jobs)
        store.write(lambda: enqueue(batch))
        return ids

    return enqueue_some
