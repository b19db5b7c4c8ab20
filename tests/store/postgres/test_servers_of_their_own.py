"""What only a server of its own can be: a standby, one that prepares transactions, one that others
replicate from, and one whose queue of notices is full. Each is told with the step that helps, and
the step helps.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from postgres_server import programs

from jobhost import JobHost
from jobhost.cli.demo_server import Guarded, make_folder
from jobhost.clock import SystemClock
from jobhost.errors import StoreFull, StoreReadOnly, StoreUnavailable
from jobhost.store.checkup import Finding, Level
from jobhost.store.postgres.checkup import checkup
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.store import PostgresStore

from .crew import OwnServer, until, working

SCHEMAS = count(1)

SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "wal_level=logical",
    "max_prepared_transactions=3",
    "max_notify_queue_pages=64",
    "max_connections=30",
)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    made = OwnServer(*SETTINGS)
    yield made
    made.stop()


@pytest.fixture
def url(server: OwnServer) -> str:
    """The address of a store on that server."""
    address = f"{server.url}&schema=own_{next(SCHEMAS)}"
    with closing(PostgresStore(address, SystemClock())) as store:
        store.migrate()
    return address


@contextmanager
def standby(server: OwnServer, slot: str, *settings: str, ready: bool = True) -> Iterator[str]:
    """The address of a standby that follows the server through a slot, and ends with the block."""
    folder = make_folder("jobhost-standby-")
    bin_folder = next(server.folder.glob("*/bin"), programs())
    copy: Sequence[str | Path] = [
        bin_folder / "pg_basebackup", "--pgdata=data", f"--host={server.folder}", "--port=5432",
        "--username=postgres", "--write-recovery-conf", "--create-slot", f"--slot={slot}",
        "--checkpoint=fast", "--no-sync",
    ]  # fmt: skip
    given = [*SETTINGS, f"unix_socket_directories={folder}", "listen_addresses=", *settings]
    options = [word for setting in given for word in ("-c", setting)]
    command = [bin_folder / "postgres", "-D", "data", "-p", "5432", *options]
    made = Guarded(folder, command, prepare=copy, signal="INT")
    address = f"postgresql://postgres@:5432/postgres?host={folder}"
    try:
        if ready:
            made.wait_until_ready(address)
        yield address
    finally:
        made.stop()


def drop_slot(server: OwnServer, slot: str) -> None:
    """Once the server has noticed that its standby is gone."""
    there = f"FROM pg_replication_slots WHERE slot_name = '{slot}'"
    until(lambda: not server.ask(f"SELECT 1 {there} AND active"))
    server.ask(f"SELECT pg_drop_replication_slot(slot_name) {there}")


def look(url: str, check: str, *, old_seconds: float = 0.0) -> list[Finding]:
    """What a checkup says of one thing; whatever is open is old."""
    with (
        closing(PostgresStore(url, SystemClock())) as store,
        closing(PostgresConnection(store.target)) as connection,
    ):
        found = checkup(connection, SystemClock(), old_seconds=old_seconds)
    return [finding for finding in found if finding.check == check]


def about(url: str, check: str, word: str) -> list[Finding]:
    """Those of them that name this."""
    return [finding for finding in look(url, check) if word in finding.sentence]


def followed(step: str | None) -> str:
    """The statement in a step."""
    assert step is not None
    return step[step.index("SELECT") :].partition(":")[0]


# --- a standby


def test_a_standby_is_told_by_the_doctor_who_looks_at_all_else(server: OwnServer, url: str) -> None:
    with standby(server, "told") as address:
        behind = f"{address}&{url.partition('?')[2].partition('&')[2]}"
        [found] = until(lambda: _of_schema_that_has_come(behind))
        assert found.level is Level.PROBLEM
        assert found.sentence == "this is a standby, which cannot be written"
        assert found.next_step == "connect to the primary"
        assert look(behind, "schema")[0].level is Level.OK
        assert look(behind, "notices")[0].level is Level.OK
    drop_slot(server, "told")


def _of_schema_that_has_come(url: str) -> list[Finding]:
    """The server's finding, once the standby has heard of the schema."""
    return look(url, "server") if look(url, "schema")[0].level is Level.OK else []


def test_on_a_standby_a_producer_and_a_worker_are_sent_to_the_primary_until_it_is_one(
    server: OwnServer, url: str
) -> None:
    with standby(server, "promoted") as address:
        behind = f"{address}&{url.partition('?')[2].partition('&')[2]}"
        until(lambda: _of_schema_that_has_come(behind))
        with JobHost(behind) as host:

            @host.task
            def double(number: int) -> int:
                return 2 * number

            with pytest.raises(StoreReadOnly, match="is a standby; connect to the primary"):
                double.enqueue(1)
            with pytest.raises(StoreReadOnly, match="is a standby; connect to the primary"):
                host.worker().run()
            with closing(psycopg.connect(address, autocommit=True)) as beside:
                beside.execute("SELECT pg_promote()")
            with working(host.worker()):
                assert double.enqueue(4).result("60s") == 8
    drop_slot(server, "promoted")


