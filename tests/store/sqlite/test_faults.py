"""Real faults of files, disks and other users of the file, in our words and without loss."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.clock import ManualClock
from jobhost.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreRefusedData,
    StoreUnavailable,
)
from jobhost.store.plan import Statement
from jobhost.store.plans import look
from jobhost.store.sqlite import store as store_module
from jobhost.store.sqlite.store import SqliteStore

from ..conservation import Query, assert_conserved, numbers

Accept = Callable[..., list[bytes]]


@pytest.fixture
def impatient(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """A store that waits for its turn for a moment only."""
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.05)
    store = SqliteStore(path, ManualClock())
    store.migrate()
    yield store
    store.close()


def test_a_damaged_page_is_told_as_damage(store: SqliteStore, path: Path, accept: Accept) -> None:
    accept(store, 500, "[" + "1," * 200 + "1]")
    store.close()
    data = bytearray(path.read_bytes())
    data[8192:-4096] = os.urandom(len(data) - 8192 - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="restore a backup"):
        store.read(lambda: look.list_jobs(look.Filter(limit=1000)))


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path, accept: Accept) -> None:
    store = SqliteStore(tmp_path / "nowhere" / "jobs.db", ManualClock())
    with pytest.raises(StoreUnavailable, match="nowhere does not exist: create it"):
        accept(store)
    assert not (tmp_path / "nowhere").exists()
    store.close()


def test_a_folder_in_the_place_of_the_file_is_unavailable(
    store: SqliteStore, path: Path, accept: Accept
) -> None:
    path.mkdir()
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        accept(store)


@pytest.mark.parametrize("existing", [True, False])
def test_a_file_in_the_place_of_the_folder_of_locks_is_named(
    store: SqliteStore, path: Path, accept: Accept, existing: bool
) -> None:
    if existing:
        accept(store)
        store.close()
        run = path.with_name("jobs.db-run")
        for file in run.iterdir():
            file.unlink()
        run.rmdir()
    path.with_name("jobs.db-run").touch()
    with pytest.raises(StoreError, match=r"jobs\.db-run.* cannot be made: File exists"):
        accept(store)


def test_a_read_only_file_is_read_and_refuses_to_be_written(
    store: SqliteStore, path: Path, accept: Accept
) -> None:
    (first,) = accept(store)
    store.close()
    path.chmod(0o400)
    if os.access(path, os.W_OK):
        path.chmod(0o600)
        pytest.skip("this user may write whatever the file's mode says")
    with pytest.raises(StoreReadOnly, match="is read-only; check its owner, mode and mount"):
        accept(store)
    assert store.read(lambda: look.show(first)) is not None
    path.chmod(0o600)


def test_a_connection_that_may_not_write_says_that_the_store_is_read_only(
    store: SqliteStore, accept: Accept
) -> None:
    accept(store)
    raw = store._process.writer._connection._raw
    raw.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreReadOnly, match="is read-only"):
        accept(store)
    raw.execute("PRAGMA query_only = OFF")
    accept(store)


def test_a_full_disk_loses_nothing_and_the_store_goes_on_once_there_is_space(
    store: SqliteStore, query: Query, accept: Accept
) -> None:
    accepted = accept(store)
    raw = store._process.writer._connection._raw
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    raw.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(StoreFull, match="free some space and repeat"):
        while True:
            accepted += accept(store, 20, "[" + "1," * 500 + "1]")
    assert sorted(numbers(query)) == sorted(accepted)
    assert_conserved(query)
    with pytest.raises(StoreFull):
        accept(store, 20, "[" + "1," * 500 + "1]")
    raw.execute(f"PRAGMA max_page_count = {10**6}")
    accepted += accept(store, 20, "[" + "1," * 500 + "1]")
    assert sorted(numbers(query)) == sorted(accepted)
    assert query("PRAGMA integrity_check") == [("ok",)]


_OPENED_WITHOUT_ROOM = """
import resource, signal, sys
from jobhost import JobHost, StoreFull

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    JobHost(sys.argv[1]).jobs()
except StoreFull as error:
    print(error)
