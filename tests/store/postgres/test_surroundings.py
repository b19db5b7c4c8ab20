"""What lies around a store, and must not reach into it: encodings, settings of databases and roles,
poolers that drop what a connection asks for, rights that are missing.

Each test has its store on one server of this module's own, in a schema or a database for itself.
"""

import select
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from typing import Any

import psycopg
import pytest

from jobhost import JobHost, Retry, current_job
from jobhost.clock import SystemClock
from jobhost.errors import (
    JobFailed,
    StoreError,
    StoreReadOnly,
    StoreRefusedData,
    StoreUnavailable,
    UsageError,
)
from jobhost.store.checkup import Finding, Level
from jobhost.store.postgres.checkup import checkup
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.store import PostgresStore

from .crew import OwnServer, until, working

NAMES = count(1)
WORDS = "Größe – 寿司 🍣"
LATIN = "Größe"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    made = OwnServer("fsync=off", "full_page_writes=off", "max_connections=40")
    yield made
    made.stop()


@pytest.fixture
def url(server: OwnServer) -> str:
    """The address of a store on that server."""
    return migrated(f"{server.url}&schema=around_{next(NAMES)}")


def migrated(url: str) -> str:
    with closing(PostgresStore(url, SystemClock())) as store:
        store.migrate()
    return url


def new_database(server: OwnServer, encoding: str) -> str:
    """The address of a store in a database of this encoding."""
    name = f"db_{next(NAMES)}"
    server.ask(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0"
    )
    return migrated(server.url.replace("/postgres?", f"/{name}?"))


def new_role(server: OwnServer, url: str, *settings: str) -> str:
    """The address for a login of its own, which carries these settings."""
    name = f"login_{next(NAMES)}"
    server.ask(f"CREATE ROLE {name} LOGIN SUPERUSER")
    for setting in settings:
        server.ask(f"ALTER ROLE {name} SET {setting}")
    return url.replace("//postgres@", f"//{name}@")


def look(url: str, check: str) -> list[Finding]:
    """What a checkup says of one thing."""
    with (
        closing(PostgresStore(url, SystemClock())) as store,
        closing(PostgresConnection(store.target)) as connection,
    ):
        found = checkup(connection, SystemClock())
    return [finding for finding in found if finding.check == check]


@contextmanager
def echoing(url: str) -> Iterator[Any]:
    """A task that gives back its argument, and a worker that runs it."""
    with JobHost(url) as host:

        @host.task(retry=Retry(max_attempts=1))
        def echo(text: str) -> str:
            return "–" if text == "dash" else text

        with working(host.worker()) as thread:
            until(thread.started.is_set)
            yield echo
            assert thread.lives


# --- Encodings


