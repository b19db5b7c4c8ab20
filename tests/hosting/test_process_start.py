"""A worker can be asked to stop and be killed from the moment at which it is started."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobhost.hosting.exits import read_death
from jobhost.hosting.process import WorkerProcess, start
from jobhost.store.readable import until_readable

GUARD_SECONDS = 60.0


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    """One that would import for a long time."""
    (tmp_path / "slow.py").write_text(f"import time\ntime.sleep({GUARD_SECONDS})\n")
    monkeypatch.chdir(tmp_path)
    started = start(["worker", "slow:host"], 1, lane=False)
    yield started
    if started.child.returncode is None:
        started.kill("the test is over")
        _end_of(started)


def _end_of(process: WorkerProcess) -> int:
    """Its wait status."""
    status = os.waitpid(process.child.pid, 0)[1]
    process.ended(os.waitstatus_to_exitcode(status))
    return status


def _wait_for_pid(process: WorkerProcess) -> int:
    if process.report is not None:
        assert until_readable([process.report], GUARD_SECONDS)
    return process.pid


@pytest.mark.parametrize("later", [False, True], ids=["at once", "once its pid is known"])
def test_who_is_asked_to_stop_before_it_can_listen_ends_in_order(
    process: WorkerProcess, later: bool
):
    if later:
        _wait_for_pid(process)
    process.send_signal(signal.SIGTERM)

    assert read_death(_end_of(process), stopping=True, ready=False) is None


@pytest.mark.parametrize("later", [False, True], ids=["at once", "once its pid is known"])
def test_who_is_killed_is_gone_with_its_keeper(process: WorkerProcess, later: bool):
    if later:
        _wait_for_pid(process)
    process.kill("it was slow")

    status = _end_of(process)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    death = read_death(status, asked=process.asked)
    assert death is not None
    assert death.cause == "was killed: it was slow"


def test_its_pid_is_that_of_the_worker_and_not_of_the_keeper(process: WorkerProcess):
    pid = _wait_for_pid(process)

    assert process.pid == pid
    if pid != process.child.pid:
        assert psutil.Process(pid).ppid() == process.child.pid
    assert not process.is_frozen()
    process.send_signal(signal.SIGSTOP)
    while not process.is_frozen():
        assert psutil.pid_exists(pid)
    process.kill("it was frozen")
    assert process.frozen
    _end_of(process)


def test_after_its_end_both_ways_to_it_are_closed(process: WorkerProcess):
    pid = _wait_for_pid(process)
    process.kill("enough")
    _end_of(process)

    assert process.wire.fileno() == -1
    assert process.report is None
    assert process.pid == pid, "the log still names it"
