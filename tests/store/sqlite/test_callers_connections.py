"""Enqueueing on a caller's own connection to the file, however that connection is set up."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jobhost import (
    JobHost,
    SchemaMismatch,
    StoreBusy,
    StoreError,
    StoreMoved,
    StoreReadOnly,
    StoreUnavailable,
    Task,
    UsageError,
)
from jobhost.store.move.source import Source
from jobhost.store.sqlite.store import SqliteStore

Pack = Task[[str], str, str]
Query = Callable[[str], list[tuple[Any, ...]]]

PRAGMAS = (
    "busy_timeout",
    "cache_size",
    "foreign_keys",
    "journal_mode",
    "recursive_triggers",
    "synchronous",
    "temp_store",
    "trusted_schema",
    "wal_autocheckpoint",
)


@pytest.fixture
def host(path: Path) -> Iterator[JobHost]:
    """A host on a file in which a user has orders."""
    with JobHost(f"sqlite:///{path}") as host:
        host.migrate()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE orders (name TEXT NOT NULL)")
        yield host


@pytest.fixture
def pack(host: JobHost) -> Pack:
    @host.task
    def pack(order: str) -> str:
        return f"packed {order}"

    return pack


@pytest.fixture
def payloads(query: Query) -> Callable[[], list[str]]:
    return lambda: [text for (text,) in query("SELECT payload FROM jobhost_job ORDER BY number")]


Payloads = Callable[[], list[str]]


def settings(connection: sqlite3.Connection) -> dict[str, Any]:
    cursor = sqlite3.Cursor(connection)
    found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
    return {
        **found,
        "isolation_level": connection.isolation_level,
        "row_factory": connection.row_factory,
        "text_factory": connection.text_factory,
    }


# --- However it is set up ----------------------------------------------------------------------


@pytest.mark.parametrize("level", ["", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"])
def test_the_first_statement_of_a_connection_begins_its_transaction(
    path: Path, pack: Pack, payloads: Payloads, level: Any
) -> None:
    with closing(sqlite3.connect(path, isolation_level=level)) as caller:
        pack.enqueue_with(caller, "gone")
        assert caller.in_transaction
        caller.rollback()
        with caller:
            pack.enqueue_with(caller, "a")
            caller.execute("INSERT INTO orders VALUES ('a')")
            pack.enqueue_with(caller, "b")
            assert payloads() == []
    assert payloads() == ['{"order":"a"}', '{"order":"b"}']


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "SAVEPOINT mine"])
@pytest.mark.parametrize("level", [None, "", "IMMEDIATE"])
def test_a_transaction_that_the_caller_has_begun_is_the_callers_to_end(
    path: Path, pack: Pack, payloads: Payloads, begin: str, level: Any
) -> None:
    end = "RELEASE mine" if begin.startswith("SAVEPOINT") else "COMMIT"
    with closing(sqlite3.connect(path, isolation_level=level)) as caller:
        caller.execute(begin)
        pack.enqueue_with(caller, "gone")
        caller.execute("ROLLBACK")
        caller.execute(begin)
        pack.enqueue_with(caller, "kept")
        assert caller.in_transaction
        assert payloads() == []
        caller.execute(end)
    assert payloads() == ['{"order":"kept"}']


def garbage(text: bytes) -> object:
    raise ValueError("no text for you")


@pytest.mark.parametrize("text_factory", [str, bytes, bytearray, lambda _: None, garbage])
@pytest.mark.parametrize("row_factory", [None, sqlite3.Row, lambda _cursor, _row: {}])
def test_factories_of_the_caller_change_no_job_and_stay(
    path: Path, pack: Pack, payloads: Payloads, row_factory: Any, text_factory: Any
) -> None:
    with closing(sqlite3.connect(path)) as caller:
        caller.row_factory, caller.text_factory = row_factory, text_factory
        once = pack.using(idempotency_key="one", unique="one")
        job = once.enqueue_with(caller, "ä€😀")
        again = once.enqueue_with(caller, "ä€😀")
        assert (caller.row_factory, caller.text_factory) == (row_factory, text_factory)
        caller.commit()
    assert payloads() == ['{"order":"ä€😀"}']
    assert (job.id, job.status().state) == (again.id, "ready")


def test_converters_of_the_caller_change_no_job(path: Path, pack: Pack, payloads: Payloads) -> None:
    detect = sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES
    with closing(sqlite3.connect(path, detect_types=detect)) as caller, caller:
        pack.enqueue_with(caller, "a")
    assert payloads() == ['{"order":"a"}']


def test_no_setting_of_the_connection_is_changed(path: Path, pack: Pack) -> None:
    with closing(sqlite3.connect(path, timeout=3.5)) as caller:
        for setting in ("foreign_keys = ON", "recursive_triggers = ON", "synchronous = OFF"):
            caller.execute(f"PRAGMA {setting}")
        before = settings(caller)
        pack.enqueue_with(caller, "a")
        caller.commit()
        assert settings(caller) == before


def test_a_class_of_the_callers_own_is_a_connection_too(
    path: Path, pack: Pack, payloads: Payloads
) -> None:
    class Odd(sqlite3.Connection):
        def cursor(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("not asked")

    with closing(sqlite3.connect(path, factory=Odd)) as caller, caller:
        pack.enqueue_with(caller, "a")
    assert payloads() == ['{"order":"a"}']


def test_the_file_may_be_reached_by_another_name(
    path: Path, pack: Pack, payloads: Payloads, tmp_path: Path
) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with closing(sqlite3.connect(tmp_path / "link.db")) as caller, caller:
        pack.enqueue_with(caller, "a")
    with closing(sqlite3.connect(path.as_uri() + "?mode=rw", uri=True)) as caller, caller:
        pack.enqueue_with(caller, "b")
    assert payloads() == ['{"order":"a"}', '{"order":"b"}']


# --- Other libraries ---------------------------------------------------------------------------


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


KINDS: dict[str, Callable[[Engine], Any]] = {
    "Connection": Engine.connect,
    "Session": Session,
    "scoped_session": lambda engine: scoped_session(sessionmaker(engine)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_follows_commit_and_rollback_of_sqlalchemy(
    engine: Engine, pack: Pack, payloads: Payloads, query: Query, kind: str
) -> None:
    made = KINDS[kind](engine)
    pack.enqueue_with(made, "gone")
    made.rollback()
    pack.enqueue_with(made, "kept")
    made.execute(text("INSERT INTO orders VALUES ('kept')"))
    pack.enqueue_with(made, "kept too")
    assert payloads() == []
    made.commit()
    made.close()
    assert payloads() == ['{"order":"kept"}', '{"order":"kept too"}']
    assert query("SELECT name FROM orders") == [("kept",)]


def test_sqlalchemy_in_autocommit_is_refused(path: Path, pack: Pack, payloads: Payloads) -> None:
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
    with engine.connect() as made, pytest.raises(UsageError, match="commits each statement"):
        pack.enqueue_with(made, "a")
    engine.dispose()
    assert payloads() == []


def test_django_s_atomic_takes_jobs_along(path: Path, host: JobHost, payloads: Payloads) -> None:
    program = Path(__file__).with_name("django_on_sqlite.py")
    done = subprocess.run([sys.executable, program, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert payloads() == ['{"order":"kept"}', '{"order":"by alias"}']


def test_on_an_event_loop_a_connection_of_sqlite3_will_do(
    path: Path, pack: Pack, payloads: Payloads
) -> None:
    async def shop() -> None:
        with closing(sqlite3.connect(path)) as caller:
            await pack.aenqueue_with(caller, "gone")
            caller.rollback()
            await pack.aenqueue_with(caller, "a")
            await pack.aenqueue_many_with(caller, [("b",), ("c",)])
            caller.commit()

    asyncio.run(shop())
    assert payloads() == ['{"order":"a"}', '{"order":"b"}', '{"order":"c"}']


# --- What is refused ---------------------------------------------------------------------------


def test_a_connection_to_another_file_is_refused_naming_both(
    path: Path, pack: Pack, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as caller:
        caller.execute("CREATE TABLE orders (name TEXT NOT NULL)")
        caller.execute("INSERT INTO orders VALUES ('a')")
        for call in (pack.enqueue_with, lambda *args: asyncio.run(pack.aenqueue_with(*args))):
            with pytest.raises(UsageError) as refused:
                call(caller, "a")
            assert str(other) in str(refused.value)
            assert str(path) in str(refused.value)
        caller.commit()
        assert caller.execute("SELECT name FROM orders").fetchall() == [("a",)]


def test_a_connection_with_the_store_attached_is_refused(
    path: Path, pack: Pack, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as caller:
        caller.execute("ATTACH ? AS jobs", (str(path),))
        with pytest.raises(UsageError, match="as its main database"):
            pack.enqueue_with(caller, "a")


def test_a_copy_of_the_store_is_another_file(path: Path, pack: Pack, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
        closing(sqlite3.connect(path)) as source,
    ):
        source.backup(copy)
        with pytest.raises(UsageError, match=r"copy\.db"):
            pack.enqueue_with(copy, "a")


@pytest.mark.parametrize("name", [":memory:", ""])
def test_a_database_in_memory_is_refused(pack: Pack, name: str) -> None:
    with (
        closing(sqlite3.connect(name)) as caller,
        pytest.raises(UsageError, match="in memory or of no name"),
    ):
        pack.enqueue_with(caller, "a")


def test_a_connection_that_commits_by_itself_is_refused_with_the_next_step(
    path: Path, pack: Pack, payloads: Payloads
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as caller:
        with pytest.raises(UsageError, match="execute 'BEGIN IMMEDIATE' on it first"):
            pack.enqueue_with(caller, "a")
        assert not caller.in_transaction
    assert payloads() == []


def test_a_connection_of_another_thread_is_refused(path: Path, pack: Pack) -> None:
    made: list[sqlite3.Connection] = []
    thread = threading.Thread(target=lambda: made.append(sqlite3.connect(path)))
    thread.start()
    thread.join()
    with pytest.raises(UsageError, match="can only be used in that same thread"):
        pack.enqueue_with(made[0], "a")


@pytest.mark.parametrize(
    ("make", "next_step"),
    [
        (lambda path: sqlite3.connect(path).cursor(), "give its connection instead"),
        (lambda path: create_engine(f"sqlite:///{path}"), "with engine.begin"),
        (lambda _: AsyncSession(), "use a connection of sqlite3"),
        (lambda path: str(path), "got a builtins.str"),
    ],
)
def test_what_is_no_connection_is_refused_with_the_next_step(
    path: Path, pack: Pack, make: Callable[[Path], object], next_step: str
) -> None:
    wrong = make(path)
    with pytest.raises(UsageError, match=r"expected a connection of sqlite3") as refused:
        pack.enqueue_with(wrong, "a")
    assert next_step in str(refused.value)


def test_a_file_without_our_tables_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    with JobHost(f"sqlite:///{path}") as host, closing(sqlite3.connect(path)) as caller:

        @host.task
        def pack(order: str) -> None: ...

        caller.execute("CREATE TABLE orders (name TEXT NOT NULL)")
        caller.execute("INSERT INTO orders VALUES ('a')")
        with pytest.raises(SchemaMismatch, match=r"host\.migrate\(\)"):
            pack.enqueue_with(caller, "a")
        caller.commit()
        assert caller.execute("SELECT name FROM orders").fetchall() == [("a",)]
        names = caller.execute("SELECT name FROM sqlite_schema").fetchall()
        assert names == [("orders",)]


def test_without_a_file_there_is_no_store(tmp_path: Path) -> None:
    with (
        JobHost(f"sqlite:///{tmp_path / 'none.db'}") as host,
        closing(sqlite3.connect(":memory:")) as caller,
    ):

        @host.task
        def pack(order: str) -> None: ...

        with pytest.raises(StoreUnavailable, match="there is no store"):
            pack.enqueue_with(caller, "a")


# --- What fails leaves the caller's transaction as it was --------------------------------------


def held(caller: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """What the caller's transaction holds; it must still be open."""
    assert caller.in_transaction
    return caller.execute("SELECT name FROM orders").fetchall()


