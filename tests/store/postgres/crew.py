"""For tests of workers against real faults: a server of the test's own, a proxy that loses answers,
and a worker in a thread.

Nothing here measures time. Tests wait for conditions; GUARD_SECONDS only ends a test that hangs.
"""

import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from postgres_server import programs, server_url

from jobhost.cli.demo_server import Guarded, TemporaryServer
from jobhost.clock import SystemClock
from jobhost.events import StoreTrouble, WorkerStarted
from jobhost.store.postgres.target import read_target
from jobhost.worker.worker import Worker, WorkerReport

GUARD_SECONDS: Final = 90.0


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until it holds; what it gave."""
    end = time.monotonic() + GUARD_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"still not so: {what or condition}"
        time.sleep(0.01)
    return value


class WorkerThread:
    """A worker that runs in a thread of the test's process."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.started = threading.Event()
        self.troubles: list[StoreTrouble] = []
        worker.events.subscribe(WorkerStarted, lambda event: self.started.set())
        worker.events.subscribe(StoreTrouble, self.troubles.append)
        self.report: WorkerReport | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="worker-under-test")
        self._thread.start()

    @property
    def lives(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Twice, so that whatever still runs is handed back."""
        if self.lives:
            self.worker.stop()
            self.worker.stop()
        self._thread.join(GUARD_SECONDS)
        assert not self.lives, "the worker does not end"
        assert self.error is None, f"the worker raised {self.error!r}"

    def _run(self) -> None:
        try:
            self.report = self.worker.run()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.error = error


@contextmanager
def working(worker: Worker) -> Iterator[WorkerThread]:
    """A worker in a thread for the length of the block."""
    thread = WorkerThread(worker)
    try:
        yield thread
    finally:
        thread.stop()


class OwnServer:
    """A server of one test, which may be ended and started again, and stopped in the middle.

    Args:
        settings: As in postgresql.conf.
    """

    def __init__(self, *settings: str) -> None:
        self._settings = settings
        self._first = TemporaryServer(programs(), settings)
        self._again: Guarded | None = None
        self.folder = self._first.folder

    @property
    def url(self) -> str:
        """As a superuser, with trust."""
        return self._first.url

    @property
    def log(self) -> str:
        """What it has said since it was started last."""
        return (self.folder / "log").read_text(errors="replace")

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement on a connection of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def backends(self, name: str) -> list[int]:
        """The server's processes for the connections of this name."""
        found = self.ask(f"SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'")
        return [pid for (pid,) in found]

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: no goodbye, and recovery at the next start."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGQUIT)
        until(lambda: not _is_there(pid), "the server has ended")

    def start(self) -> None:
        """Start it again after a crash."""
        if self._again is not None:
            _ended(self._again)
        binary = next(iter(self.folder.glob("programs/bin/postgres")), programs() / "postgres")
        more = [word for setting in self._settings for word in ("-c", setting)]
        listen = ["-k", self.folder, "-p", "5432", "-c", "listen_addresses="]
        self._again = Guarded(self.folder, [binary, "-D", "data", *listen, *more], signal="INT")
        self._again.wait_until_ready(self.url)

    def stop(self) -> None:
        if self._again is not None:
            self._again.stop()
        self._first.stop()


def _ended(guarded: Guarded) -> None:
    """Let go of a server that has crashed; its folder stays."""
    guarded._process.wait(GUARD_SECONDS)
    assert guarded._process.stdin is not None
    guarded._process.stdin.close()


def _is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Proxy:
    """Stands between the store and the test's server, and loses answers.

    Args:
        lose: Asked with each piece of an answer; True: it is dropped, and the connection cut.
    """

    def __init__(self, lose: Callable[[bytes], bool] = lambda answer: False) -> None:
        self.lose = lose
        self.withhold: Callable[[bytes], bool] = lambda request: False
        self.lost = 0
        self._folder = tempfile.TemporaryDirectory(prefix="jobhost-proxy-")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(f"{self._folder.name}/.s.PGSQL.5432")
        self._socket.listen(50)
        self._target = read_target(server_url(), SystemClock()).parameters
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, schema: str) -> str:
        """The address through it."""
        base = server_url()
        user = self._target.get("user", "postgres")
        name = self._target.get("dbname", base.rpartition("/")[2].partition("?")[0])
        return f"postgresql://{user}@:5432/{name}?host={self._folder.name}&schema={schema}"

    def lose_next(self, word: bytes) -> None:
        """The next answer that has this word is lost, after the server has sent it."""
        armed = [True]
        self.lose = lambda answer: bool(word in answer and armed and armed.pop())

    def withhold_next(self, word: bytes) -> None:
        """The connection is cut before the next request that has this word reaches the server."""
        armed = [True]
        self.withhold = lambda request: bool(word in request and armed and armed.pop())

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client,), daemon=True).start()

    def _pump(self, client: socket.socket) -> None:
        with client, self._connect() as server, suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if client in ready:
                    request = client.recv(1 << 16)
                    if not request or self._cuts(self.withhold(request)):
                        return
                    server.sendall(request)
                if server in ready:
                    answer = server.recv(1 << 20)
                    if not answer or self._cuts(self.lose(answer)):
                        return
                    client.sendall(answer)

    def _cuts(self, whether: bool) -> bool:
        self.lost += whether
        return whether

    def _connect(self) -> socket.socket:
        host, port = str(self._target.get("host", "localhost")), self._target.get("port", 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server
