"""The keeper of a process: what it does when its starter dies, or nobody listens any more."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from outside_world import GUARD_SECONDS, is_gone

from jobhost.worker import keeper

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of an end")

_STARTER = """
import os, subprocess, sys
far, near = os.pipe()
command = [sys.executable, "-IS", sys.argv[1], str(os.getpid()), str(near), "run", *sys.argv[2:]]
print(subprocess.Popen(command, pass_fds=[near]).pid, flush=True)
sys.stdin.read()
"""
_KEPT = """
import os, sys, time
print(os.getpid(), flush=True)
time.sleep(600)
"""


class Started:
    """A starter, its keeper, and the process that this keeps."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self.starter = subprocess.Popen(
                [sys.executable, "-c", _STARTER, keeper.__file__, sys.executable, "-c", _KEPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self.starter.stdout is not None
        pids = sorted(int(self.starter.stdout.readline()) for _ in range(2))
        self.keeper, self.kept = map(psutil.Process, pids)
        if self.kept.ppid() != self.keeper.pid:  # pids have begun anew
            self.keeper, self.kept = self.kept, self.keeper

    @property
    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        for process in (self.kept, self.keeper):
            with suppress(psutil.Error):
                process.kill()
        self.starter.kill()
        with self.starter:
            self.starter.wait()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    made = Started(tmp_path / "log")
    yield made
    made.close()


@pytest.mark.parametrize("stopped", [False, True], ids=["it runs", "it was stopped"])
def test_a_keeper_clears_away_and_ends_quietly_when_its_starter_is_killed(
    started: Started, until: Callable[..., object], stopped: bool
):
    if stopped:
        started.keeper.suspend()
    started.starter.kill()

    until(lambda: is_gone(started.kept.pid))
    until(lambda: is_gone(started.keeper.pid))
    assert started.log == ""


def test_a_keeper_goes_on_after_it_was_stopped_and_woken(
    started: Started, until: Callable[..., object]
):
    started.keeper.suspend()
    started.keeper.resume()
    started.keeper.send_signal(signal.SIGUSR1)

    until(lambda: is_gone(started.kept.pid))
    assert started.starter.poll() is None
    assert started.log == ""


def test_a_keeper_whose_report_nobody_reads_ends_quietly(tmp_path: Path):
    far, near = os.pipe()
    os.close(far)
    words = [sys.executable, "-IS", keeper.__file__, str(os.getpid()), str(near), "run"]
    try:
        for command in (["true"], [str(tmp_path / "nothing")]):
            ended = subprocess.run(
                [*words, *command],
                pass_fds=[near],
                capture_output=True,
                check=False,
                timeout=GUARD_SECONDS,
            )
            assert (ended.returncode, ended.stderr) == (0, b"")
    finally:
        os.close(near)
