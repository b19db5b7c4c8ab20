"""A server that is away for a moment, or refuses a worker: who waits says so, and nobody's job is
doubled. Each module has a server of its own, which is ended and started at will."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from jobhost import Job, JobHost, SchemaMismatch, StoreUnavailable
from jobhost.events import StoreBack, StoreTrouble
from jobhost.host import accepting
from jobhost.store.postgres import bell
from jobhost.worker import store_loop

from .crew import GUARD_SECONDS, OwnServer, WorkerThread, until, working

PATIENCE = "60s"
SCHEMAS = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    made = OwnServer("fsync=off", "full_page_writes=off", "max_connections=30")
    yield made
    made.stop()


@pytest.fixture
def schema(server: OwnServer) -> str:
    return f"away_{next(SCHEMAS)}"


@pytest.fixture
def host(server: OwnServer, schema: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHost]:
    """With the task `note`, on an empty store."""
    monkeypatch.setattr(store_loop, "_BACK_OFF_SECONDS", (0.01, 0.1))
    monkeypatch.setattr(bell, "_TRY_SECONDS", (0.01, 0.1))
    with at(server, schema) as made:
        made.migrate()
        yield made


def at(server: OwnServer, schema: str, more: str = "") -> JobHost:
    host = JobHost(f"{server.url}&schema={schema}{more}")

    @host.task
    def note(number: int) -> int:
        return number

    return host


def enqueue(host: JobHost, number: int, **options: Any) -> "Job[int]":
    job: Job[int] = host.tasks.get("note").using(**options).enqueue(number)
    return job


async def aenqueue(host: JobHost, number: int, **options: Any) -> "Job[int]":
    job: Job[int] = await host.tasks.get("note").using(**options).aenqueue(number)
    return job


# --- At the start of a worker


def test_a_worker_that_starts_while_its_server_is_away_waits_for_it(
    server: OwnServer, schema: str, host: JobHost, caplog: pytest.LogCaptureFixture
) -> None:
    job = enqueue(host, 1)
    server.crash()
    with (
        caplog.at_level("INFO", "jobhost.worker"),
        at(server, schema) as late,
        working(late.worker()) as worker,
    ):
        try:
            until(lambda: len(worker.troubles) > 3 or not worker.lives)
        finally:
            server.start()
        until(worker.started.is_set)
        assert late.job(job.id).result(PATIENCE) == 1
    assert "; next try in " in caplog.text
    assert "the store works again" in caplog.text


def test_a_worker_that_waits_for_its_server_ends_when_it_is_asked_to(
    server: OwnServer, schema: str, host: JobHost
) -> None:
    server.crash()
    try:
        with at(server, schema) as late, working(late.worker()) as worker:
            until(lambda: worker.troubles or not worker.lives)
            worker.worker.stop()
            until(lambda: not worker.lives)
        assert worker.report is not None
        assert worker.report.stopped
    finally:
        server.start()


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("&user=nobody_at_all", StoreUnavailable),
        ("&dbname=nowhere", StoreUnavailable),
        ("&schema=never_made", SchemaMismatch),
    ],
)
def test_what_does_not_pass_by_itself_ends_a_worker_at_its_start(
    server: OwnServer, schema: str, more: str, kind: type[Exception]
) -> None:
    url = server.url
    if more.startswith("&dbname"):
        url = url.replace("/postgres?", "/nowhere?")
        more = ""
    schema_words = more if more.startswith("&schema") else f"&schema={schema}{more}"
    with JobHost(f"{url}{schema_words}") as host:
        host.task(name="note")(print_it)
        worker = host.worker()
        told: list[StoreTrouble] = []
        worker.events.subscribe(StoreTrouble, told.append)
        with pytest.raises(kind):
            worker.run()
    assert not told


def print_it(number: int) -> None:
    print(number)


# --- A worker without work


@pytest.fixture
def role(server: OwnServer, schema: str) -> Iterator[str]:
    name = f"role_{schema}"
    server.ask(f"CREATE ROLE {name} LOGIN")
    yield name
    server.ask(f"DROP OWNED BY {name}")
    server.ask(f"DROP ROLE {name}")


@pytest.mark.parametrize("lease", ["10m", "600ms"])
def test_a_worker_without_work_says_that_it_is_refused_and_when_it_is_not_any_more(
    server: OwnServer, schema: str, host: JobHost, role: str, lease: str
) -> None:
    """Through its bell, or with a short lease through its heartbeat as well."""
    server.ask(f"ALTER ROLE {role} SUPERUSER")
    with at(server, schema, f"&user={role}&application_name={role}") as refused:
        made = refused.worker(lease=lease, poll="1h")
        back: list[StoreBack] = []
        made.events.subscribe(StoreBack, back.append)
        with working(made) as worker:
            until(worker.started.is_set)
            server.ask(f"ALTER ROLE {role} NOLOGIN")
            end_connections(server, role)
            until(lambda: any("refused the login" in t.error for t in worker.troubles))
            server.ask(f"ALTER ROLE {role} LOGIN")
            until(lambda: back)
            assert enqueue(host, 1).result(PATIENCE) == 1


def test_a_heartbeat_that_is_refused_says_so_once_and_tells_when_it_works_again(
    server: OwnServer, schema: str, host: JobHost, role: str
) -> None:
    """Its connection lives, and the worker has no other reason to speak with the store."""
    server.ask(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    server.ask(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}")
    server.ask(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}")
    server.ask(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}")
    with at(server, schema, f"&user={role}") as refused:
        made = refused.worker(lease="900ms", poll="1h")
        back: list[StoreBack] = []
        made.events.subscribe(StoreBack, back.append)
        with working(made) as worker:
            until(worker.started.is_set)
            server.ask(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}")
            until(lambda: heartbeat_troubles(worker))
            server.ask(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}")
            until(lambda: back)
            assert enqueue(host, 1).result(PATIENCE) == 1


def heartbeat_troubles(worker: WorkerThread) -> list[StoreTrouble]:
    return [trouble for trouble in worker.troubles if "refused a right" in trouble.error]


def end_connections(server: OwnServer, role: str) -> None:
    server.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")


# --- Enqueue


@pytest.mark.parametrize("how", ["enqueue", "aenqueue", "new connection"])
def test_an_enqueue_across_a_restart_of_the_server_makes_one_job(
    server: OwnServer, schema: str, host: JobHost, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(accepting, "TRY_SECONDS", GUARD_SECONDS)
    with at(server, schema) as fresh, ThreadPoolExecutor(1) as threads:
        user = fresh if how == "new connection" else host
        first = enqueue(host, 0)
        server.crash()
        if how == "aenqueue":
            waiting = threads.submit(asyncio.run, aenqueue(user, 1))
        else:
            waiting = threads.submit(enqueue, user, 1)
        server.start()
        job = waiting.result(GUARD_SECONDS)
        assert [record.id for record in user.jobs()] == [job.id, first.id]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_enqueue_that_has_waited_long_enough_names_the_job_and_can_be_repeated(
    server: OwnServer,
    host: JobHost,
    monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
) -> None:
    monkeypatch.setattr(accepting, "TRY_SECONDS", 0.2)

    def call(**options: Any) -> "Job[int]":
        if asynchronous:
            return asyncio.run(aenqueue(host, 1, **options))
        return enqueue(host, 1, **options)

    server.crash()
    try:
        with pytest.raises(StoreUnavailable, match="may have been accepted all the same") as caught:
            call()
        (job_id,) = caught.value.job_ids
        assert f"using(id='{job_id}')" in str(caught.value)
        with pytest.raises(StoreUnavailable) as again:
            call(id=job_id)
        assert again.value.job_ids == (job_id,)
    finally:
        server.start()
    first, second = call(id=job_id), call(id=str(job_id))
    assert first == second
    assert [record.id for record in host.jobs()] == [job_id]


def test_many_jobs_that_may_have_been_accepted_are_named_in_their_order(
    server: OwnServer, host: JobHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "TRY_SECONDS", 0.2)
    server.crash()
    try:
        with pytest.raises(StoreUnavailable, match="these 3 jobs may have been accepted") as caught:
            host.tasks.get("note").enqueue_many([(1,), (2,), (3,)])
    finally:
        server.start()
    assert list(caught.value.job_ids) == sorted(caught.value.job_ids)
    for number, job_id in enumerate(caught.value.job_ids, 1):
        assert enqueue(host, number, id=job_id).id == job_id


def test_a_refused_login_is_not_tried_for_long_and_leaves_no_doubt(
    server: OwnServer, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "TRY_SECONDS", 10 * GUARD_SECONDS)
    with (
        at(server, schema, "&user=nobody_at_all") as nobody,
        pytest.raises(StoreUnavailable, match="nobody_at_all") as caught,
    ):
        enqueue(nobody, 1)
    assert "accepted" not in str(caught.value)


PATIENT = """
import asyncio, sys
from jobhost import JobHost
from jobhost.host import accepting
accepting.TRY_SECONDS = 1e6
accepting._PAUSE_SECONDS = (1e5, 1e5)
host = JobHost("postgresql://nobody@localhost:1/nowhere")

@host.task
def note() -> None: ...

try:
    print("enqueues", flush=True)
    note.enqueue()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_ends_an_enqueue_that_waits_for_its_server() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PATIENT)], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "enqueues\n"
        os.kill(program.pid, signal.SIGINT)
        assert program.stdout.readline() == "interrupted\n"


def test_a_cancelled_aenqueue_ends_at_once_while_it_waits_for_its_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepting, "TRY_SECONDS", 1e6)
    monkeypatch.setattr(accepting, "_PAUSE_SECONDS", (1e5, 1e5))
    failed = threading.Event()
    known = accepting.passes

    def passes(error: Any) -> bool:
        failed.set()
        return known(error)

    monkeypatch.setattr(accepting, "passes", passes)

    async def give_up() -> None:
        with JobHost("postgresql://nobody@localhost:1/nowhere") as host:
            task = asyncio.create_task(host.task(name="note")(print_it).aenqueue(1))
            await asyncio.to_thread(failed.wait, GUARD_SECONDS)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(give_up())
