"""The schema is brought forward, by one process at a time, whole or not at all."""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.clock import ManualClock
from jobhost.errors import SchemaMismatch, StoreError, StoreUnavailable
from jobhost.jobs.queues import stored_changes
from jobhost.store.plans import look, queues
from jobhost.store.sqlite import schema
from jobhost.store.sqlite.store import SqliteStore

from ..conservation import Query
from .programs import Program

ALL = [file.stem for file in schema.known_migrations().values()]
TABLES = "SELECT name FROM sqlite_schema WHERE name LIKE 'jobhost%' ORDER BY name"


def test_a_fresh_store_gets_every_migration_in_order(store: SqliteStore, query: Query) -> None:
    assert store.migrate() == ALL
    assert query("SELECT name FROM jobhost_migration ORDER BY number") == [(name,) for name in ALL]
    assert query("PRAGMA journal_mode") == [("wal",)]


def test_a_second_migration_finds_nothing_to_do(store: SqliteStore, query: Query) -> None:
    store.migrate()
    before = query("SELECT * FROM sqlite_schema")
    assert store.migrate() == []
    assert query("SELECT * FROM sqlite_schema") == before


def test_the_first_write_makes_the_store_and_the_first_read_does_not(
    store: SqliteStore, path: Path, accept: Callable[..., list[bytes]]
) -> None:
    with pytest.raises(StoreUnavailable, match="jobhost migrate"):
        store.read(look.tally)
    assert not path.exists()
    accept(store)
    assert sum(store.read(look.tally).states.values()) == 1


def test_a_file_without_a_schema_is_written_but_not_read(
    store: SqliteStore, path: Path, accept: Callable[..., list[bytes]]
) -> None:
    path.touch()
    with pytest.raises(SchemaMismatch, match="jobhost migrate"):
        store.read(look.tally)
    accept(store)
    assert sum(store.read(look.tally).states.values()) == 1


def test_a_migration_keeps_what_was_stored(
    store: SqliteStore, path: Path, accept: Callable[..., list[bytes]]
) -> None:
    ids = accept(store, 3)
    store.close()
    later = SqliteStore(path, ManualClock())
    assert later.migrate() == []
    assert len(later.read(lambda: look.list_jobs(look.Filter())).jobs) == len(ids)
    later.close()


def test_processes_that_migrate_at_once_apply_each_migration_once(path: Path, query: Query) -> None:
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        say("ready")
        hear()
        say(*store.migrate())
        accept(store)
        store.close()
    """
    programs = [Program(program, path) for _ in range(4)]
    for one in programs:
        assert one.hear() == "ready"
    for one in programs:
        one.say()
    applied = [line for one in programs for line in one.rest()]
    assert sorted(applied) == ["", "", "", " ".join(ALL)]
    assert query("SELECT count(*) FROM jobhost_ready") == [(4,)]


def test_a_store_of_a_newer_release_is_refused_with_the_next_step(
    store: SqliteStore, path: Path, query: Query, accept: Callable[..., list[bytes]]
) -> None:
    accept(store)
    store.write(_pretend_to_be_newer)
    store.close()
    older = SqliteStore(path, ManualClock())
    for use in (older.migrate, lambda: accept(older), lambda: older.read(look.tally)):
        with pytest.raises(SchemaMismatch, match=r"schema 9999, .* up to \d+: upgrade jobhost"):
            use()
    older.close()
    assert query("SELECT count(*) FROM jobhost_ready") == [(1,)]


def _pretend_to_be_newer():
    yield schema.Statement("record_migration", {"number": 9999, "name": "9999_future"})


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A copy of the migrations whose last one fails after it has changed something."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema._FOLDER, folder)
    (folder / "9000_broken.sql").write_text(
        "-- Fails.\n"
        "ALTER TABLE jobhost_job ADD COLUMN extra TEXT;\n"
        "INSERT INTO nowhere VALUES (1);\n"
    )
    return folder


def test_queues_of_an_older_schema_keep_what_was_said_of_them(
    store: SqliteStore,
    path: Path,
    tmp_path: Path,
    query: Query,
    accept: Callable[..., list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of the schema in which queues had no hours."""
    older = tmp_path / "migrations"
    shutil.copytree(schema._FOLDER, older)
    for file in older.glob("0005*"):
        file.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_FOLDER", older)
        assert store.migrate() == [name for name in ALL if name < "0005"]
        columns = "name, paused_at, pause_reason, capacity, changed_at"
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute(f"INSERT INTO jobhost_queue ({columns}) VALUES ('mail', 5, 'down', 7, 9)")
    store.close()
    later = SqliteStore(path, ManualClock())
    assert later.migrate() == [name for name in ALL if name >= "0005"]
    found = later.read(lambda: queues.queue_settings("mail"))
    assert found is not None
    assert (found.pause_reason, found.capacity, found.hours, found.zone) == ("down", 7, None, "UTC")
    later.write(lambda: queues.set_queue("mail", stored_changes({"hours": "00:00-24:00"})))
    found = later.read(lambda: queues.queue_settings("mail"))
    assert found is not None
    assert found.opening is not None
    assert (found.paused_at is None, found.opening.open) == (False, True)
    later.close()


@pytest.mark.parametrize("existing", [True, False])
def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    store: SqliteStore,
    path: Path,
    query: Query,
    broken: Path,
    monkeypatch: pytest.MonkeyPatch,
    existing: bool,
) -> None:
    if existing:
        store.migrate()
    before = query(TABLES) if existing else []
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_FOLDER", broken)
        with pytest.raises(StoreError, match="nowhere"):
            store.migrate()
    assert query(TABLES) == before
    assert store.migrate() == ([] if existing else ALL)


def test_who_opens_the_file_while_another_process_makes_it_waits(
    store: SqliteStore, path: Path, query: Query
) -> None:
    """SQLite lets nobody read while the journal of a new file is changed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as making:
        making.execute("BEGIN EXCLUSIVE")
        opening = threading.Thread(target=store.migrate)
        opening.start()
        opening.join(0.5)
        assert opening.is_alive()
        making.execute("COMMIT")
        opening.join()
    assert query("SELECT count(*) FROM jobhost_migration") == [(len(ALL),)]


@pytest.mark.parametrize("existing", [True, False])
def test_a_kill_in_the_middle_of_a_migration_leaves_the_schema_as_it_was(
    store: SqliteStore, path: Path, tmp_path: Path, query: Query, existing: bool
) -> None:
    if existing:
        store.migrate()
    before = query(TABLES) if existing else []
    folder = tmp_path / "migrations"
    shutil.copytree(schema._FOLDER, folder)
    (folder / "9000_slow.sql").write_text(
        "-- Stops in its middle.\nCREATE TABLE jobhost_extra (x);\nSELECT pause_here();\n"
    )
    program = """
        schema._FOLDER = Path(sys.argv[2])
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        store._create_file()
        connection = SqliteConnection(store._target, writes=True)
        connection._raw.create_function("pause_here", 0, lambda: say("middle") or hear())
        schema.migrate(connection)
    """
    with Program(program, path, folder) as migrating:
        assert migrating.hear() == "middle"
        migrating.kill()
    assert query(TABLES) == before
    assert store.migrate() == ([] if existing else ALL)
    assert query("PRAGMA integrity_check") == [("ok",)]
