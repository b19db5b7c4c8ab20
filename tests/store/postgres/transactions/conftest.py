"""A host on PostgreSQL with a user's own table beside its store, for tests of transactions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from postgres_server import connect, drop_schema, empty_schema, shared_schema, store_url

from jobhost import JobHost

from .orders import Caller, Orders, Serving


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
        if not raw.closed:
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
