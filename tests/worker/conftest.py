"""Workers for tests: in a thread of this process, or in processes of their own.

Nothing here measures time. Tests wait for conditions; GUARD_SECONDS only ends a test that hangs.
"""

import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import postgres_server
import pytest
from ledger import Ledger
from programs.chores import Chores
from sqlite_locks import stop_outside_the_store

from jobhost import Job, JobHost, current_job
from jobhost.store.plans.nodes import heartbeat, live_nodes
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.turnstile import Turnstile
from jobhost.worker.worker import Worker, WorkerReport

GUARD_SECONDS = 60.0
SERVE = Path(__file__).parent / "programs" / "serve.py"


class Until(Protocol):
    """Waits until a condition holds, and gives back what it gave."""

    def __call__(self, condition: Callable[[], Any], what: str = "") -> Any: ...


def _until(condition: Callable[[], Any], what: str = "") -> Any:
    end = time.monotonic() + GUARD_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"still not so: {what or condition}"
        time.sleep(0.005)
    return value


@pytest.fixture
def until() -> Until:
    return _until


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each of the stores of its mark, or of its module's."""
    marked = metafunc.definition.get_closest_marker("stores")
    if marked and "store_kind" in metafunc.fixturenames:
        metafunc.parametrize("store_kind", marked.args)


@pytest.fixture
def store_kind() -> str:
    """The store of a test that is not marked."""
    return "sqlite"


@pytest.fixture
def url(request: pytest.FixtureRequest, store_kind: str, tmp_path: Path) -> str:
    """The address of an empty store."""
    if store_kind == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        if "pooler=transaction" in url and request.node.get_closest_marker("bell"):
            pytest.skip("behind a pooler no other process wakes a worker")
        return url
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def host(url: str) -> Iterator[JobHost]:
    """A host with an empty store."""
    with JobHost(url) as made:
        made.migrate()
        yield made


Beside = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def beside(host: JobHost) -> Beside:
    """Runs a statement beside the store; tables are called as on SQLite."""

    def on_sqlite(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(host.store.url.removeprefix("sqlite:///"))) as raw, raw:
            return raw.execute(sql).fetchall()

    def on_postgres(sql: str) -> list[tuple[Any, ...]]:
        return postgres_server.ask(sql.replace("jobhost_", f"{_schema(host)}."))

    return on_postgres if isinstance(host.store, PostgresStore) else on_sqlite


@pytest.fixture
def obedient(host: JobHost) -> tuple[Job[None], threading.Event]:
    """A job that will hold a thread until its token is set, and the event that it runs."""
    running = threading.Event()

    @host.task
    def run() -> None:
        running.set()
        token = current_job().cancel
        assert token.wait(GUARD_SECONDS)
        token.raise_if_set()

    return run.enqueue(), running


