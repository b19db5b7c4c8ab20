"""What is told to the service manager, received by a real socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest

from jobhost.hosting.systemd import STATUS_CHARACTERS_MAX, ServiceManager, service_manager
from jobhost.settings import environment_of_children

GUARD_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _no_service_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def _listening(name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(GUARD_SECONDS)
        manager.bind(name)
        yield manager


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """In a folder with a short name, for that of a socket may not be long."""
    with TemporaryDirectory(dir="/tmp") as folder, _listening(f"{folder}/notify") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        yield manager


@pytest.mark.parametrize(
    ("words", "datagram"),
    [
        ({"ready": True}, b"READY=1"),
        ({"stopping": True}, b"STOPPING=1"),
        ({"alive": True}, b"WATCHDOG=1"),
        ({"status": "4 workers, 1 job"}, b"STATUS=4 workers, 1 job"),
        ({"ready": True, "status": "größer"}, "READY=1\nSTATUS=größer".encode()),
    ],
)
def test_each_word_is_one_line_of_one_datagram(manager, words, datagram):
    assert service_manager().notify(**words)
    assert manager.recv(4096) == datagram


def test_a_status_cannot_smuggle_in_another_line(manager):
    service_manager().notify(status="a task named\nREADY=1 \r\n x")

    assert manager.recv(4096) == b"STATUS=a task named READY=1 x"


def test_a_long_status_is_cut(manager):
    service_manager().notify(status="x" * 100_000)

    assert manager.recv(1_000_000) == b"STATUS=" + b"x" * STATUS_CHARACTERS_MAX


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_an_abstract_socket_is_spoken_to(monkeypatch):
    name = f"jobhost-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

    with _listening(f"\0{name}") as manager:
        assert service_manager().notify(ready=True)
        assert manager.recv(4096) == b"READY=1"


def test_without_a_service_manager_nothing_is_told_and_nothing_fails():
    assert service_manager() == ServiceManager()
    assert not service_manager().notify(ready=True)


def test_nothing_to_say_is_not_said(manager):
    assert not service_manager().notify()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_an_address_of_another_kind_is_as_none(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    assert service_manager() == ServiceManager()


def test_one_that_does_not_listen_any_more_fails_nothing(tmp_path):
    assert not ServiceManager(address=str(tmp_path / "gone")).notify(ready=True)
    assert not ServiceManager(address="/" + "x" * 1000).notify(ready=True)


def test_one_that_does_not_read_is_not_waited_for_for_ever(manager):
    told = 0
    while service_manager().notify(alive=True):
        told += 1
        assert told < 100_000, "a socket has room without end"

    assert manager.recv(4096) == b"WATCHDOG=1"
    assert service_manager().notify(alive=True)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("500000", "own", 0.5),
        ("30000000", "1", None),
        (None, None, None),
        ("", "", None),
        ("0", None, None),
        ("soon", None, None),
        ("-5", None, None),
        ("9" * 400, None, None),
        ("30000000", "me", None),
    ],
)
def test_the_watchdog_watches_the_process_that_is_meant(monkeypatch, usec, pid, seconds):
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)

    assert service_manager().watchdog_seconds == seconds


def test_children_do_not_speak_for_the_service(monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    monkeypatch.setenv("JOBHOST_URL", "sqlite:///handed-on.db")
    program = (
        "from jobhost.hosting.systemd import service_manager as s; import os;"
        "print(s(), os.environ['JOBHOST_URL'])"
    )

    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of_children(),
        capture_output=True,
        check=True,
        text=True,
        timeout=GUARD_SECONDS,
    )

    assert told.stdout.strip() == f"{ServiceManager()} sqlite:///handed-on.db"