def test_a_statement_that_fails_in_the_middle_leaves_nothing_of_the_call(
    path: Path, pack: Pack, query: Query
) -> None:
    query(
        "CREATE TRIGGER refusal BEFORE INSERT ON jobhost_ready WHEN new.queue = 'bad' "
        "BEGIN SELECT RAISE(ABORT, 'not today'); END"
    )
    with closing(sqlite3.connect(path)) as caller:
        caller.execute("INSERT INTO orders VALUES ('a')")
        pack.enqueue_with(caller, "good")
        with pytest.raises(StoreError, match=r"not today.*your transaction is as it was"):
            pack.using(queue="bad").enqueue_with(caller, "bad")
        assert held(caller) == [("a",)]
        caller.commit()
    assert query("SELECT payload FROM jobhost_job") == [('{"order":"good"}',)]


def test_a_transaction_that_sqlite_has_rolled_back_is_told_so(
    path: Path, pack: Pack, query: Query
) -> None:
    query(
        "CREATE TRIGGER refusal BEFORE INSERT ON jobhost_ready "
        "BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END"
    )
    with closing(sqlite3.connect(path)) as caller:
        caller.execute("INSERT INTO orders VALUES ('a')")
        with pytest.raises(StoreError, match="your transaction was rolled back by SQLite"):
            pack.enqueue_with(caller, "a")
        assert not caller.in_transaction
    assert query("SELECT * FROM orders") == []


