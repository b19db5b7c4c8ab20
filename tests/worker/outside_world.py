"""What the tests of jobs outside of the worker share: a worker in a process of its own, and looks
at other processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

PROGRAMS = Path(__file__).parent / "programs"
GUARD_SECONDS = 60.0


def is_gone(pid: int) -> bool:
    """Whether it does not run any more; one that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def below(pid: int | None = None) -> list[psutil.Process]:
    """What runs below a process, by default this one, and belongs to jobs: a keeper and what it
    keeps. Servers of the tests are none of it."""
    found = []
    for child in psutil.Process(pid).children():
        try:
            if any(word.endswith("keeper.py") for word in child.cmdline()):
                found += [child, *child.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


class ProgramWorker:
    """`jobhost worker MODULE:host`, in a session of its own."""

    def __init__(self, place: str, url: str, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jobhost", "worker", place, "--url", url, *options],
            cwd=PROGRAMS,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait(GUARD_SECONDS)

    def end(self) -> None:
        """For the end of a test."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
