"""Commands for tests: in this process where only words and codes matter, else in their own.

Nothing here measures time. Tests wait for conditions; GUARD_SECONDS only ends a test that hangs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from jobhost import JobHost

GUARD_SECONDS = 60.0
PROJECT = Path(__file__).parent / "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


class Until(Protocol):
    """Waits until a condition holds, and gives back what it gave."""

    def __call__(self, condition: Callable[[], Any]) -> Any: ...


@pytest.fixture
def until() -> Until:
    def wait(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + GUARD_SECONDS
        while not (value := condition()):
            assert time.monotonic() < end, "still not so"
            time.sleep(0.005)
        return value

    return wait


class Running:
    """A command that runs in a process of its own; what it says is in files."""

    def __init__(self, folder: Path, arguments: tuple[str, ...]) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
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
        running = Running(self.folder, arguments)
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

    def state(self, job_id: str) -> str:
        """The state of a job."""
        return self.host.job(job_id).status().state.value


def environment() -> dict[str, str]:
    """This process's, without what would change a command's words or store."""
    changed = ("JOBHOST_URL", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "TERMINAL_WIDTH")
    return {name: value for name, value in os.environ.items() if name not in changed}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shutil.copy(PROJECT / "shop.py", tmp_path)
    shop = Shop(tmp_path)
    yield shop
    shop.host.close()
    for running in shop.started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


class Call(Protocol):
    """Runs a command in this process, in the shop's folder and on its store."""

    def __call__(self, *arguments: str) -> Finished: ...


@pytest.fixture
def call(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    from jobhost.cli.main import execute

    monkeypatch.chdir(shop.folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("JOBHOST_URL", shop.url)
    before = set(sys.modules)

    def call(*arguments: str) -> Finished:
        code = execute(arguments)
        said = capsys.readouterr()
        return Finished(code=code, out=said.out, err=said.err)

    yield call
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(shop.folder) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


@pytest.fixture
def _quiet_logs() -> Iterator[None]:
    """Takes back what a command does to the log of this process."""
    import logging

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    own = logging.getLogger("jobhost.worker")
    filters = list(own.filters)
    yield
    root.handlers[:], own.filters[:] = handlers, filters
    root.setLevel(level)
