"""Commands under test: run to their end, or started in a process of their own.

Nothing here measures time. Tests wait for conditions; GUARD_SECONDS only ends a test that hangs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol

from jobhost import JobHost, Retry, State

GUARD_SECONDS = 60.0
PROJECT = Path(__file__).parent / "project"


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
        """Enqueue a job as a program does; its id."""
        with self._program() as host:
            return str(host.tasks.get(task).enqueue(*json.loads(arguments)).id)

    def dead(self, *arguments: str, task: str = "boom") -> str:
        """Run a job that fails for good, and what waits beside it; its id."""
        with self._program() as host:
            job = host.tasks.get(task).using(retry=Retry(max_attempts=1)).enqueue(*arguments)
            host.worker(burst=True).run()
            assert job.status().state is State.DEAD
            return str(job.id)

    @contextmanager
    def _program(self) -> Iterator[JobHost]:
        """The shop's own host, on this store."""
        host = _shop()
        host.use_store(self.url)
        yield host
        host.close()

    def state(self, job_id: str) -> str:
        """The state of a job."""
        return self.host.job(job_id).status().state.value


@cache
def _shop() -> JobHost:
    """Of the program in `project/`, under a name that no command imports."""
    spec = spec_from_file_location("shop_of_tests", PROJECT / "shop.py")
    assert spec is not None
    assert spec.loader is not None
    program = sys.modules[spec.name] = module_from_spec(spec)
    with redirect_stdout(None):
        spec.loader.exec_module(program)
    host: JobHost = program.host
    return host


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
