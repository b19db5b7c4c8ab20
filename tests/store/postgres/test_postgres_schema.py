"""The schema is brought forward, by one process at a time, whole or not at all."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import postgres_server
import pytest
from postgres_server import ask, drop_schema, new_schema, store_url

from jobhost import JobHost
from jobhost.clock import SystemClock
from jobhost.errors import SchemaMismatch, StoreError
from jobhost.jobs.queues import stored_changes
from jobhost.store.plans import look, queues
from jobhost.store.postgres import schema
from jobhost.store.postgres.store import PostgresStore

from ..sqlite.programs import Program

ROOT = Path(__file__).resolve().parents[3]
ALL = [file.stem for file in schema.known_migrations().values()]
GATE = 471_100
"""The key of an advisory lock before which a migration can be made to stop."""

Open = Callable[..., PostgresStore]


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a schema that is not there yet."""
    name = new_schema()
    yield name
    drop_schema(name)


@pytest.fixture
def open_store(name: str) -> Iterator[Open]:
    """Opens stores in that schema, or another."""
    opened: list[PostgresStore] = []

    def open_one(schema_name: str = name) -> PostgresStore:
        opened.append(PostgresStore(store_url(schema_name), SystemClock()))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def more(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the migrations' folder with one more."""

    def with_one_more(text: str) -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(schema._FOLDER, folder)
        (folder / "9000_more.sql").write_text(f"-- One more.\n{text}\n")
        return folder

    return with_one_more


def tables(name: str) -> list[str]:
    found = ask("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%(n)s)", n=name)
    return sorted(table for (table,) in found)


def tally(store: PostgresStore) -> int:
    return sum(store.read(look.tally).states.values())


# --- What is there


def test_a_fresh_schema_gets_every_migration_in_order(open_store: Open, name: str) -> None:
    assert open_store().migrate() == ALL
    applied = ask(f"SELECT name FROM {name}.migration ORDER BY number")
    assert applied == [(one,) for one in ALL]


def test_a_second_migration_finds_nothing_to_do(open_store: Open, name: str) -> None:
    store = open_store()
    store.migrate()
    before = tables(name)
    assert store.migrate() == []
    assert tables(name) == before


def test_a_schema_that_is_missing_is_named_with_the_next_step(open_store: Open, name: str) -> None:
    store = open_store()
    for use in (lambda: tally(store), store.session):
        with pytest.raises(SchemaMismatch, match=rf"schema '{name}': run 'jobhost migrate'"):
            use()
    assert tables(name) == []
    store.migrate()
    assert tally(store) == 0


def test_two_stores_of_one_database_keep_apart(open_store: Open, name: str) -> None:
    """Each has all that it needs in its own schema."""
    other = new_schema()
    try:
        first, second = open_store(), open_store(other)
        first.migrate()
        assert second.migrate() == ALL
        with JobHost(store_url(name)) as host:
            host.task(name="hello")(lambda: None).enqueue()
        assert (tally(first), tally(second)) == (1, 0)
        assert tables(name) == tables(other)
    finally:
        drop_schema(other)


def test_a_schema_beside_one_of_the_default_name_is_made_all_the_same(
    open_store: Open, name: str
) -> None:
    there = ask("SELECT 1 FROM pg_namespace WHERE nspname = 'jobhost'")
    ask("CREATE SCHEMA IF NOT EXISTS jobhost")
    try:
        assert open_store().migrate() == ALL
        assert "job" in tables(name)
    finally:
        if not there:
            ask("DROP SCHEMA jobhost")


def test_a_store_of_a_newer_release_is_refused_with_the_next_step(
    open_store: Open, name: str
) -> None:
    open_store().migrate()
    ask(f"INSERT INTO {name}.migration VALUES (9999, '9999_future')")
    older = open_store()
    for use in (older.migrate, lambda: tally(older), older.session):
        with pytest.raises(SchemaMismatch, match=r"schema 9999, .* up to \d+: upgrade jobhost"):
            use()


def test_queues_of_an_older_schema_keep_what_was_said_of_them(
    open_store: Open, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the schema in which queues had no hours."""
    older = tmp_path / "migrations"
    shutil.copytree(schema._FOLDER, older)
    for file in older.glob("0005*"):
        file.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_FOLDER", older)
        assert open_store().migrate() == [one for one in ALL if one < "0005"]
        ask(
            f"INSERT INTO {name}.queue (name, paused_at, pause_reason, capacity, changed_at) "
            "VALUES ('mail', 5, 'down', 7, 9)"
        )
    later = open_store()
    assert later.migrate() == [one for one in ALL if one >= "0005"]
    found = later.read(lambda: queues.queue_settings("mail"))
    assert found is not None
    assert (found.pause_reason, found.capacity, found.hours, found.zone) == ("down", 7, None, "UTC")
    later.write(lambda: queues.set_queue("mail", stored_changes({"hours": "00:00-24:00"})))
    found = later.read(lambda: queues.queue_settings("mail"))
    assert found is not None
    assert found.opening is not None
    assert (found.paused_at is None, found.opening.open) == (False, True)


def test_the_snapshot_of_the_schema_is_what_the_migrations_make() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "postgres_schema.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


# --- Migrations that are cut short, or meet others

MIGRATE = """
    from jobhost.store.postgres import schema
    from jobhost.store.postgres.store import PostgresStore

    schema._FOLDER = Path(sys.argv[2])
    store = PostgresStore(sys.argv[1], SystemClock())
    say("ready")
    hear()
    say(*store.migrate())
    store.close()
"""


def test_processes_that_migrate_at_once_apply_each_migration_once(name: str) -> None:
    programs = [Program(MIGRATE, store_url(name), schema._FOLDER) for _ in range(4)]
    for one in programs:
        assert one.hear() == "ready"
    for one in programs:
        one.say()
    applied = [line for one in programs for line in one.rest()]
    assert sorted(applied) == ["", "", "", " ".join(ALL)]


@pytest.mark.parametrize("existing", [True, False])
def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    open_store: Open,
    name: str,
    more: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    existing: bool,
) -> None:
    store = open_store()
    if existing:
        store.migrate()
    before = tables(name)
    with monkeypatch.context() as patched:
        text = "ALTER TABLE jobhost.job ADD COLUMN extra text; INSERT INTO nowhere VALUES (1);"
        patched.setattr(schema, "_FOLDER", more(text))
        with pytest.raises(StoreError, match="nowhere"):
            store.migrate()
    assert tables(name) == before
    assert store.migrate() == ([] if existing else ALL)


@pytest.mark.parametrize("existing", [True, False])
def test_a_kill_in_the_middle_of_a_migration_leaves_the_schema_as_it_was(
    open_store: Open, name: str, more: Callable[[str], Path], existing: bool
) -> None:
    if existing:
        open_store().migrate()
    before = tables(name)
    folder = more(
        f"CREATE TABLE jobhost.extra (x int); SELECT pg_advisory_xact_lock_shared({GATE})"
    )
    with (
        postgres_server.connect() as gatekeeper,
        Program(MIGRATE, store_url(name), folder) as migrating,
    ):
        with gatekeeper.transaction():
            gatekeeper.execute("SELECT pg_advisory_xact_lock(%s)", [GATE])
            migrating.hear()
            migrating.say()
            wait_for(f"locktype = 'advisory' AND objid = {GATE} AND NOT granted")
            migrating.kill()
        # The server takes leave of its dead client as soon as it has something to tell it.
        assert open_store().migrate() == ([] if existing else ALL)
    assert "extra" not in tables(name)
    assert not existing or tables(name) == before
    assert tally(open_store()) == 0


def test_a_migrator_that_was_killed_while_it_waits_does_not_hold_up_the_next_one(
    open_store: Open, name: str, more: Callable[[str], Path]
) -> None:
    """Its statement has not ended and cannot, so that the server has nothing to tell it."""
    open_store().migrate()
    folder = more(
        f"LOCK TABLE jobhost.ready, jobhost.migration; SELECT pg_advisory_xact_lock_shared({GATE})"
    )
    with (
        postgres_server.connect() as gatekeeper,
        Program(MIGRATE, store_url(name), folder) as migrating,
        gatekeeper.transaction(),
    ):
        gatekeeper.execute("SELECT pg_advisory_xact_lock(%s)", [GATE])
        migrating.hear()
        migrating.say()
        wait_for(f"locktype = 'advisory' AND objid = {GATE} AND NOT granted")
        migrating.kill()
        assert open_store().migrate() == []
        assert tally(open_store()) == 0


def test_a_migration_has_its_server_look_after_the_client(
    open_store: Open, name: str, more: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "'client_connection_check_interval', 'idle_in_transaction_session_timeout'"
    source = f"SELECT name, setting FROM pg_settings WHERE name IN ({names})"
    text = f"CREATE TABLE jobhost.seen AS {source};"
    monkeypatch.setattr(schema, "_FOLDER", more(text))
    open_store().migrate()
    assert dict(ask(f"SELECT name, setting FROM {name}.seen")) == {
        "client_connection_check_interval": "2000",
        "idle_in_transaction_session_timeout": "30000",
    }


def wait_for(condition: str) -> None:
    """Until a lock like this is in the server's list; the test's time limit ends it if never."""
    while not ask(f"SELECT 1 FROM pg_locks WHERE {condition}"):
        pass


def test_worker_and_producer_go_on_while_migrations_run(
    open_store: Open, name: str, more: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were there before the migration, and know nothing of it."""
    store = open_store()
    store.migrate()
    over = threading.Event()
    with JobHost(store_url(name)) as host:

        @host.task
        def double(number: int) -> int:
            return 2 * number

        worker = host.worker(poll="20ms")
        working = threading.Thread(target=worker.run)
        working.start()
        jobs = [double.enqueue(0)]

        def produce() -> None:
            while not over.is_set():
                jobs.append(double.enqueue(len(jobs)))

        producing = threading.Thread(target=produce)
        producing.start()
        try:
            migrated = [store.migrate() for _ in range(5)]
            monkeypatch.setattr(schema, "_FOLDER", more("SELECT 1"))
            migrated.append(store.migrate())
            first_after = double.enqueue(-1)
            assert first_after.result("60s") == -2
        finally:
            over.set()
            producing.join()
        assert [job.result("60s") for job in jobs] == [2 * n for n in range(len(jobs))]
        worker.stop()
        working.join()
    assert migrated == [[]] * 5 + [["9000_more"]]
    assert {attempt.outcome for job in jobs[:50] for attempt in attempts(store, job.id)} == {
        "succeeded"
    }


def attempts(store: PostgresStore, job_id: object) -> list[look.Attempt]:
    return store.read(lambda: look.attempts(bytes(job_id.bytes)))  # type: ignore[attr-defined]
