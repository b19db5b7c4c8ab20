"""Files of other programs: shared where they leave us our names, else refused and left alone."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.errors import StoreDamaged
from jobhost.store.plans import look
from jobhost.store.sqlite.store import SqliteStore

from ..conservation import Query

Accept = Callable[..., list[bytes]]

TAKEN = {
    "a table of ours": "CREATE TABLE jobhost_job (id INTEGER, title TEXT);",
    "a view of ours, in capitals": "CREATE VIEW JOBHOST_JOBS AS SELECT 1;",
    "a ledger with other columns": "CREATE TABLE jobhost_migration (version TEXT);",
    "a ledger with other rows": "CREATE TABLE jobhost_migration (number INTEGER, name TEXT);"
    "INSERT INTO jobhost_migration VALUES (1, '0001_users'), (2, '0002_orders');",
    "an empty ledger beside a table": "CREATE TABLE jobhost_migration (number INTEGER, name TEXT);"
    "CREATE TABLE jobhost_ready (x);",
}

NO_DATABASES = {
    "a short text": b"dear diary",
    "a long text": b"dear diary, this is not a database " * 1000,
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
}


def make(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE orders (x); INSERT INTO orders VALUES (7);{script}")


def refuse(store: SqliteStore, path: Path, accept: Accept, words: str) -> None:
    """Each way to use the file is refused with these words, and leaves no trace."""
    before = path.read_bytes()
    for use in (
        lambda: accept(store),
        lambda: store.read(look.tally),
        store.migrate,
        store.session,
    ):
        with pytest.raises(StoreDamaged, match=words):
            use()
        assert list(path.parent.iterdir()) == [path]
        assert path.read_bytes() == before


@pytest.mark.parametrize("script", TAKEN.values(), ids=TAKEN.keys())
def test_a_database_in_which_another_program_has_our_names_is_refused_and_left_as_it_is(
    store: SqliteStore, path: Path, accept: Accept, script: str
) -> None:
    make(path, script)
    refuse(store, path, accept, r"jobs\.db does not belong to jobhost, .*: choose another path")


def test_such_a_database_stays_in_the_journal_mode_that_it_has(
    store: SqliteStore, path: Path, query: Query, accept: Accept
) -> None:
    make(path, TAKEN["a table of ours"])
    with pytest.raises(StoreDamaged, match="jobhost_job"):
        accept(store)
    assert query("PRAGMA journal_mode") == [("delete",)]
    query("PRAGMA journal_mode = WAL")
    refuse(store, path, accept, "jobhost_job")


@pytest.mark.parametrize("content", NO_DATABASES.values(), ids=NO_DATABASES.keys())
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(
    store: SqliteStore, path: Path, accept: Accept, content: bytes
) -> None:
    path.write_bytes(content)
    refuse(store, path, accept, r"jobs\.db is not an SQLite database; choose another path")


def test_an_application_that_leaves_us_our_names_shares_its_database(
    store: SqliteStore, path: Path, query: Query, accept: Accept
) -> None:
    make(path, "CREATE TABLE jobhosts (x); CREATE TABLE my_jobhost_job (x);")
    accept(store)
    assert sum(store.read(look.tally).states.values()) == 1
    assert query("SELECT x FROM orders") == [(7,)]