def test_a_transaction_begun_for_a_call_that_fails_is_not_left_open(
    path: Path, pack: Pack, query: Query
) -> None:
    query(
        "CREATE TRIGGER refusal BEFORE INSERT ON jobhost_ready "
        "BEGIN SELECT RAISE(ABORT, 'not today'); END"
    )
    with closing(sqlite3.connect(path)) as caller:
        with pytest.raises(StoreError, match="not today"):
            pack.enqueue_with(caller, "a")
        assert not caller.in_transaction


def test_a_store_that_was_moved_away_is_told_with_its_new_address(
    path: Path, pack: Pack, host: JobHost, payloads: Payloads
) -> None:
    store = host.store
    assert isinstance(store, SqliteStore)
    with closing(sqlite3.connect(path)) as caller:
        Source(store).freeze("postgresql://elsewhere/db")
        caller.execute("INSERT INTO orders VALUES ('a')")
        with pytest.raises(StoreMoved, match="postgresql://elsewhere/db"):
            pack.enqueue_with(caller, "a")
        assert held(caller) == [("a",)]
        caller.commit()
    assert payloads() == []


def test_a_connection_that_may_only_read_is_told_so(path: Path, pack: Pack) -> None:
    with closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)) as caller:
        caller.execute("BEGIN")
        with pytest.raises(StoreReadOnly):
            pack.enqueue_with(caller, "a")
        assert held(caller) == []