class WorkerThread:
    """A worker that runs in a thread of the test's process."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.report: WorkerReport | None = None
        self._thread = threading.Thread(target=self._run, name="worker-under-test")
        self._thread.start()

    def _run(self) -> None:
        self.report = self.worker.run()

    def wait(self) -> WorkerReport:
        """Until it has ended by itself."""
        self._thread.join(GUARD_SECONDS)
        assert not self._thread.is_alive(), "the worker does not end"
        assert self.report is not None, "the worker raised"
        return self.report

    def stop(self) -> None:
        """For the end of a test: twice, so that whatever still runs is handed back."""
        if self._thread.is_alive():
            self.worker.stop()
            self.worker.stop()
        self._thread.join(GUARD_SECONDS)
        assert not self._thread.is_alive(), "the worker does not end"


class Working(Protocol):
    """Starts a worker in a thread; it is stopped at the end of the block."""

    def __call__(self, worker: Worker) -> Any: ...


@contextmanager
def _working(worker: Worker) -> Iterator[WorkerThread]:
    thread = WorkerThread(worker)
    try:
        yield thread
    finally:
        thread.stop()


@pytest.fixture
def working() -> Working:
    return _working


class WorkerProcess:
    """A worker in a process and a session of its own; killed at the end of the test."""

    def __init__(self, url: str, folder: Path, number: int, config: dict[str, Any]) -> None:
        self._folder = folder
        self.log = folder / f"worker-{number}.log"
        self._out = folder / f"worker-{number}.out"
        with self.log.open("wb") as log, self._out.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", str(SERVE), url, str(folder), json.dumps(config)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def name(self) -> str:
        """As the store names it."""
        return f"{socket.gethostname()}:{self.pid}"

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait(GUARD_SECONDS)

    def said(self, words: str) -> None:
        """Wait until its log has these words, such as the name of an event."""
        _until(lambda: words in self.log.read_text(), f"{words!r} in the log of {self.name}")

    def report(self) -> dict[str, Any]:
        """What `Worker.run` gave back; it must have ended well."""
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.log.read_text()}"
        report: dict[str, Any] = json.loads(self._out.read_text())
        return report

    def end(self) -> None:
        for number in (signal.SIGCONT, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
        self.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


class Yard:
    """A store, the chores declared on it, and worker processes that do them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.host = JobHost(url)
        self.host.migrate()
        self.chores = Chores(self.host, folder)
        self.ledger = Ledger(folder / "ledger")
        self._processes: list[WorkerProcess] = []

    def start(self, **config: Any) -> WorkerProcess:
        """Start a worker process; see `programs/serve.py` for the extra settings."""
        process = WorkerProcess(self.url, self.folder, len(self._processes), config)
        self._processes.append(process)
        return process

    def started(self, *names: str, times: int = 1) -> None:
        """Wait until jobs of these names have started so often."""
        _until(
            lambda: all(self.ledger.count("start")[name] >= times for name in names),
            f"{names} started {times} times",
        )

    def go(self, *names: str) -> None:
        """Let jobs that hold go on."""
        for name in names:
            (self.folder / f"go-{name}").touch()

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """The store, while another process is writing and does not end."""
        turnstile = Turnstile(self.folder / "jobs.db-run")
        turnstile.enter(Patience(GUARD_SECONDS).wait())
        try:
            yield
        finally:
            turnstile.leave()
            turnstile.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The same, and the other process is no program of ours: it passes no turnstile."""
        with closing(sqlite3.connect(self.folder / "jobs.db", isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            yield

    def waits(self, lock: str) -> None:
        """Wait until somebody holds this lock of the turnstile: one who waits for what comes
        behind it."""
        with (self.folder / "jobs.db-run" / lock).open("r+b") as file:
            _until(lambda: _is_held(file.fileno()), f"{lock} is held")

    def put_to_sleep(self, worker: WorkerProcess) -> None:
        """SIGSTOP, and its lease has run out when this returns. Nobody waits for a lock of its."""
        self._stop(worker)
        nodes = self.host.store.read(live_nodes)
        (number,) = [node.number for node in nodes if node.worker == worker.name]
        self.host.store.write(lambda: heartbeat(number, 0))

    def _stop(self, worker: WorkerProcess) -> None:
        stop_outside_the_store(worker.pid, self.folder / "jobs.db-run")

    def close(self) -> None:
        for process in self._processes:
            process.end()
        self.host.close()


class PostgresYard(Yard):
    """The same on PostgreSQL, where a stranger's lock is on a table."""

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """The store, while another process is writing and does not end."""
        with postgres_server.connect() as stranger, stranger.transaction():
            stranger.execute(f"LOCK TABLE {_schema(self.host)}.running IN SHARE MODE".encode())
            yield

    locked = blocked

    def _stop(self, worker: WorkerProcess) -> None:
        worker.send(signal.SIGSTOP)  # the server ends a transaction that stands still

    def waits(self, lock: str) -> None:
        """Wait until somebody waits for the table."""
        table = f"{_schema(self.host)}.running"
        waiting = f"SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass"
        _until(lambda: postgres_server.ask(waiting), f"somebody waits for {table}")


def _schema(host: JobHost) -> str:
    store = host.store
    assert isinstance(store, PostgresStore)
    return store.target.schema


def _is_held(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(handle, fcntl.LOCK_UN)
    return False


@pytest.fixture
def yard(url: str, store_kind: str, tmp_path: Path) -> Iterator[Yard]:
    made = (PostgresYard if store_kind == "postgres" else Yard)(url, tmp_path)
    try:
        yield made
    finally:
        made.close()
