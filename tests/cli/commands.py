"""Commands under test: run to their end, or started in a process of their own.

Nothing here measures time. Tests wait for conditions; GUARD_SECONDS only ends a test that hangs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobhost import JobHost

GUARD_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


class Call(Protocol):
    """Runs a command in this process, in the shop's folder and on its store."""

    def __call__(self, *arguments: str) -> Finished: ...


def until(condition: Callable[[], Any]) -> Any:
    """Wait until it holds; gives back what it gave."""
    end = time.monotonic() + GUARD_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, "still not so"
        time.sleep(0.005)
    return value


class Running:
    """A command that runs in a process of its own; what it says is in files."""

    def __init__(self, folder: Path, number: int, arguments: tuple[str, ...]) -> None:
        self._out, self._err = folder / f"out-{number}.txt", folder / f"err-{number}.txt"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobhost", *arguments],
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def said(self) -> str:
        """What it has said on stdout so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return self._err.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> Finished:
        """Until it has ended."""
        code = self.process.wait(GUARD_SECONDS)
        return Finished(code=code, out=self._out.read_text(), err=self.err)


class Shop:
    """A folder with the program of `project/`, and the store that its host names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/shop.db"
        self.host = JobHost(self.url)
        self.started: list[Running] = []

    def start(self, *arguments: str) -> Running:
        """Start a command in a process of its own."""
        running = Running(self.folder, len(self.started), arguments)
        self.started.append(running)
        return running

    def call(self, *arguments: str) -> Finished:
        """Run a command in a process of its own until it ends."""
        return self.start(*arguments).wait()

    def enqueue(self, task: str, arguments: str = "[]") -> str:
        """Enqueue a job by the command line; its id."""
        done = self.call("enqueue", "shop:host", task, "--args", arguments)
        assert done.code == 0, done.err
        return done.out.strip()

    def dead(self, text: str) -> str:
        """Run a job that fails for good; its id."""
        assert self.call("run", "shop:host", "boom", "--args", json.dumps([text])).code == 1
        return str(self.host.jobs()[0].id)

    def state(self, job_id: str) -> str:
        """The state of a job."""
        return self.host.job(job_id).status().state.value


def shown_on(terminal: int) -> str:
    """All that programs show on a pseudo-terminal until its other end is closed. It must be read
    while they run: it keeps a page of text only, and then they wait."""
    shown = b""
    try:
        while more := os.read(terminal, 65536):
            shown += more
    except OSError:  # Linux says so when the other end has closed
        pass
    return shown.decode()


def environment() -> dict[str, str]:
    """This process's, without what would change a command's words or store."""
    changed = ("JOBHOST_URL", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "TERMINAL_WIDTH")
    return {name: value for name, value in os.environ.items() if name not in changed}