@pytest.mark.parametrize("begun", [True, False])
def test_a_file_that_is_locked_for_longer_than_the_caller_waits_is_busy(
    path: Path, pack: Pack, payloads: Payloads, begun: bool
) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as stranger,
        closing(sqlite3.connect(path, timeout=0.05)) as caller,
    ):
        stranger.execute("BEGIN IMMEDIATE")
        if begun:
            caller.execute("BEGIN")
        with pytest.raises(StoreBusy):
            pack.enqueue_with(caller, "a")
        assert caller.in_transaction is begun
        stranger.execute("ROLLBACK")
        pack.enqueue_with(caller, "b")
        caller.commit()
    assert payloads() == ['{"order":"b"}']


def others_write(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("INSERT INTO orders VALUES ('of others')")


def test_a_transaction_that_read_before_others_wrote_is_told_what_to_do(
    path: Path, pack: Pack
) -> None:
    with closing(sqlite3.connect(path)) as caller:
        caller.execute("BEGIN")
        assert held(caller) == []
        others_write(path)
        with pytest.raises(StoreBusy, match="begin with 'BEGIN IMMEDIATE'"):
            pack.enqueue_with(caller, "a")
        assert held(caller) == []


def test_a_call_does_not_leave_a_transaction_that_has_not_read_yet_in_the_past(
    path: Path, pack: Pack, payloads: Payloads
) -> None:
    with closing(sqlite3.connect(path)) as caller:
        caller.execute("BEGIN")
        pack.enqueue_many_with(caller, [])  # looks where the connection leads, and no more
        others_write(path)
        pack.enqueue_with(caller, "a")
        caller.commit()
    assert payloads() == ['{"order":"a"}']
