"""Enqueueing inside a transaction of the caller's own: the job exists if and only if it commits."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import ask, connect, server_url, shared_schema, store_url
from psycopg.rows import dict_row
from psycopg.types.string import StrDumper
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobhost import JobHost, StoreError, Task, UsageError
from jobhost.clock import SystemClock
from jobhost.store.postgres.target import read_target

from .orders import Caller, Orders, Serving

Pack = Task[[str], str, str]


def parameters() -> dict[str, Any]:
    return read_target(server_url(), SystemClock()).parameters


def behind_a_pooler() -> bool:
    return read_target(server_url(), SystemClock()).pooled


async def connect_async() -> "psycopg.AsyncConnection[Any]":
    raw = await psycopg.AsyncConnection.connect(**parameters())
    raw.prepare_threshold = None
    return raw


@pytest.fixture
def pack(pg_host: JobHost) -> Pack:
    @pg_host.task
    def pack(order: str) -> str:
        return f"packed {order}"

    return pack


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**parameters()))
    yield engine
    engine.dispose()


def payloads() -> list[str]:
    return [text for (text,) in ask(f"SELECT payload FROM {shared_schema()}.job ORDER BY number")]


def states(host: JobHost) -> list[str]:
    return [job.state for job in host.jobs()]


@pytest.mark.requirement("R-EVT-3")
def test_a_job_exists_if_and_only_if_its_callers_transaction_commits(
    caller: Caller, pack: Pack, orders: Orders
) -> None:
    caller.execute(orders.insert("a").encode())
    pack.enqueue_with(caller, "a")
    caller.rollback()
    assert (orders.names, payloads()) == ([], [])
    caller.execute(orders.insert("b").encode())
    job = pack.enqueue_with(caller, "b")
    assert payloads() == []
    caller.commit()
    assert (orders.names, payloads()) == (["b"], ['{"order":"b"}'])
    assert job.status().state == "ready"


def test_all_of_many_jobs_exist_or_none(caller: Caller, pack: Pack) -> None:
    calls = [(str(number),) for number in range(2_500)]
    pack.enqueue_many_with(caller, calls)
    caller.rollback()
    assert payloads() == []
    jobs = pack.enqueue_many_with(caller, calls)
    caller.commit()
    assert payloads() == [f'{{"order":"{number}"}}' for number in range(2_500)]
    assert len(jobs) == 2_500
    assert pack.enqueue_many_with(caller, []) == []


def test_options_travel_with_the_job(caller: Caller, pack: Pack) -> None:
    slow = pack.using(delay="1h", queue="slow", priority=7, tags=["x"])
    later = slow.enqueue_with(caller, "ä€😀")
    caller.commit()
    found = later.status()
    assert (found.state, found.queue, found.priority) == ("scheduled", "slow", 7)
    assert (found.envelope.tags, found.payload) == (("x",), '{"order":"ä€😀"}')


def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(caller: Caller, pack: Pack) -> None:
    pack.enqueue_with(caller, "before")
    with caller.transaction():
        pack.enqueue_with(caller, "kept")
    with caller.transaction(force_rollback=True):
        pack.enqueue_with(caller, "gone")
    caller.commit()
    assert payloads() == ['{"order":"before"}', '{"order":"kept"}']


def test_a_worker_sees_nothing_of_an_open_transaction_and_the_job_soon_after_its_commit(
    caller: Caller, pg_host: JobHost, pack: Pack, serving: Serving
) -> None:
    with serving(pg_host):
        early = pack.enqueue_with(caller, "early")
        assert [pack.enqueue(str(n)).result("20s") for n in range(3)] == [
            f"packed {n}" for n in range(3)
        ]
        caller.commit()
        assert early.result("20s") == "packed early"
        due = pack.using(delay="10ms").enqueue_with(caller, "due")
        caller.commit()
        assert due.result("20s") == "packed due"


def test_a_commit_is_announced_even_if_no_worker_wanted_to_be_woken_at_the_enqueue(
    caller: Caller, pg_host: JobHost, pack: Pack
) -> None:
    if behind_a_pooler():
        pytest.skip("nobody listens through a pooler")
    schema = shared_schema()
    ask(
        f"INSERT INTO {schema}.node (number, id, host, pid, version, slots, queues, tasks, "
        "started_at, heartbeat_at, lease_until, wakeable) "
        "VALUES (1, 'n', 'h', 1, '1', 1, '[]', '[]', 0, 0, 0, false)"
    )
    with connect() as listener:
        listener.execute(f'LISTEN "{schema}:wake"'.encode())
        pack.enqueue_with(caller, "a")
        assert list(listener.notifies(timeout=0.2)) == []
        caller.commit()
        (heard,) = listener.notifies(timeout=20, stop_after=1)
    assert heard.payload == ""


def test_nothing_of_the_callers_connection_is_changed(caller: Caller, pack: Pack) -> None:
    class Shouting(StrDumper):
        def dump(self, obj: str) -> bytes:
            return obj.upper().encode()

    caller.row_factory = dict_row  # type: ignore[assignment]
    caller.cursor_factory = psycopg.ClientCursor
    caller.adapters.register_dumper(str, Shouting)
    settings = b"SELECT name, setting FROM pg_settings WHERE name <> 'transaction_isolation'"
    before = caller.execute(settings).fetchall()
    pack.enqueue_with(caller, "quiet")
    assert caller.execute(settings).fetchall() == before
    assert caller.execute(b"SELECT name FROM pg_prepared_statements").fetchall() == []
    assert caller.execute(b"SELECT %s AS said", ["x"]).fetchall() == [{"said": "X"}]
    assert caller.autocommit is False
    caller.commit()
    assert payloads() == ['{"order":"quiet"}']


def test_a_pipeline_of_the_callers_goes_on(caller: Caller, pack: Pack, orders: Orders) -> None:
    with caller.pipeline():
        caller.execute(orders.insert("a").encode())
        pack.enqueue_with(caller, "a")
        caller.execute(orders.insert("b").encode())
    caller.commit()
    assert (orders.names, payloads()) == (["a", "b"], ['{"order":"a"}'])


def test_a_connection_that_commits_by_itself_needs_a_transaction(
    caller: Caller, pack: Pack
) -> None:
    caller.autocommit = True
    with pytest.raises(UsageError, match=r"no transaction open .* or use enqueue"):
        pack.enqueue_with(caller, "a")
    with caller.transaction():
        pack.enqueue_with(caller, "b")
        assert payloads() == []
    assert payloads() == ['{"order":"b"}']


def test_a_closed_connection_is_refused(caller: Caller, pack: Pack) -> None:
    caller.close()
    with pytest.raises(UsageError, match="this connection is closed"):
        pack.enqueue_with(caller, "a")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_any_isolation_will_do(caller: Caller, pack: Pack, level: str) -> None:
    caller.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
    pack.enqueue_with(caller, "a")
    assert pack.enqueue("b").status().state == "ready"
    caller.commit()
    assert sorted(payloads()) == ['{"order":"a"}', '{"order":"b"}']


def test_a_connection_with_another_encoding_is_refused(caller: Caller, pack: Pack) -> None:
    caller.execute(b"SET client_encoding = 'LATIN1'")
    with pytest.raises(UsageError, match="client_encoding 'iso8859-1'"):
        pack.enqueue_with(caller, "ä")


def test_a_connection_to_another_database_is_refused_naming_both(pack: Pack) -> None:
    with psycopg.connect(**{**parameters(), "dbname": "template1"}) as elsewhere:
        with pytest.raises(UsageError, match=r"leads to 'template1' on .* live in 'postgres' on"):
            pack.enqueue_with(elsewhere, "a")
        with pytest.raises(UsageError, match="leads to 'template1'"):
            pack.enqueue_with(elsewhere, "a")
    assert payloads() == []


def test_a_host_on_sqlite_refuses_a_connection_to_postgres(host: JobHost, caller: Caller) -> None:
    host.migrate()
    task = host.task(name="pack")(lambda: None)
    with pytest.raises(UsageError, match=r"of sqlite3.*and the store's is a file of SQLite"):
        task.enqueue_with(caller)
    with pytest.raises(UsageError, match=r"of sqlite3.*and the store's is a file of SQLite"):
        asyncio.run(task.aenqueue_with(caller))


@pytest.mark.parametrize("wrong", [None, "postgresql://localhost/db", object()])
def test_what_is_no_connection_is_refused(pack: Pack, wrong: object) -> None:
    with pytest.raises(UsageError, match="expected a connection of psycopg 3, or one through it"):
        pack.enqueue_with(wrong, "a")
    with pytest.raises(UsageError, match="expected a connection of psycopg 3, or one through it"):
        asyncio.run(pack.aenqueue_with(wrong, "a"))


def test_an_error_of_the_server_comes_as_the_stores_with_its_cause(
    caller: Caller, pack: Pack
) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        caller.execute(b"SELECT FROM no_such_table")
    with pytest.raises(StoreError, match="current transaction is aborted") as raised:
        pack.enqueue_with(caller, "a")
    assert isinstance(raised.value.__cause__, psycopg.errors.InFailedSqlTransaction)


# --- On an event loop --------------------------------------------------------------------------


def test_an_asynchronous_connection_of_psycopg(pack: Pack) -> None:
    async def run() -> None:
        async with await connect_async() as caller:
            await pack.aenqueue_with(caller, "gone")
            await caller.rollback()
            await pack.aenqueue_with(caller, "kept")
            await pack.aenqueue_many_with(caller, [("1",), ("2",)])
            assert payloads() == []
            await caller.commit()

    asyncio.run(run())
    assert payloads() == [f'{{"order":"{name}"}}' for name in ("kept", "1", "2")]


def test_sync_and_async_are_not_mixed(pack: Pack, caller: Caller) -> None:
    async def run() -> None:
        with pytest.raises(UsageError, match="is synchronous and would block the event loop"):
            await pack.aenqueue_with(caller, "a")
        async with await connect_async() as other:
            with pytest.raises(UsageError, match=r"await task\.aenqueue_with"):
                pack.enqueue_with(other, "a")
            await other.set_autocommit(True)
            with pytest.raises(UsageError, match="no transaction open"):
                await pack.aenqueue_with(other, "a")

    asyncio.run(run())


# --- SQLAlchemy --------------------------------------------------------------------------------


def test_a_connection_of_sqlalchemy_commits_a_job_that_was_its_first_statement(
    pack: Pack, engine: Engine
) -> None:
    with engine.connect() as connection:
        pack.enqueue_with(connection, "gone")
        connection.rollback()
        pack.enqueue_with(connection, "kept")
        assert payloads() == []
        connection.commit()
    with engine.begin() as connection:
        pack.enqueue_with(connection, "begun")
    assert payloads() == ['{"order":"kept"}', '{"order":"begun"}']


@pytest.mark.parametrize("make", [lambda e: Session(e), lambda e: scoped_session(sessionmaker(e))])
def test_a_session_of_sqlalchemy(
    pack: Pack, engine: Engine, orders: Orders, make: Callable[[Engine], Session]
) -> None:
    session = make(engine)
    session.execute(text(orders.insert("gone")))
    pack.enqueue_with(session, "gone")
    session.rollback()
    with session.begin():
        session.execute(text(orders.insert("kept")))
        pack.enqueue_with(session, "kept")
        with session.begin_nested() as savepoint:
            pack.enqueue_with(session, "undone")
            savepoint.rollback()
    session.close()
    assert (orders.names, payloads()) == (["kept"], ['{"order":"kept"}'])


def test_a_sqlalchemy_connection_in_autocommit_is_refused(pack: Pack, engine: Engine) -> None:
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(UsageError, match="no transaction open"),
    ):
        pack.enqueue_with(connection, "a")


def test_a_sqlalchemy_connection_through_another_driver_is_refused(pack: Pack) -> None:
    with (
        create_engine("sqlite://").connect() as connection,
        pytest.raises(UsageError, match=r"got a sqlalchemy\S+Connection around a sqlite3"),
    ):
        pack.enqueue_with(connection, "a")


def test_asynchronous_sqlalchemy(pack: Pack, orders: Orders) -> None:
    async def run() -> None:
        engine = create_async_engine("postgresql+psycopg://", async_creator=connect_async)
        async with AsyncSession(engine) as session:
            await pack.aenqueue_with(session, "gone")
            await session.rollback()
            await session.execute(text(orders.insert("kept")))
            await pack.aenqueue_with(session, "kept")
            with pytest.raises(UsageError, match=r"await task\.aenqueue_with"):
                pack.enqueue_with(session, "a")
            with pytest.raises(UsageError, match=r"await task\.aenqueue_with"):
                await session.run_sync(lambda inner: pack.enqueue_with(inner, "a"))
            assert payloads() == []
            await session.commit()
        async with engine.begin() as connection:
            await pack.aenqueue_with(connection, "begun")
        await engine.dispose()

    asyncio.run(run())
    assert orders.names == ["kept"]
    assert payloads() == ['{"order":"kept"}', '{"order":"begun"}']


# --- Django ------------------------------------------------------------------------------------

DJANGO = Path(__file__).parent / "shops" / "django_shop.py"


def test_the_connection_of_django(pg_host: JobHost, orders: Orders) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", DJANGO, store_url(shared_schema()), orders.table],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert orders.names == ["kept"]
    assert payloads() == ['{"order":"kept"}', '{"order":"by alias"}']