def test_a_server_in_recovery_that_takes_no_connections_is_unavailable(server: OwnServer) -> None:
    with (
        standby(server, "closed", "hot_standby=off", ready=False) as address,
        closing(PostgresStore(address, SystemClock())) as store,
    ):
        connection = PostgresConnection(store.target)

        def words() -> str:
            with pytest.raises(StoreUnavailable) as refused:
                connection.begin()
            return str(refused.value)

        until(lambda: "shutting down or in recovery; repeat" in words())
    drop_slot(server, "closed")


# --- what keeps dead rows, and the log


def test_a_prepared_transaction_is_named_with_the_way_to_end_it(
    server: OwnServer, url: str
) -> None:
    with psycopg.connect(server.url) as forgetful:
        forgetful.execute("SELECT pg_current_xact_id()")
        forgetful.execute("PREPARE TRANSACTION 'shop''s 7th'")
    [found] = about(url, "old snapshots", "shop's 7th")
    assert found.level is Level.WARNING
    assert "was prepared" in found.sentence
    assert "dead rows stay" in found.sentence
    assert found.next_step == "COMMIT PREPARED or ROLLBACK PREPARED 'shop''s 7th'"
    server.ask(found.next_step.partition(" or ")[2])
    assert about(url, "old snapshots", "shop's 7th") == []


def test_the_slot_of_a_standby_that_is_lost_is_named_with_the_way_to_end_it(
    server: OwnServer, url: str
) -> None:
    xmin = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'lost' AND xmin IS NOT NULL"
    feedback = ("hot_standby_feedback=on", "wal_receiver_status_interval=1s")
    with standby(server, "lost", *feedback):
        until(lambda: server.ask(xmin), "the standby has told what it reads")
        assert about(url, "old snapshots", "'lost'") == []
    until(lambda: server.ask(f"{xmin} AND NOT active"), "the server knows that it is gone")
    [found] = about(url, "old snapshots", "'lost'")
    assert found.level is Level.WARNING
    assert "replication slot 'lost', inactive" in found.sentence
    assert found.next_step == "mend its replica, or SELECT pg_drop_replication_slot('lost')"
    server.ask(followed(found.next_step))
    assert about(url, "old snapshots", "'lost'") == []


def test_a_logical_slot_that_nobody_reads_is_named_with_what_it_keeps(
    server: OwnServer, url: str
) -> None:
    server.ask("SELECT pg_create_logical_replication_slot('unread', 'pgoutput')")
    [found] = about(url, "replication slots", "'unread'")
    assert found.level is Level.WARNING
    assert found.sentence.startswith("nobody reads the logical replication slot 'unread'")
    assert "MB of its log" in found.sentence
    server.ask(followed(found.next_step))
    assert look(url, "replication slots") == []


# --- a queue of notices that is full


@pytest.fixture
def hoarder(server: OwnServer) -> Iterator[int]:
    """The process of a session that has listened and left a transaction open."""
    with closing(psycopg.connect(server.url, autocommit=True)) as session:
        session.execute("LISTEN anything")
        session.execute("BEGIN")
        session.execute("SELECT")
        yield session.info.backend_pid


def fill(server: OwnServer, *, enough: Callable[[float], bool]) -> None:
    """Send notices until the queue is as full as that, or has no room left."""
    with closing(psycopg.connect(server.url, autocommit=True)) as noisy:
        for number in count():
            try:
                noisy.execute(
                    "SELECT pg_notify('anything', %s || repeat('x', 7000))", [f"{number}"]
                )
            except psycopg.errors.ProgramLimitExceeded:
                return
            [(share,)] = noisy.execute("SELECT pg_notification_queue_usage()").fetchall()
            if enough(share):
                return


def test_a_queue_of_notices_that_fills_is_a_warning(
    server: OwnServer, url: str, hoarder: int
) -> None:
    assert look(url, "notices")[0].level is Level.OK
    fill(server, enough=lambda share: share > 0.5)
    [found] = look(url, "notices")
    assert found.level is Level.WARNING
    assert "once it is full no job is accepted" in found.sentence
    assert f"pg_terminate_backend({hoarder})" in str(found.next_step)


def test_a_full_queue_of_notices_is_not_taken_for_a_value_that_is_too_large(
    server: OwnServer, url: str, hoarder: int
) -> None:
    with JobHost(url) as host:

        @host.task
        def double(number: int) -> int:
            return 2 * number

        with working(host.worker(poll="1h")) as thread:
            until(thread.started.is_set)
            assert double.enqueue(1).result("60s") == 2
            fill(server, enough=lambda share: False)
            with pytest.raises(StoreFull, match="end the session that has used LISTEN"):
                double.enqueue_many([(number,) for number in range(500)])
            [found] = look(url, "notices")
            server.ask(followed(found.next_step))
            assert until(lambda: look(url, "notices")[0].level is Level.OK)
            assert double.enqueue(3).result("60s") == 6
