"""Workers that somebody stops in the middle of a write, on which all others wait."""

import os
import signal
import sys

import psutil
import pytest
from sites import Site, until

from jobhost.store.sqlite.holders import is_in_turnstile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
PATIENCE = "90s"
LATE = ("--unresponsive-after", "9m", "--lease", "10m")
"""So long would others wait if only silence told."""


def test_a_worker_that_is_stopped_in_a_write_is_killed_long_before_its_silence_tells(site: Site):
    node = site.start(*LATE).ready()
    job = site.toils.stand_still_in_a_write.enqueue("job")
    site.started("job", times=2)
    [stopped, _] = site.ledger.pids("start", "job")

    assert job.result(PATIENCE) is None
    assert f"worker {stopped} is killed: it had held up all other writers" in node.log
    [lost, _] = job.attempts()
    assert lost.error is not None
    assert "was stopped by a signal" in lost.error.message
    assert (job.status().crashes, job.status().failures) == (0, 0)
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"


def test_one_that_is_stopped_elsewhere_is_left_to_whoever_has_stopped_it(site: Site):
    node = site.start("--concurrency", "1", *LATE).ready()
    held = site.toils.hold.enqueue("held")
    site.started("held")
    [debugged] = site.ledger.pids("start", "held")
    _stop_outside_of_a_write(site, debugged)

    job = site.toils.stand_still_in_a_write.enqueue("job")
    assert job.result(PATIENCE) is None
    assert debugged in node.workers
    assert psutil.Process(debugged).status() == psutil.STATUS_STOPPED
    assert node.log.count(" is killed: ") == 1

    os.kill(debugged, signal.SIGCONT)
    site.go("held")
    assert held.result(PATIENCE) == f"by {debugged}"


def test_a_job_s_process_that_is_stopped_in_a_write_is_killed_and_its_worker_goes_on(site: Site):
    node = site.start(*LATE).ready()
    workers = node.workers

    @site.host.task
    def stand_still_outside(name: str) -> None: ...

    job = stand_still_outside.enqueue("job")
    site.started("job", times=2)
    [stopped, _] = site.ledger.pids("start", "job")

    assert job.result(PATIENCE) is None
    [lost, _] = job.attempts()
    assert (lost.outcome, job.status().crashes) == ("crashed", 1)
    assert lost.error is not None
    assert "the process of the job was killed by SIGKILL" in lost.error.message
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    assert sorted(node.workers) == sorted(workers)
    [line] = [line for line in node.log.splitlines() if " is killed: " in line]
    assert f"process {stopped} of a job of worker " in line
    assert "it had held up all other writers of the store for " in line


def _stop_outside_of_a_write(site: Site, pid: int) -> None:
    run = site.folder / "jobs.db-run"

    def stopped() -> bool:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it stands still")
        if not is_in_turnstile(pid, run):
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    until(stopped, "it stands still elsewhere")
