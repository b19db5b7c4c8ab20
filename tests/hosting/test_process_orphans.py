"""Processes that a worker's jobs orphan are reaped while it lives, and nobody's exit is taken."""

import os
import signal
import sys

import psutil
import pytest
from sites import Site, until

PATIENCE = "90s"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")


def _keeper_of(worker: int) -> psutil.Process:
    keeper = psutil.Process(worker).parent()
    assert keeper is not None
    assert any(word.endswith("keeper.py") for word in keeper.cmdline())
    return keeper


def test_no_zombie_is_left_of_orphans_and_a_job_s_own_child_keeps_its_exit_status(site: Site):
    site.start(processes=1).ready()
    job = site.toils.orphan.enqueue("job", 5)
    site.started("job")

    orphans = [int(pid) for pid in site.ledger.names("orphaned")]
    assert len(orphans) == 5
    until(lambda: not any(map(psutil.pid_exists, orphans)), "all are reaped")
    site.go("job")
    job.result(PATIENCE)
    assert site.ledger.names("own-7") == ["job"]


@pytest.mark.parametrize("death", [signal.SIGSEGV, signal.SIGUSR1, signal.SIGKILL])
def test_the_keeper_ends_as_its_worker_has_ended(site: Site, death: signal.Signals):
    node = site.start(processes=1).ready()
    [worker] = node.workers
    os.kill(worker, death)

    node.said(f"worker {worker} was killed by {death.name}")
    until(lambda: node.workers not in ([], [worker]), "another one")
    assert not psutil.pid_exists(worker)


def test_a_worker_ends_with_its_keeper_and_another_one_follows(site: Site):
    node = site.start("--lease", "10m", processes=1).ready()
    job = site.toils.daemonize.enqueue("job")
    site.started("job")
    [worker] = node.workers
    keeper = _keeper_of(worker)
    keeper.kill()

    site.started("job", times=2)
    assert not psutil.pid_exists(worker)
    assert site.ledger.count("alone") == {"job": 2}, "what it had left was gone before"
    site.go("job")
    assert job.result(PATIENCE)


def test_a_keeper_leaves_signals_to_the_worker_and_its_node(site: Site):
    node = site.start(processes=1).ready()
    [worker] = node.workers
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        _keeper_of(worker).send_signal(number)

    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    assert node.workers == [worker]
    assert "claims nothing more" not in node.log
    assert node.stop() == 0


def test_a_worker_that_cannot_hear_ends_with_its_node_all_the_same(site: Site):
    node = site.start("--unresponsive-after", "5m", "--lease", "10m", processes=1).ready()
    site.toils.hold_lock.enqueue("job")
    site.started("job")
    [worker] = node.workers
    node.kill()

    until(lambda: not psutil.pid_exists(worker), "it is gone, and its keeper with it")
    until(lambda: not site.processes(), "nothing is left")