"""


def test_a_disk_that_was_full_before_the_file_was_opened_is_told_as_full(
    store: SqliteStore, path: Path, accept: Accept
) -> None:
    accept(store)
    store.close()
    asked = [sys.executable, "-c", _OPENED_WITHOUT_ROOM, f"sqlite:///{path}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "finds no room on the disk; free some space and repeat" in done.stdout, done


def test_a_file_locked_by_a_stranger_is_busy_and_free_again_afterwards(
    impatient: SqliteStore, path: Path, accept: Accept
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match=r"jobs\.db is locked by another process"):
            accept(impatient)
        assert impatient.read(look.tally).next_due_at is None
        stranger.execute("ROLLBACK")
        accept(impatient)


def test_a_writer_that_found_the_file_locked_lets_the_next_one_in(
    impatient: SqliteStore, path: Path, accept: Accept
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(StoreBusy):
                accept(impatient)
    other = impatient.session()
    assert other.write(look.tally).next_due_at is None
    other.close()


def test_a_writing_plan_shuts_out_strangers_from_its_first_read_on(
    impatient: SqliteStore, path: Path
) -> None:
    def look_and_be_disturbed():
        yield from look.tally()
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        impatient.write(look_and_be_disturbed)
    impatient.write(look.tally)


def test_a_plan_that_raises_is_undone_and_the_next_one_runs(
    store: SqliteStore, query: Query, accept: Accept
) -> None:
    accept(store)

    def half_done():
        yield Statement("draw_numbers", {"count": 1000})
        raise KeyError("a bug in a plan")

    before = query("SELECT value FROM jobhost_sequence")
    for drive in (store.write, store.session().write):
        with pytest.raises(KeyError):
            drive(half_done)
        assert query("SELECT value FROM jobhost_sequence") == before
    accept(store)


@pytest.mark.parametrize("value", [2**63, "lone \ud800 surrogate"])
def test_a_value_that_cannot_be_bound_is_refused_data(
    store: SqliteStore, accept: Accept, value: object
) -> None:
    accept(store)

    def strange():
        yield Statement("record_migration", {"number": value, "name": "x"})

    with pytest.raises(StoreRefusedData, match=r"jobs\.db refused a value"):
        store.write(strange)
    accept(store)


def test_a_failing_read_does_not_shut_out_the_next_one(store: SqliteStore, accept: Accept) -> None:
    accept(store)

    def mistaken():
        yield Statement("show_job", {"id": 2**63})

    with pytest.raises(StoreError):
        store.read(mistaken)
    assert sum(store.read(look.tally).states.values()) == 1


def test_file_and_folder_are_for_their_owner_alone(
    store: SqliteStore, path: Path, accept: Accept
) -> None:
    old = os.umask(0)
    try:
        accept(store)
    finally:
        os.umask(old)
    run = path.with_name("jobs.db-run")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    beside = [file for file in [*path.parent.glob("jobs.db-*"), *run.iterdir()] if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in beside} == {0o600}


@pytest.mark.parametrize(("asked", "level"), [(None, 2), ("FULL", 2), ("NORMAL", 1)])
def test_commits_are_synced_unless_the_address_asks_for_less(
    path: Path, accept: Accept, asked: str | None, level: int
) -> None:
    options = {} if asked is None else {"synchronous": asked}
    store = SqliteStore(path, ManualClock(), **options)
    accept(store)
    session = store.session()
    for connection in (store._process.writer._connection, session._connection):
        assert connection._raw.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection._raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    session.close()
    store.close()


def test_a_closed_store_opens_again_when_used(store: SqliteStore, accept: Accept) -> None:
    accept(store)
    store.close()
    store.close()
    accept(store)
    assert sum(store.read(look.tally).states.values()) == 2
