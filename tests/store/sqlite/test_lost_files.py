"""A file that is deleted or replaced while in use: nothing is written where nobody finds it."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.clock import ManualClock
from jobhost.errors import StoreGone
from jobhost.store.plans import look
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.store import SqliteSession, SqliteStore
from jobhost.store.sqlite.turnstile import Turnstile

from ..conservation import Query
from .locks import wait_until_held

Accept = Callable[..., list[bytes]]

DELETED = r"jobs\.db was deleted or moved away .* put the right file there, and start"
REPLACED = r"jobs\.db was replaced by another file .* put the right file there, and start"


@pytest.fixture
def session(store: SqliteStore, accept: Accept) -> Iterator[SqliteSession]:
    """One of a store with a job, whose own connections are open as well."""
    accept(store)
    store.read(look.tally)
    session = store.session()
    yield session
    session.close()


@pytest.fixture
def uses(store: SqliteStore, session: SqliteSession, accept: Accept) -> list[Callable[[], object]]:
    """All ways to use the store, on connections that are open and on a new one."""
    return [
        lambda: accept(store),
        lambda: store.read(look.tally),
        lambda: session.write(look.tally),
        lambda: session.read(look.tally),
        store.session,
    ]


def replace(path: Path) -> None:
    """Put another store in its place, as who restores a backup does."""
    other = SqliteStore(path.with_name("backup.db"), ManualClock())
    other.migrate()
    other.close()
    for beside in ("jobs.db-wal", "jobs.db-shm"):
        path.with_name(beside).unlink()
    path.with_name("backup.db").replace(path)


def jobs(store: SqliteStore) -> int:
    return sum(store.read(look.tally).states.values())


def test_a_file_that_was_deleted_takes_no_more_jobs(
    path: Path, uses: list[Callable[[], object]]
) -> None:
    path.unlink()
    for use in uses:
        with pytest.raises(StoreGone, match=DELETED):
            use()
    assert not path.exists()


def test_a_folder_that_was_deleted_with_the_file_is_told_in_the_same_words(
    path: Path, uses: list[Callable[[], object]]
) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    for use in uses:
        with pytest.raises(StoreGone, match=DELETED):
            use()
    path.parent.with_name("elsewhere").rename(path.parent)


def test_a_file_that_was_replaced_takes_no_more_jobs_and_its_heir_is_left_alone(
    path: Path, uses: list[Callable[[], object]]
) -> None:
    replace(path)
    before = path.read_bytes()
    for use in uses:
        with pytest.raises(StoreGone, match=REPLACED):
            use()
    assert path.read_bytes() == before


def test_a_file_that_comes_back_is_used_again(
    store: SqliteStore, path: Path, session: SqliteSession, accept: Accept
) -> None:
    path.rename(path.with_name("away.db"))
    with pytest.raises(StoreGone):
        accept(store)
    path.with_name("away.db").rename(path)
    accept(store)
    assert jobs(store) == sum(session.read(look.tally).states.values()) == 2


def test_a_store_that_is_closed_and_used_again_takes_the_new_file(
    store: SqliteStore, path: Path, session: SqliteSession, query: Query, accept: Accept
) -> None:
    replace(path)
    with closing(sqlite3.connect(path)) as stranger:  # whose log has the name of the former one
        stranger.execute("CREATE TABLE orders (x)")
        session.close()
        store.close()
        accept(store)
        assert jobs(store) == 1
        stranger.execute("INSERT INTO orders VALUES (7)")
        stranger.commit()
    store.close()
    assert query("SELECT x FROM orders") == [(7,)]
    assert query("PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_is_replaced_while_a_writer_queues_is_noticed_when_its_turn_has_come(
    path: Path, session: SqliteSession
) -> None:
    found: list[BaseException] = []

    def write() -> None:
        try:
            session.write(look.tally)
        except StoreGone as error:
            found.append(error)

    turnstile = Turnstile(path.with_name("jobs.db-run"))
    turnstile.enter(Patience(30).wait())
    writer = threading.Thread(target=write)
    writer.start()
    wait_until_held(path.with_name("jobs.db-run") / "gate")
    replace(path)
    turnstile.leave()
    turnstile.close()
    writer.join()
    assert len(found) == 1


def test_a_link_that_is_turned_to_another_file_counts_as_a_replacement(
    path: Path, accept: Accept
) -> None:
    real, other = path.with_name("real.db"), path.with_name("other.db")
    for file in (real, other):
        made = SqliteStore(file, ManualClock())
        made.migrate()
        made.close()
    path.symlink_to(real)
    store = SqliteStore(path, ManualClock())
    accept(store)
    (link := path.with_name("link")).symlink_to(other)
    link.replace(path)
    with pytest.raises(StoreGone, match=REPLACED):
        accept(store)
    store.close()
