"""A node ends although its database server has stopped answering."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from postgres_server import programs
from sites import GUARD_SECONDS, HERE, Site, until

from jobhost.cli.demo_server import TemporaryServer

PATIENT = "connect_timeout=600"
"""Of an attempt to connect: longer than any guard of a test."""


@pytest.fixture
def server() -> Iterator[TemporaryServer]:
    made = TemporaryServer(programs(), ("fsync=off",))
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def _frozen(server: TemporaryServer) -> Iterator[None]:
    """The whole server stands still; the kernel goes on taking connections for it."""
    first = (server.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
    postmaster = psutil.Process(int(first))
    os.kill(postmaster.pid, signal.SIGSTOP)  # it starts no more of them
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the server's processes")
def test_a_node_ends_in_order_while_the_server_stands_still(
    server: TemporaryServer, tmp_path: Path
) -> None:
    mark = "&" if "?" in server.url else "?"
    site = Site(f"{server.url}{mark}{PATIENT}", tmp_path)
    node = site.start("--stopping-wait-time", "0s").ready()
    job = site.toils.hold.enqueue("a")
    site.started("a")
    try:
        with _frozen(server):
            code = node.stop()
        assert code == 0, node.log
        assert "killed" not in node.log
        site.go("a")
        assert job.status().state.value in ("ready", "running")
    finally:
        site.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the server's processes")
def test_a_worker_without_a_node_ends_in_order_though_it_has_never_reached_the_server(
    server: TemporaryServer, tmp_path: Path
) -> None:
    mark = "&" if "?" in server.url else "?"
    site = Site(f"{server.url}{mark}{PATIENT}", tmp_path)
    words = [sys.executable, "-m", "jobhost", "worker", "toils:host"]
    with (
        _frozen(server),
        subprocess.Popen(
            words, cwd=HERE, env={**os.environ, **site.environment}, stdin=subprocess.DEVNULL
        ) as worker,
    ):
        until(lambda: _has_socket(worker.pid), "it connects")
        worker.send_signal(signal.SIGTERM)
        try:
            assert worker.wait(GUARD_SECONDS) == 0
        finally:
            worker.kill()
    site.close()


def _has_socket(pid: int) -> bool:
    """The first that a worker has is that to its server."""
    files = Path(f"/proc/{pid}/fd")
    with suppress(OSError):
        return any(str(file.readlink()).startswith("socket:") for file in files.iterdir())
    return False
