"""The worker processes of the demo. It signals these and no others."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobhost.cli.exits import CommandError, Exit

SLOTS: Final = 4
"""Jobs of one worker at a time, and so the most that one kill can hit."""

STOP_SECONDS: Final = 10.0
"""How long workers may take to drain at the end; a job takes some milliseconds."""


INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt waits until this is over: what is begun in here is known to who must end it.

    Not by blocking the signals: a child would inherit that.
    """
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A worker that was killed, and the ids of the jobs that ran in it, by the ledger."""

    number: int
    pid: int
    jobs: frozenset[str]


class Crew:
    """The workers, numbered from 1 in the order of their start.

    Args:
        example: Their working directory, from which they import `tasks`.
        folder: Where their logs go.
        url: Their store, and `index_path` the index that their jobs write.
    """

    def __init__(self, example: Path, folder: Path, *, url: str, index_path: Path) -> None:
        command = ["-m", "jobhost", "worker", "tasks:host", "--url", url, "--concurrency", SLOTS]
        self._command = [sys.executable, *map(str, command)]
        self._example = example
        self._folder = folder
        inherited = os.environ  # noqa: TID251 - handed on, not read
        self._environment = {**inherited, "INDEX_PATH": str(index_path)}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0

    def start(self) -> int:
        """Start one more worker; its number."""
        self._started += 1
        with self._log(self._started).open("wb") as log, uninterrupted():
            self._processes[self._started] = subprocess.Popen(
                self._command,
                cwd=self._example,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self._started

    def check(self) -> None:
        """Raise CommandError when a worker has ended by itself."""
        for number, process in self._processes.items():
            if process.poll() is not None:
                raise self._ended(number, process.returncode)

    def kill_one_at_work(self, index: Any) -> list[Killed]:
        """Kill the worker that runs most jobs; nobody if none runs any just now.

        It is frozen first, so that what the ledger says of it is still true when it dies.
        """
        running = Counter(run.pid for run in index.open_runs())
        number = max(self._processes, key=lambda number: running[self._processes[number].pid])
        process = self._processes[number]
        if not running[process.pid]:
            return []
        self._freeze(number)
        jobs = frozenset(run.job for run in index.open_runs() if run.pid == process.pid)
        if not jobs:
            process.send_signal(signal.SIGCONT)
            return []
        process.kill()
        process.wait()
        del self._processes[number]
        return [Killed(number=number, pid=process.pid, jobs=jobs)]

    def stop(self) -> None:
        """Let the workers drain and end; in the end, or after an interrupt, kill them. Idempotent.

        One may be frozen: it wakes to hear of its end.
        """
        try:
            for process in self._processes.values():
                process.terminate()
                process.send_signal(signal.SIGCONT)
            end = time.monotonic() + STOP_SECONDS
            for process in self._processes.values():
                process.wait(timeout=max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            with uninterrupted():
                for process in self._processes.values():
                    process.kill()
                    process.wait()

    def _freeze(self, number: int) -> None:
        """Stop a process and wait until it stands still. Popen itself only knows of ends."""
        process = self._processes[number]
        if process.poll() is None:
            os.kill(process.pid, signal.SIGSTOP)
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                return
            process.returncode = os.waitstatus_to_exitcode(status)
        raise self._ended(number, process.returncode)

    def _ended(self, number: int, code: int) -> CommandError:
        said = self._log(number).read_text(errors="replace").strip()
        last = said.splitlines()[-1] if said else "nothing"
        return CommandError(
            f"worker {number} ended by itself with exit code {code}; the last it said: {last}",
            Exit(1),
        )

    def _log(self, number: int) -> Path:
        return self._folder / f"worker-{number}.log"
