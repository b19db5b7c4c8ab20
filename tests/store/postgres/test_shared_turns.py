"""Threads that take turns with one connection: whatever somebody sends, the next one gets in."""

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from postgres_server import ask, empty_schema, server_url, shared_schema, store_url

from jobhost.clock import SystemClock
from jobhost.store.plan import Plan, Statement, run
from jobhost.store.postgres.bell import NotifyBell, listen_to
from jobhost.store.postgres.shared import SharedConnection
from jobhost.store.postgres.target import read_target
from jobhost.store.seam import Ring

from .crew import GUARD_SECONDS

pytestmark = pytest.mark.skipif("pooler=" in server_url(), reason="behind a pooler nobody listens")

SCHEMA = "jobs"
BYTES = rf"SELECT pg_notify('{SCHEMA}:wake', convert_from('\xff'::bytea, 'SQL_ASCII'))"


def look() -> Plan[None]:
    yield Statement("whereabouts")


@pytest.fixture
def bytes_url() -> Iterator[str]:
    """A database whose text is whatever bytes somebody sends."""
    name = f"test_{uuid4().hex[:16]}"
    ask(
        f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0"
    )
    base, _, query = server_url().partition("?")
    yield f"{base.rpartition('/')[0]}/{name}?{query}"
    ask(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shared(bytes_url: str) -> Iterator[SharedConnection]:
    made = SharedConnection(read_target(bytes_url, SystemClock()))
    made.listen(listen_to(SCHEMA))
    raw = made._connection.raw
    assert raw is not None
    raw.execute(b"SET client_encoding TO SQL_ASCII")
    yield made
    made.close()


@pytest.fixture
def stranger(bytes_url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    parameters = read_target(bytes_url, SystemClock()).parameters
    with psycopg.connect(**{**parameters, "client_encoding": "SQL_ASCII"}, autocommit=True) as raw:
        yield raw


def test_a_notice_that_is_no_text_wakes_the_sleeper(
    shared: SharedConnection, stranger: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    bell = NotifyBell(shared)
    stranger.execute(BYTES.encode())
    assert bell.wait(GUARD_SECONDS) is Ring.READY
    bell.close()


def test_a_notice_that_is_no_text_spoils_no_statement_and_keeps_nobody_out(
    shared: SharedConnection, stranger: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    heard: list[Ring] = []
    shared.tell(heard.append)
    for _ in range(20):
        stranger.execute(BYTES.encode())
        run(shared, look)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(run, shared, look).result(GUARD_SECONDS)
    while len(heard) < 20:
        run(shared, look)
    assert set(heard) == {Ring.READY}


def test_an_interrupt_while_notices_are_passed_on_keeps_nobody_out() -> None:
    empty_schema()
    shared = SharedConnection(read_target(store_url(shared_schema()), SystemClock()))
    shared.listen(listen_to(shared_schema()))

    def interrupted(ring: Ring) -> None:
        raise KeyboardInterrupt

    shared.tell(interrupted)
    ended = 0
    while not ended:
        ask(f"SELECT pg_notify('{shared_schema()}:wake', '')")
        try:
            run(shared, look)
        except KeyboardInterrupt:
            ended += 1
    shared.tell_no_more(interrupted)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(run, shared, look).result(GUARD_SECONDS)
    run(shared, look)
    shared.close()


def test_whoever_reads_the_notice_itself_is_not_woken_by_itself() -> None:
    empty_schema()
    shared = SharedConnection(read_target(store_url(shared_schema()), SystemClock()))
    shared.listen(listen_to(shared_schema()))
    bell = NotifyBell(shared)
    while bell.wait(0.0):
        pass
    while not bell._heard:
        ask(f"SELECT pg_notify('{shared_schema()}:wake', '')")
        run(shared, look)
    with pytest.raises(BlockingIOError):
        bell._inner.recv(1)
    assert bell.wait(GUARD_SECONDS) is Ring.READY
    other = threading.Thread(target=bell._hear, args=(Ring.DUE,))
    other.start()
    other.join()
    assert bell._inner.recv(1) == b"1", "another thread's reading must wake the sleeper"
    bell.close()
    shared.close()


def test_a_connection_that_everybody_has_forgotten_is_closed() -> None:
    shared = SharedConnection(read_target(store_url(shared_schema()), SystemClock()))
    run(shared, look)
    raw = shared._connection.raw
    assert raw is not None
    alive = weakref.ref(shared)
    del shared
    gc.collect()
    assert alive() is None
    assert raw.closed