def test_text_goes_as_utf_8_whatever_the_environment_says(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with echoing(url) as echo:
        assert echo.enqueue(WORDS).result("60s") == WORDS


def test_text_goes_as_utf_8_whatever_the_role_says(server: OwnServer, url: str) -> None:
    with echoing(new_role(server, url, "client_encoding = 'LATIN1'")) as echo:
        assert echo.enqueue(WORDS).result("60s") == WORDS


def test_text_goes_as_utf_8_whatever_the_address_says(url: str) -> None:
    with echoing(f"{url}&client_encoding=LATIN1&options=-c%20client_encoding=LATIN2") as echo:
        assert echo.enqueue(WORDS).result("60s") == WORDS


def test_a_transaction_of_a_task_has_utf_8_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with JobHost(url) as host:

        @host.task(retry=Retry(max_attempts=1))
        def write() -> str:
            with current_job().transaction() as tx:
                [(kept,)] = tx.connection.execute("SELECT %s::text", [WORDS]).fetchall()
                tx.result = kept
            return str(kept)

        job = write.enqueue()
        host.worker(burst=True).run()
        assert job.result() == WORDS


def test_a_database_without_an_encoding_keeps_all_text(server: OwnServer) -> None:
    url = new_database(server, "SQL_ASCII")
    with echoing(url) as echo:
        assert echo.enqueue(WORDS).result("60s") == WORDS
    [found] = look(url, "encoding")
    assert found.level is Level.WARNING
    assert "SQL_ASCII" in found.sentence


def test_a_database_of_another_encoding_refuses_what_it_lacks_and_nothing_else(
    server: OwnServer,
) -> None:
    url = new_database(server, "LATIN1")
    with echoing(url) as echo:
        with pytest.raises(StoreRefusedData, match="refused a value"):
            echo.enqueue(WORDS)
        jobs = echo.enqueue_many([(LATIN,), ("dash",), (LATIN,)])
        assert [jobs[0].result("60s"), jobs[2].result("60s")] == [LATIN, LATIN]
        with pytest.raises(JobFailed, match="the store refused the result"):
            jobs[1].result("60s")
    [found] = look(url, "encoding")
    assert found.level is Level.WARNING
    assert "LATIN1" in found.sentence


def test_a_database_of_utf_8_is_worth_no_word(url: str) -> None:
    assert look(url, "encoding") == []


# --- Settings of databases and roles


@pytest.mark.parametrize(
    "setting",
    [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_deferrable = on",
    ],
)
def test_transactions_of_the_store_are_isolated_as_they_want_to_be(
    server: OwnServer, url: str, setting: str
) -> None:
    address = new_role(server, url, setting)
    for more in ("", "&pooler=transaction"):
        with JobHost(address + more) as host:

            @host.task
            def double(number: int) -> int:
                return 2 * number

            with working(host.worker(concurrency=4)) as thread:
                until(thread.started.is_set)
                makers = [
                    threading.Thread(
                        target=lambda: [double.enqueue(number) for number in range(25)]
                    )
                    for _ in range(3)
                ]
                for maker in makers:
                    maker.start()
                jobs = [double.enqueue(number) for number in range(25)]
                for maker in makers:
                    maker.join()
                assert [job.result("60s") for job in jobs] == [2 * n for n in range(25)]
                assert thread.troubles == []
        assert settings_of(address + more)["transaction_isolation"] == "read committed"


def test_no_time_out_of_the_role_ends_a_connection_or_a_migration(
    server: OwnServer, url: str
) -> None:
    [(number,)] = server.ask("SELECT current_setting('server_version_num')::integer")
    given = ["idle_session_timeout = '1h'"]
    given += ["transaction_timeout = '1h'"] if number >= 170_000 else []
    address = new_role(server, url, *given)
    found = settings_of(address)
    assert {found[name.partition(" ")[0]] for name in given} == {"0"}
    if number >= 170_000:
        assert settings_of(f"{address}&pooler=transaction")["transaction_timeout"] == "0"


def settings_of(url: str) -> dict[str, str]:
    """As they are in a transaction of the store's."""
    with (
        closing(PostgresStore(url, SystemClock())) as store,
        closing(PostgresConnection(store.target)) as connection,
    ):
        connection.begin()
        connection._open_transaction("tally")
        assert connection.raw is not None
        rows = connection.raw.execute("SELECT name, setting FROM pg_settings").fetchall()
        connection.rollback()
    return dict(rows)


def test_a_role_that_may_only_read_is_told_so_and_not_sent_to_another_server(
    server: OwnServer, url: str
) -> None:
    address = new_role(server, url, "default_transaction_read_only = on")
    with (
        JobHost(address) as host,
        pytest.raises(StoreReadOnly, match="no standby: default_transaction_read_only is on"),
    ):
        host.task(name="none")(lambda: None).enqueue()


# --- What a login is told


def test_the_database_the_server_and_the_login_are_named(server: OwnServer, url: str) -> None:
    with (
        JobHost(url.replace("//postgres@", "//stranger@")) as host,
        pytest.raises(StoreUnavailable) as caught,
    ):
        host.jobs()
    told = str(caught.value)
    assert told.startswith(f"'postgres' on {server.folder}:5432 as 'stranger' has no such role")


def test_a_migration_without_the_right_to_make_a_schema_tells_how_to_get_it(
    server: OwnServer,
) -> None:
    server.ask("CREATE ROLE plain LOGIN")
    server.ask('CREATE DATABASE "Shop 7"')
    address = server.url.replace("//postgres@", "//plain@").replace("/postgres?", "/Shop%207?")
    line = 'GRANT CREATE ON DATABASE "Shop 7" TO plain'
    with JobHost(address) as host, pytest.raises(StoreUnavailable) as caught:
        host.migrate()
    assert f"{line};" in str(caught.value)
    [found] = look(address, "rights")
    assert str(found.next_step).endswith(line)
    server.ask(line)
    assert look(address, "rights") == []
    migrated(address)


# --- The caller's transaction


def test_a_transaction_of_two_phases_is_refused_before_it_can_fail(
    server: OwnServer, url: str
) -> None:
    with JobHost(url) as host, psycopg.connect(server.url) as connection:
        task = host.task(name="none")(lambda: None)
        connection.tpc_begin(connection.xid(1, "order", "branch"))
        with pytest.raises(UsageError, match="two-phase transaction"):
            task.enqueue_with(connection)
        connection.tpc_rollback()
        task.enqueue_with(connection)
        connection.commit()
        assert len(host.jobs()) == 1


def test_a_transaction_that_has_failed_is_to_be_rolled_back_first(
    server: OwnServer, url: str
) -> None:
    with JobHost(url) as host, psycopg.connect(server.url) as connection:
        task = host.task(name="none")(lambda: None)
        for _ in range(2):
            with pytest.raises(psycopg.Error):
                connection.execute("SELECT 1 / 0")
            with pytest.raises(StoreError, match="roll back"):
                task.enqueue_with(connection)
            connection.rollback()
            task.enqueue_with(connection)
            connection.commit()
        assert len(host.jobs()) == 2


# --- Instants that only SQL can write


@pytest.mark.parametrize("moment", ["290000-01-01", "10000-01-01 00:00+00", "0001-01-01 BC",
                                    "infinity", "-infinity"])  # fmt: skip
def test_no_job_is_accepted_for_an_instant_that_python_cannot_name(
    server: OwnServer, url: str, moment: str
) -> None:
    schema = url.rpartition("schema=")[2]
    with pytest.raises(psycopg.DataError, match="years 1 to 9999"):
        server.ask(f"SELECT {schema}.enqueue('rec', '{{}}', run_at => '{moment}')")
    with JobHost(url) as host:
        assert host.jobs() == []


def test_the_last_instant_of_all_is_accepted(server: OwnServer, url: str) -> None:
    schema = url.rpartition("schema=")[2]
    server.ask(f"SELECT {schema}.enqueue('rec', '{{}}', run_at => '9999-12-31 23:59:59.999999Z')")
    with JobHost(url) as host:
        [job] = host.jobs()
        assert (job.due_at.year, job.due_at.microsecond) == (9999, 999_999)


def test_an_instant_that_nobody_can_name_hides_no_other_job(server: OwnServer, url: str) -> None:
    schema = url.rpartition("schema=")[2]
    server.ask(f"SELECT {schema}.enqueue('rec', '{{}}', run_at => '9999-12-31')")
    server.ask(f"SELECT {schema}.enqueue('rec', '{{}}')")
    server.ask(f"UPDATE {schema}.scheduled SET due_at = 9000000000000000000")
    with JobHost(url) as host:
        assert {getattr(job.due_at, "year", None) for job in host.jobs()} == {9999, None}


# --- What stands between


class Doorkeeper:
    """Stands before the server like a pooler, and looks at what a connection asks for first.

    Args:
        server: Behind it.
        ask: Gets what libpq asks for, and gives back what the server hears; or an answer, after
            which the connection ends.
    """

    def __init__(
        self, server: OwnServer, ask: Callable[[dict[str, str]], dict[str, str] | bytes]
    ) -> None:
        self._server, self._ask = server, ask
        self._folder = tempfile.TemporaryDirectory(prefix="jobhost-door-")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(f"{self._folder.name}/.s.PGSQL.5432")
        self._socket.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Doorkeeper":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._folder.cleanup()

    def before(self, url: str) -> str:
        """The address through it."""
        return url.replace(str(self._server.folder), self._folder.name)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._pump, args=(client,), daemon=True).start()

    def _pump(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(f"{self._server.folder}/.s.PGSQL.5432")
            [size] = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
            first = client.recv(size - 4, socket.MSG_WAITALL)
            version, words = first[:4], first[4:].split(b"\0")
            if version == struct.pack("!i", 196_608):
                texts = [word.decode() for word in words]
                heard = self._ask(dict(zip(texts[:-2:2], texts[1:-1:2], strict=False)))
                if isinstance(heard, bytes):
                    client.sendall(heard)
                    return
                pairs = [part for pair in heard.items() for part in pair]
                first = version + b"".join(f"{part}\0".encode() for part in pairs) + b"\0"
            server.sendall(struct.pack("!i", len(first) + 4) + first)
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    said = ready.recv(1 << 16)
                    if not said:
                        return
                    (server if ready is client else client).sendall(said)


def test_a_pooler_that_drops_what_a_connection_asks_for_is_found_out(
    server: OwnServer, url: str
) -> None:
    def drop(asked: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in asked.items() if key != "options"}

    with Doorkeeper(server, drop) as pooler:
        [found] = look(pooler.before(url), "settings")
        assert found.level is Level.WARNING
        assert "plan_cache_mode, statement_timeout" in found.sentence
        assert "pooler=transaction" in str(found.next_step)
        assert look(f"{pooler.before(url)}&pooler=transaction", "settings") == []
    assert look(url, "settings") == []
    assert look(f"{url}&options=-c%20statement_timeout%3D1min", "settings") == []


def test_a_pooler_that_refuses_what_a_connection_asks_for_is_taken_for_one(
    server: OwnServer, url: str
) -> None:
    def refuse(asked: dict[str, str]) -> dict[str, str] | bytes:
        if "options" not in asked:
            return asked
        said = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
        return b"E" + struct.pack("!i", len(said) + 4) + said

    with Doorkeeper(server, refuse) as pooler:
        with (
            JobHost(pooler.before(url)) as host,
            pytest.raises(StoreUnavailable, match="add pooler=transaction to the address"),
        ):
            host.jobs()
        with JobHost(f"{pooler.before(url)}&pooler=transaction") as host:
            assert host.jobs() == []


def test_a_server_without_tls_is_not_taken_for_one_that_does_not_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def refuse() -> None:
            with suppress(OSError):
                while True:
                    client, _ = door.accept()
                    with client:
                        client.recv(8, socket.MSG_WAITALL)
                        client.sendall(b"N")
                        client.recv(1)

        threading.Thread(target=refuse, daemon=True).start()
        port = door.getsockname()[1]
        address = f"postgresql://me@127.0.0.1:{port}/jobs?sslmode=require&gssencmode=disable"
        with JobHost(address) as host, pytest.raises(StoreUnavailable) as caught:
            host.jobs()
        door.shutdown(socket.SHUT_RDWR)
    told = str(caught.value)
    assert told.startswith(f"'jobs' on 127.0.0.1:{port} as 'me' offers no TLS")
