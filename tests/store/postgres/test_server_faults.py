"""A real server that breaks in real ways: the worker goes on, loses nothing, and says what to do.

Each test has its store on one server of this module's own, whose processes are ended, stopped and
started at will.
"""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest

from jobhost import Job, JobHost
from jobhost.clock import SystemClock
from jobhost.errors import (
    StoreBusy,
    StoreError,
    StoreReadOnly,
    StoreUnavailable,
)
from jobhost.events import LeaseEnded
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans import look
from jobhost.store.postgres import bell, watchdog
from jobhost.store.postgres import store as postgres_store
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.store import PostgresStore
from jobhost.worker import store_loop

from ..conservation import assert_conserved
from .crew import OwnServer, WorkerThread, until, working

PATIENCE = "60s"
SCHEMAS = count(1)

FAST = ("fsync=off", "full_page_writes=off", "max_connections=30")
"""What is committed outlives the server's processes, and need not outlive the machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    made = OwnServer(*FAST)
    yield made
    made.stop()


class Site:
    """A store on that server, with a host to enqueue from and hosts for workers."""

    def __init__(self, server: OwnServer) -> None:
        self.server = server
        self.schema = f"faults_{next(SCHEMAS)}"
        self._hosts: list[JobHost] = []
        self.outside = self.host("outside")
        self.outside.migrate()
        self.runs: list[int] = []
        self._mutex = threading.Lock()

    def url(self, name: str, more: str = "") -> str:
        return f"{self.server.url}&schema={self.schema}&application_name={name}{more}"

    def host(self, name: str, more: str = "") -> JobHost:
        """A host whose connections have this name."""
        made = JobHost(self.url(name, more))
        self._hosts.append(made)
        return made

    def note(self, host: JobHost) -> Any:
        """The task that all have."""

        def note(number: int) -> int:
            with self._mutex:
                self.runs.append(number)
            return number

        return host.task(name="note")(note)

    @contextmanager
    def working(self, more: str = "", **config: Any) -> Iterator[WorkerThread]:
        """A worker that has begun, on a host of its own."""
        host = self.host("worker", more)
        self.note(host)
        with working(host.worker(**config)) as thread:
            until(thread.started.is_set, "the worker has started")
            yield thread

    def query(self, text: str) -> list[tuple[Any, ...]]:
        rows = self.server.ask(text.replace("jobhost_", f"{self.schema}."))
        return [tuple(v.bytes if hasattr(v, "bytes") else v for v in row) for row in rows]

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """A stranger's lock on a table."""
        with psycopg.connect(self.server.url) as stranger:
            stranger.execute(f"LOCK TABLE {self.schema}.{table}".encode())
            yield

    @contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """A setting of the whole server, for connections to come."""
        self.server.ask(f"ALTER SYSTEM SET {name} = {value}")
        self.server.ask("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            with psycopg.connect(self.server.url, autocommit=True) as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.execute(f"ALTER SYSTEM RESET {name}".encode())
                connection.execute("SELECT pg_reload_conf()")

    def close(self) -> None:
        for host in self._hosts:
            host.close()


@pytest.fixture
def site(server: OwnServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """All jobs are accounted for at the end."""
    monkeypatch.setattr(store_loop, "_BACK_OFF_SECONDS", (0.01, 0.1))
    monkeypatch.setattr(bell, "_TRY_SECONDS", (0.01, 0.1))
    made = Site(server)
    yield made
    made.close()
    assert_conserved(made.query)


def persist(enqueue: Callable[[], Any]) -> Any:
    """As a caller would who repeats after an error; what it accepted twice runs twice."""
    while True:
        try:
            return enqueue()
        except StoreError:
            continue


def succeeded_once(jobs: list["Job[int]"]) -> None:
    """Each with its own result, and no attempt but released ones, or such as were lost, before."""
    assert [job.result(PATIENCE) for job in jobs] == list(range(len(jobs)))
    for job in jobs:
        *before, last = [attempt.outcome for attempt in job.attempts()]
        assert last == "succeeded"
        assert set(before) <= {"released", "crashed"}


# --- Connections that end


@pytest.mark.requirement("R-PART-2")
@pytest.mark.requirement("R-COMP-1")
def test_connections_ended_at_random_delay_but_lose_and_double_nothing(site: Site) -> None:
    dice, stop = random.Random(1), threading.Event()
    ended = [0]

    def end_some() -> None:
        while not stop.wait(0.02):
            for pid in site.server.backends("worker"):
                if dice.random() < 0.4:
                    site.server.ask(f"SELECT pg_terminate_backend({pid})")
                    ended[0] += 1

    killer = threading.Thread(target=end_some)
    note = site.note(site.outside)
    with site.working(concurrency=4, lease="30s") as worker:
        killer.start()
        jobs = note.enqueue_many([(number,) for number in range(400)])
        for job in jobs:
            job.result(PATIENCE)
        until(lambda: ended[0] > 10 or not killer.is_alive())
        late = note.enqueue(400)
        assert late.result(PATIENCE) == 400
        stop.set()
        killer.join()
        assert worker.lives
    succeeded_once([*jobs, late])
    assert sorted(site.runs) == list(range(401))


@pytest.mark.requirement("R-PART-2")
def test_a_server_that_crashes_again_and_again_delays_but_loses_nothing(site: Site) -> None:
    note = site.note(site.outside)
    lost: list[LeaseEnded] = []
    host = site.host("worker")
    site.note(host)
    worker = host.worker(concurrency=4)
    worker.events.subscribe(LeaseEnded, lost.append)
    with working(worker) as thread:
        until(thread.started.is_set)
        jobs = []
        for round_ in range(3):
            jobs += [
                persist(lambda at=at: note.enqueue(at)) for at in range(len(jobs), len(jobs) + 20)
            ]
            until(lambda some=round_ * 20: len(set(site.runs)) > some)
            site.server.crash()
            site.server.start()
        jobs += [persist(lambda: note.enqueue(60))]
        assert [job.result(PATIENCE) for job in jobs] == list(range(61))
        assert thread.lives
    assert not lost
    assert set(site.runs) == set(range(61))


def test_a_worker_without_work_hears_again_once_its_server_is_back(site: Site) -> None:
    note = site.note(site.outside)
    with site.working(lease="10m", poll="1h"):
        assert note.enqueue(1).result(PATIENCE) == 1
        site.server.crash()
        site.server.start()
        job = persist(lambda: note.enqueue(2))
        assert job.result(PATIENCE) == 2


def test_notices_that_never_arrive_cost_a_wait_and_no_job(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_store, "listen_to", lambda schema: lambda raw: None)
    note = site.note(site.outside)
    with site.working(lease="600ms", poll="1h"):
        jobs = [note.enqueue(0)]
        succeeded_once(jobs)
        jobs += note.enqueue_many([(1,), (2,)])
        later = note.using(delay="1s").enqueue(3)
        succeeded_once([*jobs, later])


# --- A server that answers no more


def test_a_wait_for_a_process_that_hangs_is_ended_by_the_watchdog(site: Site) -> None:
    store = PostgresStore(site.url("hanging"), SystemClock())
    session = store.session()
    session.read(look.tally)
    session.hurry(0.2)
    pid = until(lambda: site.server.backends("hanging"))[-1]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="lost the connection"):
            session.read(look.served_queues)
        assert persist(lambda: session.read(look.served_queues)) == frozenset()
    finally:
        os.kill(pid, signal.SIGCONT)
    session.close()
    store.close()


def test_a_worker_whose_backend_hangs_takes_another_and_keeps_its_lease(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobhost.store.postgres.connection._WAIT_SECONDS", 0.5)
    note = site.note(site.outside)
    with site.working(lease="9s") as worker:
        pids = until(lambda: site.server.backends("worker"))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            job = note.enqueue(0)
            assert job.result(PATIENCE) == 0
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert worker.troubles or len(pids) < 2
    succeeded_once([job])


def test_a_statement_that_takes_too_long_is_cancelled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_CANCEL_SECONDS", 60.0)  # a slow server may take its time
    store = PostgresStore(site.url("slow"), SystemClock())
    session = store.session()
    session.hurry(0.2)
    with (
        site.locked("scheduled"),
        pytest.raises(StoreBusy, match="took longer than the time-out"),
    ):
        session.write(_look_for_due)
    persist(lambda: session.write(_look_for_due))
    session.close()
    store.close()


# --- What a server refuses


def test_a_lock_held_on_a_table_ends_in_busy_and_then_work_goes_on(site: Site) -> None:
    note = site.note(site.outside)
    more = "&options=-c%20lock_timeout%3D200ms"
    with site.working(more, lease="60s") as worker:
        with site.locked("running"):
            job = note.enqueue(0)
            until(lambda: worker.troubles)
        assert job.result(PATIENCE) == 0
    assert "kept a lock longer than the time-out" in worker.troubles[0].error
    succeeded_once([job])


def test_a_statement_timeout_ends_in_busy_and_then_work_goes_on(site: Site) -> None:
    note = site.note(site.outside)
    more = "&options=-c%20statement_timeout%3D1s"
    with site.working(more, lease="60s") as worker:
        with site.locked("running"):
            job = note.enqueue(0)
            until(lambda: worker.troubles)
        assert job.result(PATIENCE) == 0
    assert "took longer than the time-out of this statement" in worker.troubles[0].error


def test_a_server_that_is_read_only_for_a_while_is_waited_for(site: Site) -> None:
    note = site.note(site.outside)
    with site.working(lease="60s") as worker:
        job = note.enqueue(0)
        assert job.result(PATIENCE) == 0
        with site.setting("default_transaction_read_only", "on"):
            for pid in site.server.backends("worker") + site.server.backends("outside"):
                site.server.ask(f"SELECT pg_terminate_backend({pid})")
            with pytest.raises((StoreReadOnly, StoreUnavailable)):
                note.enqueue(1)
            with pytest.raises(StoreReadOnly, match="default_transaction_read_only is on; set it"):
                note.enqueue(1)
            until(lambda: any("read-only" in t.error for t in worker.troubles))
        job = note.enqueue(1)
        assert job.result(PATIENCE) == 1


def test_no_connection_left_is_said_and_waited_for(site: Site) -> None:
    note = site.note(site.outside)
    with site.working(lease="60s") as worker:
        assert note.enqueue(0).result(PATIENCE) == 0
        hogs = []
        for pid in site.server.backends("worker"):
            site.server.ask(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(psycopg.OperationalError):
            while True:
                hogs.append(psycopg.connect(site.server.url))
        stranger = PostgresConnection(site.outside.store.target)
        with pytest.raises(StoreUnavailable, match="no connection left; raise max_connections"):
            stranger.begin()
        for hog in hogs:
            hog.close()
        job = persist(lambda: note.enqueue(1))
        assert job.result(PATIENCE) == 1
        assert worker.lives


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("dbname=nowhere", "create the database"),
        ("user=nobody_at_all", "has no such role; create it, or change the user"),
        ("host=/nowhere", "check the address, and that it runs"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_with_the_next_step(
    site: Site, more: str, words: str
) -> None:
    key, _, value = more.partition("=")
    target = site.outside.store.target
    wrong = PostgresConnection(
        type(target)(
            parameters={**target.parameters, key: value},
            schema=target.schema,
            pooled=False,
            clock=None,
        )
    )
    with pytest.raises(StoreUnavailable, match=words):
        wrong.begin()


def test_a_password_that_is_changed_meanwhile_is_said_and_waited_for(site: Site) -> None:
    """Whoever changes it tells the workers by restarting them; until then they try."""
    server, role = site.server, f"role_{site.schema}"
    server.ask(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'first'")
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all {role} scram-sha-256\n{before}")
    server.ask("SELECT pg_reload_conf()")
    note = site.note(site.outside)
    try:
        with site.working(f"&user={role}&password=first", lease="60s") as worker:
            assert note.enqueue(0).result(PATIENCE) == 0
            server.ask(f"ALTER ROLE {role} PASSWORD 'second'")
            for pid in server.backends("worker"):
                server.ask(f"SELECT pg_terminate_backend({pid})")
            job = note.enqueue(1)
            stranger = PostgresConnection(
                PostgresStore(
                    site.url("stranger", f"&user={role}&password=first"), SystemClock()
                ).target
            )
            with pytest.raises(StoreUnavailable, match="refused the password; check the address"):
                stranger.begin()
            server.ask(f"ALTER ROLE {role} PASSWORD 'first'")
            assert job.result(PATIENCE) == 1
            assert worker.lives
    finally:
        rules.write_text(before)
        server.ask("SELECT pg_reload_conf()")


def _look_for_due() -> Plan[None]:
    yield Statement("due", {"limit": 1})
