"""What a caller may hand over: each kind in its own words, and everything else with a next step."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from postgres_server import ask, drop_schema, migrated, new_schema, server_url, shared_schema
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobhost import JobHost, StoreError, Task, UsageError
from jobhost.clock import SystemClock
from jobhost.errors import StoreReadOnly
from jobhost.store.postgres.catalogue import statements
from jobhost.store.postgres.target import read_target

from ..crew import OwnServer
from .orders import Caller

Pack = Task[[str], str, str]


def parameters() -> dict[str, Any]:
    return read_target(server_url(), SystemClock()).parameters


def behind_a_pooler() -> bool:
    return read_target(server_url(), SystemClock()).pooled


@pytest.fixture
def pack(pg_host: JobHost) -> Pack:
    @pg_host.task
    def pack(order: str) -> str:
        return f"packed {order}"

    return pack


def payloads() -> list[str]:
    return [text for (text,) in ask(f"SELECT payload FROM {shared_schema()}.job ORDER BY number")]


# --- What is accepted --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A caller's connection, and how its library ends transactions; `undone` is a savepoint that
    is rolled back."""

    connection: Any
    commit: Callable[[], Any]
    rollback: Callable[[], Any]
    undone: Callable[[], AbstractContextManager[Any]]


class Pooled(psycopg.Connection[Any]):
    """Of a class of the caller's, as pools hand them out."""


class ShopSession(Session):
    """Of a class of a framework's, as Flask-SQLAlchemy makes them."""


