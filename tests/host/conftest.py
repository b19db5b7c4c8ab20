"""A host on PostgreSQL with a user's own table beside its store, for tests of transactions."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest
from postgres_server import (
    ask,
    connect,
    drop_schema,
    empty_schema,
    new_schema,
    shared_schema,
    store_url,
)

from jobhost import JobHost

Caller = psycopg.Connection[tuple[object, ...]]
Serving = Callable[[JobHost], AbstractContextManager[None]]


class Orders:
    """A table of orders in a schema of its own; an order has a name."""

    def __init__(self) -> None:
        self.schema = new_schema()
        self.table = f"{self.schema}.orders"
        ask(f"CREATE SCHEMA {self.schema}")
        ask(f"CREATE TABLE {self.table} (name text NOT NULL)")

    @property
    def names(self) -> list[str]:
        """Those that are committed."""
        return [name for (name,) in ask(f"SELECT name FROM {self.table} ORDER BY name")]

    def insert(self, name: str) -> str:
        """The statement that adds one."""
        return f"INSERT INTO {self.table} VALUES ('{name}')"


@pytest.fixture
def orders() -> Iterator[Orders]:
    table = Orders()
    yield table
    drop_schema(table.schema)


@pytest.fixture
def pg_host() -> Iterator[JobHost]:
    """A host without tasks on an empty store."""
    empty_schema()
    with JobHost(store_url(shared_schema())) as host:
        yield host


@pytest.fixture
def caller() -> Iterator[Caller]:
    """A connection as callers have it: it begins transactions by itself."""
    with connect() as raw:
        raw.autocommit = False
        yield raw
        raw.rollback()


@contextmanager
def _serving(host: JobHost) -> Iterator[None]:
    worker = host.worker(concurrency=2)
    thread = threading.Thread(target=worker.run, name="worker-under-test")
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.fixture
def serving() -> Serving:
    """A worker of a host, in a thread of this process while the block lasts."""
    return _serving
