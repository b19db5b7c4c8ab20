"""Statements go to the server without the driver's cursors, and behave as with them."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psycopg
import pytest
from postgres_server import ask, connect, empty_schema, shared_schema, store_url

from jobhost import JobHost
from jobhost.clock import SystemClock
from jobhost.errors import StoreRefusedData
from jobhost.store.plan import Plan, Reply, Statement, run
from jobhost.store.plans import look
from jobhost.store.postgres import prepared
from jobhost.store.postgres.catalogue import Sql
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.prepared import Prepared
from jobhost.store.postgres.target import SETTINGS, read_target

from .crew import GUARD_SECONDS, Proxy, until

JOBS = "SELECT count(*) FROM {}.job"


def sql_of(text: str, *names: str) -> Sql:
    """A statement as the catalogue would load it."""
    return Sql(text=text.encode(), numbered=text.encode(), names=names, wants_now=False)


ECHO = sql_of("SELECT $1::bigint, $2::text", "number", "text")


@pytest.fixture
def raw() -> Iterator["psycopg.Connection[Any]"]:
    made = connect()
    yield made
    made.close()


@pytest.fixture
def connection() -> Iterator[PostgresConnection]:
    empty_schema()
    target = read_target(store_url(shared_schema()), SystemClock())
    made = PostgresConnection(target)
    yield made
    made.close()


def known(raw: "psycopg.Connection[Any]") -> int:
    """How many statements the server has prepared for this connection, not behind a pooler."""
    return len(raw.execute("SELECT name FROM pg_prepared_statements").fetchall())


def count_jobs() -> int:
    number: int = ask(JOBS.format(shared_schema()))[0][0]
    return number


# --- Prepared once


def test_a_statement_is_prepared_once_for_each_type_of_its_values(
    raw: "psycopg.Connection[Any]",
) -> None:
    raw.execute("BEGIN")  # so that a pooler, if there is one, keeps to one server
    before = known(raw)
    statements = Prepared(raw, lasting=True)
    for _ in range(3):
        assert statements.run(ECHO, {"number": 1, "text": "a"}) == Reply([(1, "a")], 1)
        assert statements.run(ECHO, {"number": None, "text": None}) == Reply([(None, None)], 1)
    assert known(raw) == before + 2
    raw.execute("DEALLOCATE ALL")
    raw.execute("ROLLBACK")


def test_nothing_is_prepared_where_nothing_lasts(raw: "psycopg.Connection[Any]") -> None:
    raw.execute("BEGIN")
    before = known(raw)
    statements = Prepared(raw, lasting=False)
    assert statements.run(ECHO, {"number": 1, "text": "a"}) == Reply([(1, "a")], 1)
    assert known(raw) == before
    raw.execute("ROLLBACK")


def test_beyond_the_bound_statements_are_sent_with_their_text(
    raw: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "_PREPARED_MAX", 1)
    raw.execute("BEGIN")
    before = known(raw)
    statements = Prepared(raw, lasting=True)
    for number in (1, None, 1, None):
        assert statements.run(ECHO, {"number": number, "text": "a"}).rows == [(number, "a")]
    assert known(raw) == before + 1
    raw.execute("DEALLOCATE ALL")
    raw.execute("ROLLBACK")


def test_a_statement_that_cannot_be_prepared_is_told_each_time_and_later_works(
    raw: "psycopg.Connection[Any]",
) -> None:
    statements = Prepared(raw, lasting=True)
    raw.execute("BEGIN")
    raw.execute("CREATE TEMPORARY TABLE here (number bigint) ON COMMIT DROP")
    numbers = sql_of("SELECT number FROM pg_temp.there")
    for _ in range(3):
        raw.execute("SAVEPOINT before")
        with pytest.raises(psycopg.errors.UndefinedTable):
            statements.run(numbers, {})
        raw.execute("ROLLBACK TO before")
    raw.execute("ALTER TABLE here RENAME TO there")
    assert statements.run(numbers, {}) == Reply([], 0)
    raw.execute("DEALLOCATE ALL")
    raw.execute("ROLLBACK")


def test_a_statement_without_rows_tells_how_many_it_changed(
    raw: "psycopg.Connection[Any]",
) -> None:
    statements = Prepared(raw, lasting=False)
    raw.execute("BEGIN")
    raw.execute("CREATE TEMPORARY TABLE heap ON COMMIT DROP AS SELECT generate_series(1, 5) AS n")
    delete = sql_of("DELETE FROM heap WHERE n > $1", "least")
    assert statements.run(delete, {"least": 2}) == Reply([], 3)
    raw.execute("ROLLBACK")


def test_one_failure_among_several_statements_of_a_text_is_an_error(
    raw: "psycopg.Connection[Any]",
) -> None:
    statements = Prepared(raw, lasting=False)
    with pytest.raises(psycopg.errors.DivisionByZero):
        statements.command("SELECT 1; SELECT 1 / 0; SELECT 2")
    statements.command("SELECT 1; SELECT 2")


def test_a_value_that_cannot_be_sent_is_an_error_of_its_statement_alone(
    connection: PostgresConnection,
) -> None:
    for _ in range(2):
        with pytest.raises(StoreRefusedData):
            run(connection, lambda: _hold_lease(1 << 70))
        assert run(connection, lambda: _hold_lease(1)) == []


# --- Interrupts


@contextmanager
def interrupted_when(condition: Any) -> Iterator[None]:
    """A Ctrl-C, as it reaches the main thread, as soon as this holds."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def watch() -> None:
        until(condition)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, interrupt)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        watcher.join()
        signal.signal(signal.SIGUSR2, before)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else than the test ends a wait, however slow the machine."""
    monkeypatch.setattr("jobhost.store.postgres.connection._WAIT_SECONDS", 2 * GUARD_SECONDS)
    for name in ("lock_timeout", "statement_timeout"):
        monkeypatch.setitem(SETTINGS, name, f"{2 * GUARD_SECONDS:.0f}s")


@pytest.mark.usefixtures("patience")
def test_an_interrupt_ends_what_is_under_way_and_the_connection_works_on(
    connection: PostgresConnection,
) -> None:
    run(connection, lambda: _hold_lease(1))
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = %(t)s::regclass"
    table = f"{shared_schema()}.node"
    with connect() as stranger:
        stranger.execute("BEGIN")
        stranger.execute(f"LOCK TABLE {table}".encode())
        with (
            pytest.raises(KeyboardInterrupt),
            interrupted_when(lambda: ask(waiting, t=table)),
        ):
            run(connection, lambda: _hold_lease(1))
        until(lambda: not ask(waiting, t=table), "nobody waits any more")
        stranger.execute("ROLLBACK")
    assert run(connection, lambda: _hold_lease(1)) == []


def test_an_interrupt_between_sending_and_waiting_costs_the_connection_and_no_more(
    connection: PostgresConnection,
) -> None:
    run(connection, lambda: _hold_lease(1))
    connection.begin()
    assert connection.raw is not None
    connection.raw.pgconn.send_query(b"SELECT 1")
    connection.rollback()
    assert connection.raw is None
    assert run(connection, lambda: _hold_lease(1)) == []


# --- The host's own enqueue


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    empty_schema()
    made = Proxy()
    yield made
    made.close()


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_host_asks_once_more_under_the_same_id_when_an_answer_is_lost(
    proxy: Proxy, way: str, arrives: bool
) -> None:
    host = JobHost(proxy.url(shared_schema()))

    @host.task
    def note(number: int) -> None: ...

    with host:
        note.enqueue(0)
        if arrives:
            proxy.lose_next(b"SELECT 1\0")
        else:
            proxy.withhold_next(b'{"number":1}')
        job = note.enqueue(1) if way == "sync" else asyncio.run(note.aenqueue(1))
        assert proxy.lost == 1
        assert count_jobs() == 2
        assert job.status().payload == '{"number":1}'
        assert host.store.read(look.tally)


def _hold_lease(node: int) -> Plan[list[Any]]:
    found = yield Statement("hold_lease", {"node": node}, alone=True)
    return found.rows