class LocalProxy:
    """Stands for what a function gives, as in the library of which it has the name."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._get_current_object = find


LocalProxy.__module__ = "werkzeug.local"


def connect(kind: type["psycopg.Connection[Any]"]) -> "psycopg.Connection[Any]":
    raw = kind.connect(**parameters())
    raw.prepare_threshold = None  # a pooler may stand in between
    return raw


async def connect_async() -> "psycopg.AsyncConnection[Any]":
    raw = await psycopg.AsyncConnection.connect(**parameters())
    raw.prepare_threshold = None
    return raw


@contextmanager
def engine_here() -> Iterator[Engine]:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connect(psycopg.Connection[Any])
    )
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def undone(begin_nested: Callable[[], Any]) -> Iterator[None]:
    with begin_nested() as savepoint:
        yield
        savepoint.rollback()


@contextmanager
def of_psycopg(kind: type["psycopg.Connection[Any]"]) -> Iterator[Use]:
    with connect(kind) as raw:
        yield Use(
            connection=raw,
            commit=raw.commit,
            rollback=raw.rollback,
            undone=lambda: raw.transaction(force_rollback=True),
        )


@contextmanager
def of_sqlalchemy(make: Callable[[Engine], Any], wrap: Callable[[Any], Any]) -> Iterator[Use]:
    with engine_here() as engine:
        made = make(engine)
        yield Use(
            connection=wrap(made),
            commit=made.commit,
            rollback=made.rollback,
            undone=lambda: undone(made.begin_nested),
        )
        made.close()


def scoped(engine: Engine) -> Any:
    return scoped_session(sessionmaker(engine))


def of_a_framework(engine: Engine) -> Any:
    return scoped_session(sessionmaker(engine, class_=ShopSession), scopefunc=lambda: "request")


def as_it_is(made: Any) -> Any:
    return made


def behind_a_proxy(made: Any) -> LocalProxy:
    return LocalProxy(lambda: made)


KINDS: dict[str, Callable[[], AbstractContextManager[Use]]] = {
    "psycopg": lambda: of_psycopg(psycopg.Connection[Any]),
    "psycopg, a class of the caller's": lambda: of_psycopg(Pooled),
    "SQLAlchemy Connection": lambda: of_sqlalchemy(Engine.connect, as_it_is),
    "SQLAlchemy Session": lambda: of_sqlalchemy(Session, as_it_is),
    "SQLAlchemy scoped_session": lambda: of_sqlalchemy(scoped, as_it_is),
    "a framework's scoped_session": lambda: of_sqlalchemy(of_a_framework, as_it_is),
    "a proxy of a scoped_session": lambda: of_sqlalchemy(of_a_framework, behind_a_proxy),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_follows_commit_rollback_and_savepoint_of_each_kind(
    pg_host: JobHost, pack: Pack, kind: str
) -> None:
    with KINDS[kind]() as use:
        pack.enqueue_with(use.connection, "gone")
        use.rollback()
        outer = pack.enqueue_with(use.connection, "outer")
        with use.undone():
            pack.enqueue_with(use.connection, "inner")
        assert payloads() == []
        use.commit()
    assert payloads() == ['{"order":"outer"}']
    pg_host.worker(burst=True).run()
    assert outer.result("20s") == "packed outer"


def test_a_block_of_engine_begin_commits_with_its_end(pack: Pack) -> None:
    class CancelledError(Exception):
        pass

    with engine_here() as engine:
        with pytest.raises(CancelledError), engine.begin() as connection:
            pack.enqueue_with(connection, "gone")
            raise CancelledError
        with engine.begin() as connection:
            pack.enqueue_with(connection, "kept")
            assert payloads() == []
    assert payloads() == ['{"order":"kept"}']


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncUse:
    """Likewise, on an event loop."""

    connection: Any
    commit: Callable[[], Any]
    rollback: Callable[[], Any]
    undone: Callable[[], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def undone_async(begin_nested: Callable[[], Any]) -> AsyncIterator[None]:
    async with begin_nested() as savepoint:
        yield
        await savepoint.rollback()


@asynccontextmanager
async def of_psycopg_async() -> AsyncIterator[AsyncUse]:
    async with await connect_async() as raw:
        yield AsyncUse(
            connection=raw,
            commit=raw.commit,
            rollback=raw.rollback,
            undone=lambda: raw.transaction(force_rollback=True),
        )


@asynccontextmanager
async def of_sqlalchemy_async(
    make: Callable[[AsyncEngine], Any], wrap: Callable[[Any], Any]
) -> AsyncIterator[AsyncUse]:
    engine = create_async_engine("postgresql+psycopg://", async_creator=connect_async)
    made = make(engine)
    if isinstance(made, AsyncSession | async_scoped_session):
        end = made.close
    else:
        made = await made
        end = made.close
    yield AsyncUse(
        connection=wrap(made),
        commit=made.commit,
        rollback=made.rollback,
        undone=lambda: undone_async(made.begin_nested),
    )
    await end()
    await engine.dispose()


def scoped_async(engine: AsyncEngine) -> Any:
    return async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)


ASYNC_KINDS: dict[str, Callable[[], AbstractAsyncContextManager[AsyncUse]]] = {
    "psycopg": of_psycopg_async,
    "SQLAlchemy AsyncConnection": lambda: of_sqlalchemy_async(AsyncEngine.connect, as_it_is),
    "SQLAlchemy AsyncSession": lambda: of_sqlalchemy_async(AsyncSession, as_it_is),
    "SQLAlchemy async_scoped_session": lambda: of_sqlalchemy_async(scoped_async, as_it_is),
    "a proxy of one": lambda: of_sqlalchemy_async(scoped_async, behind_a_proxy),
}


@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_a_job_follows_commit_rollback_and_savepoint_of_each_asynchronous_kind(
    pg_host: JobHost, pack: Pack, kind: str
) -> None:
    async def run() -> Any:
        async with ASYNC_KINDS[kind]() as use:
            await pack.aenqueue_with(use.connection, "gone")
            await use.rollback()
            outer = await pack.aenqueue_with(use.connection, "outer")
            async with use.undone():
                await pack.aenqueue_with(use.connection, "inner")
            assert payloads() == []
            with pytest.raises(UsageError, match=r"is asynchronous: await task\.aenqueue_with"):
                pack.enqueue_with(use.connection, "a")
            await use.commit()
        return outer

    outer = asyncio.run(run())
    assert payloads() == ['{"order":"outer"}']
    pg_host.worker(burst=True).run()
    assert outer.result("20s") == "packed outer"


# --- What is refused ---------------------------------------------------------------------------


def foreign(place: str) -> Any:
    """An object of a library that is not installed here, as far as it can be told from outside."""
    module, _, name = place.rpartition(".")
    return type(name, (), {"__module__": module})()


@pytest.mark.parametrize(
    ("place", "next_step"),
    [
        ("asyncpg.connection.Connection", r"another driver: connect with psycopg 3.*'enqueue'"),
        ("asyncpg.pool.PoolConnectionProxy", "another driver: connect with psycopg 3"),
        ("psycopg2.extensions.connection", r"begins with postgresql\+psycopg://"),
        ("psycopg_pool.base.BasePool", r"with pool\.connection\(\) as connection"),
        ("flask_sqlalchemy.extension.SQLAlchemy", r"give db\.session instead"),
        ("somewhere.Else", "$"),
    ],
)
def test_an_object_of_another_library_is_refused_with_what_is_accepted(
    pack: Pack, place: str, next_step: str
) -> None:
    expected = rf"^expected a connection of psycopg 3, .*; got a {place}.*{next_step}"
    with pytest.raises(UsageError, match=expected):
        pack.enqueue_with(foreign(place), "a")
    with pytest.raises(UsageError, match=expected):
        asyncio.run(pack.aenqueue_with(foreign(place), "a"))


def test_what_makes_connections_is_refused_naming_how_it_makes_one(
    pack: Pack, caller: Caller
) -> None:
    with engine_here() as engine:
        with pytest.raises(UsageError, match=r"with engine\.begin\(\) as connection"):
            pack.enqueue_with(engine, "a")
        with pytest.raises(UsageError, match="give a session that it made"):
            pack.enqueue_with(sessionmaker(engine), "a")
    with pytest.raises(UsageError, match="give its connection instead"), caller.cursor() as cursor:
        pack.enqueue_with(cursor, "a")
    with pytest.raises(UsageError, match=r"async with engine\.begin\(\) as connection"):
        asyncio.run(pack.aenqueue_with(create_async_engine("postgresql+psycopg://"), "a"))
    with pytest.raises(UsageError, match="give a session that it made"):
        asyncio.run(pack.aenqueue_with(async_sessionmaker(), "a"))


def test_a_connection_to_a_file_of_sqlite_is_refused(pack: Pack) -> None:
    opened = sqlite3.connect(":memory:")
    with pytest.raises(UsageError, match="the store's is PostgreSQL"):
        pack.enqueue_with(opened, "a")
    opened.close()
    engine = create_engine("sqlite://")
    with Session(engine) as session, pytest.raises(UsageError, match="the store's is PostgreSQL"):
        pack.enqueue_with(session, "a")
    engine.dispose()


def test_a_failed_transaction_is_refused_with_the_next_step_and_a_savepoint_saves_it(
    pack: Pack, caller: Caller
) -> None:
    caller.execute(b"SELECT")
    with pytest.raises(psycopg.errors.UndefinedTable), caller.transaction():
        try:
            caller.execute(b"SELECT FROM no_such_table")
        finally:
            with pytest.raises(StoreError, match=r"your transaction has failed.*roll back"):
                pack.enqueue_with(caller, "a")
    pack.enqueue_with(caller, "b")
    caller.commit()
    assert payloads() == ['{"order":"b"}']


def test_a_session_that_must_be_rolled_back_says_so_in_its_own_words(pack: Pack) -> None:
    with engine_here() as engine, Session(engine) as session:
        session.connection().invalidate()
        with pytest.raises(PendingRollbackError, match="rollback"):
            pack.enqueue_with(session, "a")
        session.rollback()
        pack.enqueue_with(session, "b")
        session.commit()
    assert payloads() == ['{"order":"b"}']


def test_a_transaction_that_only_reads_is_refused(pack: Pack, caller: Caller) -> None:
    caller.execute(b"SET TRANSACTION READ ONLY")
    with pytest.raises(StoreReadOnly, match="your transaction may only read"):
        pack.enqueue_with(caller, "a")


def test_a_pipeline_in_autocommit_needs_a_transaction_too(pack: Pack, caller: Caller) -> None:
    caller.autocommit = True
    with caller.pipeline():
        caller.execute(b"SELECT")
        with pytest.raises(UsageError, match="no transaction open"):
            pack.enqueue_with(caller, "a")
    with caller.pipeline(), caller.transaction():
        pack.enqueue_with(caller, "b")
    assert payloads() == ['{"order":"b"}']


def test_a_refused_connection_of_sqlalchemy_is_left_as_it_was(pack: Pack) -> None:
    with (
        engine_here() as engine,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        with pytest.raises(UsageError, match="no transaction open"):
            pack.enqueue_with(connection, "a")
        assert not connection.in_transaction()


# --- Which database ----------------------------------------------------------------------------


def test_jobs_go_to_the_hosts_schema_whatever_the_search_path(pack: Pack, caller: Caller) -> None:
    other = new_schema()
    migrated(other).close()
    try:
        caller.execute(f"SET search_path = {other}".encode())
        pack.enqueue_with(caller, "a")
        caller.commit()
        assert payloads() == ['{"order":"a"}']
        assert ask(f"SELECT id FROM {other}.job") == []
    finally:
        caller.rollback()
        drop_schema(other)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[OwnServer, OwnServer]]:
    made = OwnServer("fsync=off"), OwnServer("fsync=off")
    yield made
    for server in made:
        server.stop()


def test_a_database_of_the_same_name_and_schema_on_another_server_is_refused(
    servers: tuple[OwnServer, OwnServer],
) -> None:
    home, other = servers
    for server in servers:
        with JobHost(f"{server.url}&schema=twins") as host:
            host.migrate()
    with JobHost(f"{home.url}&schema=twins") as host:
        task = host.task(name="pack")(lambda: None)
        with psycopg.connect(other.url) as caller:
            with pytest.raises(UsageError, match=r"connection leads to .* live in"):
                task.enqueue_with(caller)
            caller.commit()
        assert other.ask("SELECT id FROM twins.job") == []
        with psycopg.connect(home.url) as caller:
            task.enqueue_with(caller)
        assert len(home.ask("SELECT id FROM twins.job")) == 1


def test_a_server_that_was_started_anew_is_known_again(
    servers: tuple[OwnServer, OwnServer],
) -> None:
    server = servers[0]
    with JobHost(f"{server.url}&schema=anew") as host:
        host.migrate()
        task = host.task(name="pack")(lambda: None)
        with psycopg.connect(server.url) as caller:
            task.enqueue_with(caller)
        server.crash()
        server.start()
        with psycopg.connect(server.url) as caller:
            task.enqueue_with(caller)
            task.enqueue_with(caller)
        assert len(server.ask("SELECT id FROM anew.job")) == 3


@pytest.mark.parametrize("name", ["enqueue_ready_within", "enqueue_scheduled_within"])
def test_the_statement_itself_does_nothing_elsewhere(
    pg_host: JobHost, pack: Pack, caller: Caller, name: str
) -> None:
    pack.enqueue_with(caller, "here")
    caller.commit()
    given = {
        "started": 1,
        "database": "postgres",
        "task": "pack",
        "queue": "default",
        "priority": 0,
        "parent": None,
        "ids": ["01890a5d-ac96-774b-bcce-b302099a8057"],
        "payloads": ["{}"],
        "envelopes": [None],
        "run_at": 0,
        "delay_us": None,
    }
    text = statements(shared_schema(), server_time=True)[name].text
    assert caller.execute(text, given).fetchall() == [(False, 0)]
    caller.commit()
    assert payloads() == ['{"order":"here"}']


# --- What it costs -----------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [None, "1h"])
def test_an_enqueue_is_one_statement(caller: Caller, pack: Pack, delay: str | None) -> None:
    bound = pack.using(delay=delay) if delay else pack.using()
    bound.enqueue_with(caller, "first")
    with tempfile.TemporaryFile() as log:
        caller.pgconn.trace(log.fileno())
        bound.enqueue_with(caller, "second")
        caller.pgconn.untrace()
        log.seek(0)
        sent = [line.split(b"\t")[3] for line in log if b"\tF\t" in line]
    assert sent.count(b"Execute") + sent.count(b"Query") == 1
    assert sent.count(b"Sync") <= 1


def test_a_statement_is_prepared_as_the_callers_own_would_be(caller: Caller, pack: Pack) -> None:
    if behind_a_pooler():
        pytest.skip("a caller who prepares behind a pooler has lost already")
    count = b"SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%job%%envelope%%'"

    def prepared() -> int:
        ((found,),) = caller.execute(count, prepare=False).fetchall()
        assert isinstance(found, int)
        return found

    for _ in range(10):
        pack.enqueue_with(caller, "a")
    assert prepared() == 0
    caller.prepare_threshold = 2
    for _ in range(10):
        pack.enqueue_with(caller, "b")
    assert prepared() == 1
    caller.commit()
    assert len(payloads()) == 20
