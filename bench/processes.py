"""One process that the bench started: looked at, waited for and ended by its own id."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).resolve().parent.parent
"""Of the repository: from here processes import `bench`."""

PRODUCER_SECONDS_MAX: Final = 600.0
"""Far above a million jobs in bulk on a slow disk."""

STOP_SECONDS_MAX: Final = 20.0
"""From the polite request to the kill; all jobs here are short."""

TAIL_CHARS: Final = 2_000


class BenchError(Exception):
    """A figure could not be measured."""


class SkippedError(BenchError):
    """A figure cannot be measured here, through no fault of what it measures."""


class Process:
    """A child that writes both its outputs into a file.

    Args:
        command: What to run, from the repository's root.
        environment: All of it.
        log: The file; made anew.
        patience_seconds: From a polite request to end to the kill.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        patience_seconds: float = STOP_SECONDS_MAX,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._log = log
        self._name = " ".join(command)
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its id."""
        return self._child.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    @property
    def output(self) -> str:
        """The end of what it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARS:]

    @property
    def resident_mib(self) -> float:
        """Its memory in RAM, in MiB."""
        size: int = self._living().memory_info().rss
        return size / 2**20

    @property
    def cpu_seconds(self) -> float:
        """Processor time of it and of all that it started, so far."""
        return cpu_seconds(self._living())

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """Kill it, and wait for its end. Idempotent."""
        self._child.kill()
        self._child.wait()

    def finish(self) -> str:
        """Wait until it ends by itself. Returns its last line; raises BenchError if it failed."""
        try:
            self._child.wait(PRODUCER_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self._name} did not end in time") from None
        self._refuse_failure()
        return self.output.splitlines()[-1]

    def stop(self) -> None:
        """Ask it to end. Raises BenchError if it does not, or tells of a failure."""
        self.end()
        self._refuse_failure()

    def end(self) -> None:
        """End it, politely if it obeys in time, and whatever it left behind. Idempotent."""
        offspring = self._offspring()
        self._child.terminate()
        try:
            self._child.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        for process in offspring:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # it compares the time of the start: never another process
        psutil.wait_procs(offspring)

    def _living(self) -> psutil.Process:
        if not self.runs:
            raise BenchError(f"{self._name} ended by itself: {self.output}")
        return psutil.Process(self.pid)

    def _offspring(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.pid).children(recursive=True))
        return []

    def _refuse_failure(self) -> None:
        if self._child.returncode:
            raise BenchError(f"{self._name} ended with {self._child.returncode}: {self.output}")


def cpu_seconds(parent: psutil.Process) -> float:
    """Processor time of a process and its descendants, the ended ones included."""
    total = 0.0
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
