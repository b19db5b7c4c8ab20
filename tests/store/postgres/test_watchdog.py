"""The watchdog ends the wait that is overdue, and nothing else."""

import os
import socket
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from postgres_server import ask, connect, server_url, shared_schema

from jobhost.clock import SystemClock
from jobhost.store.postgres import watchdog
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.target import read_target
from jobhost.store.postgres.watchdog import Wait

from .crew import GUARD_SECONDS, Proxy, until

CANCEL = b"\x04\xd2\x16\x2e"
"""How a request to cancel a statement begins, behind its length."""

KEY = 4_711_001
HELD = f"SELECT pg_advisory_lock({KEY})"

FORKING = """
import os, signal, threading
from jobhost.store.postgres import watchdog

held, go = threading.Event(), threading.Event()

def hold():
    with watchdog._process._lock:
        held.set()
        go.wait(90)

threading.Thread(target=hold).start()
assert held.wait(90)
child = os.fork()
if not child:
    signal.alarm(90)
    watchdog.watch(watchdog.Wait(1.0))
    os._exit(0)
_, status = os.waitpid(child, 0)
go.set()
assert os.waitstatus_to_exitcode(status) == 0, status
"""


@pytest.mark.skipif("pooler=" in server_url(), reason="the statement's own connection is cancelled")
def test_a_cancel_that_is_late_never_meets_the_next_statement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first statement's answer comes while the cancel is on its way."""
    monkeypatch.setattr(watchdog, "_CANCEL_SECONDS", GUARD_SECONDS)
    proxy = Proxy()
    connection = PostgresConnection(read_target(proxy.url(shared_schema()), SystemClock()))
    connection.begin()
    raw = connection.raw
    assert raw is not None
    pid = raw.info.backend_pid
    wait = Wait(0.0)
    begun = threading.Event()

    def next_statement() -> None:
        wait.end()
        wait.begin(raw, GUARD_SECONDS)
        begun.set()
        raw.execute(HELD.encode())
        wait.end()

    with connect() as holder, ThreadPoolExecutor(1) as threads:
        holder.execute(HELD.encode())

        def before_it_arrives(request: bytes) -> bool:
            if request[4:8] == CANCEL:
                following.append(threads.submit(next_statement))
                if begun.wait(0.5):  # only where the cancel is not waited for
                    until(lambda: _waits(pid))
            return False

        following: list[object] = []
        proxy.withhold = before_it_arrives
        wait.begin(raw)
        wait.look(wait._deadline or 0.0)
        until(lambda: _waits(pid) or following[0].done(), "the next statement waits")  # type: ignore[attr-defined]
        holder.execute(f"SELECT pg_advisory_unlock({KEY})".encode())
        assert following[0].result(GUARD_SECONDS) is None  # type: ignore[attr-defined]
    connection.close()
    proxy.close()


@pytest.mark.skipif("pooler=" in server_url(), reason="a pooler answers for the server")
def test_a_connection_whose_cancel_is_lost_is_shut() -> None:
    """It may arrive later, and would end whatever runs then."""
    proxy = Proxy()
    connection = PostgresConnection(read_target(proxy.url(shared_schema()), SystemClock()))
    connection.begin()
    raw = connection.raw
    assert raw is not None
    wait = Wait(0.0)
    wait.begin(raw)
    proxy.close()
    wait.look(wait._deadline or 0.0)
    with pytest.raises(psycopg.OperationalError):
        raw.execute(b"SELECT")
    connection.close()


def test_a_descriptor_that_is_another_socket_by_now_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        watchdog._shut(one.fileno(), os.fstat(other.fileno()).st_ino)
        one.sendall(b"still open")
        assert other.recv(20) == b"still open"
        watchdog._shut(one.fileno(), os.fstat(one.fileno()).st_ino)
        assert other.recv(20) == b""


def test_a_hurry_from_a_signal_handler_does_not_wait_for_the_thread_that_it_interrupts() -> None:
    wait = Wait(9.0)
    with wait._lock:
        wait.shorten(1.0)
    assert wait.seconds == 1.0


def test_a_fork_while_somebody_asks_for_the_watchdog_leaves_no_lock_to_the_child() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORKING)],
        capture_output=True,
        text=True,
        timeout=2 * GUARD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _waits(pid: int) -> bool:
    found = ask(
        "SELECT 1 FROM pg_stat_activity WHERE pid = %(pid)s AND wait_event_type = 'Lock'", pid=pid
    )
    return bool(found)
