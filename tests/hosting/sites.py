"""Nodes for tests: real processes with real workers, on both stores.

Nothing here measures time. Tests wait for conditions; GUARD_SECONDS only ends a test that hangs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from ledger import Ledger
from toils import Toils

from jobhost import JobHost

GUARD_SECONDS = 90.0
HERE = Path(__file__).parent
MARKER = "TOILS_MARKER"


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until it holds; what it gave."""
    end = time.monotonic() + GUARD_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"still not so: {what or condition}"
        time.sleep(0.01)
    return value


class NodeProcess:
    """A node with its workers.

    Args:
        prefix: A command line that runs the node's.
        start: What else `subprocess.Popen` takes.
    """

    def __init__(
        self,
        site: "Site",
        number: int,
        arguments: Sequence[str],
        env: dict[str, str],
        prefix: Sequence[str] = (),
        **start: Any,
    ) -> None:
        self.log_file = site.folder / f"node-{number}.log"
        with self.log_file.open("wb") as log:
            given = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **start}
            self._process = subprocess.Popen(
                [
                    *prefix,
                    *(sys.executable, "-m", "jobhost", "worker", "toils:host"),
                    *arguments,
                ],
                cwd=HERE,
                env={**os.environ, **site.environment, **env},
                **given,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def workers(self) -> list[int]:
        """Pids of its workers, without the lane."""
        return [pid for pid, words in self._children() if "--lane" not in words]

    def _children(self) -> list[tuple[int, list[str]]]:
        found = []
        for child in _children_of(self.pid):
            try:
                words = child.cmdline()
            except psutil.Error:
                continue
            if "--link" in words and words[1:3] == ["-m", "jobhost"]:
                found.append((child.pid, words))
        return found

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Its exit code."""
        try:
            return self._process.wait(GUARD_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the node does not end:\n{self.log}") from None

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def said(self, words: str, times: int = 1) -> None:
        """Wait until its log has these words."""
        until(lambda: self.log.count(words) >= times, f"{words!r} in\n{self.log}")

    def ready(self) -> "NodeProcess":
        """Wait until all its workers are ready."""
        self.said(" ready\n")
        return self


def _children_of(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


class Site:
    """A store, the toils declared on it, and nodes that do them.

    All processes carry a mark in their environment, so that whatever is left is found.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.host = JobHost(url)
        self.host.migrate()
        self.toils = Toils(self.host, folder)
        self.ledger = Ledger(folder / "ledger")
        self.environment = {
            "TOILS_URL": url,
            "TOILS_FOLDER": str(folder),
            MARKER: uuid4().hex,
        }
        self._nodes: list[NodeProcess] = []

    def start(
        self,
        *arguments: str,
        processes: int = 2,
        env: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
        **start: Any,
    ) -> NodeProcess:
        """Start a node with these options of `jobhost worker`."""
        words = ["--processes", str(processes), *arguments]
        node = NodeProcess(self, len(self._nodes), words, env or {}, prefix, **start)
        self._nodes.append(node)
        return node

    def started(self, *names: str, times: int = 1) -> None:
        """Wait until jobs of these names have started so often."""

        def missing() -> list[str]:
            count = self.ledger.count("start")
            return [name for name in names if count[name] < times]

        until(
            lambda: not missing(),
            f"{names} started {times} times:\n{[node.log for node in self._nodes]}",
        )

    def go(self, *names: str) -> None:
        """Let jobs that hold go on."""
        for name in names:
            (self.folder / f"go-{name}").touch()

    def processes(self) -> list[psutil.Process]:
        """All that carry the mark and have not ended."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(MARKER) == self.environment[MARKER]
                if marked and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def close(self) -> None:
        """End what still runs as it is meant to end; then nothing may be left."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        for node in self._nodes:
            # Two of one number at once may become one.
            for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGINT):
                node.send(number)
        for node in self._nodes:
            node.wait()
        self.host.close()
        try:
            until(lambda: not self.processes(), "nothing is left")
        finally:
            for process in self.processes():
                process.kill()
