"""Processes that a worker's jobs orphan are reaped while it lives, and nobody's exit is taken."""

import ctypes
import os
import signal
import sys

import psutil
import pytest
from sites import Site, until

PATIENCE = "90s"
_PTRACE_SEIZE = 0x4206
_PTRACE_INTERRUPT = 0x4207
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")


def _keeper_of(worker: int) -> psutil.Process:
    keeper = psutil.Process(worker).parent()
    assert keeper is not None
    assert any(word.endswith("keeper.py") for word in keeper.cmdline())
    return keeper


def _hold_as_a_debugger(pid: int) -> bool:
    """Whether this process may."""
    ptrace = ctypes.CDLL(None).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return not any(ptrace(word, pid, None, None) for word in (_PTRACE_SEIZE, _PTRACE_INTERRUPT))


def _heard_as_a_debugger(pid: int) -> int | None:
    """Its exit code, once; a debugger hears of an end first, and then the parent."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found and not os.WIFSTOPPED(status) else None


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


def test_the_end_of_a_worker_is_seen_also_if_somebody_has_stopped_its_keeper(site: Site):
    node = site.start("--lease", "10m", processes=1).ready()
    job = site.toils.daemonize.enqueue("job")
    site.started("job")
    [worker] = node.workers
    _keeper_of(worker).suspend()
    os.kill(worker, signal.SIGKILL)

    node.said(f"worker {worker} was killed by SIGKILL")
    site.started("job", times=2)
    assert site.ledger.count("alone") == {"job": 2}, "what it had left was gone before"
    site.go("job")
    assert job.result(PATIENCE)


def test_a_keeper_that_a_debugger_holds_is_killed_once_its_worker_has_ended(site: Site):
    node = site.start("--lease", "10m", processes=1).ready()
    site.toils.hold.enqueue("job")
    site.started("job")
    [worker] = node.workers
    keeper = _keeper_of(worker).pid
    if not _hold_as_a_debugger(keeper):
        pytest.skip("needs the right to trace (ptrace)")
    os.kill(worker, signal.SIGKILL)

    until(lambda: _heard_as_a_debugger(keeper) == -signal.SIGKILL, "the node has killed it")
    site.go("job")
    site.started("job", times=2)


def test_a_node_can_be_stopped_also_if_somebody_has_stopped_the_keepers(site: Site):
    node = site.start().ready()
    for worker in node.workers:
        _keeper_of(worker).suspend()

    assert node.stop() == 0
    assert not site.processes()


def test_a_second_stop_kills_workers_below_stopped_keepers(site: Site):
    node = site.start("--stopping-wait-time", "10m", processes=1).ready()
    site.toils.hold_lock.enqueue("job")
    site.started("job")
    [worker] = node.workers
    _keeper_of(worker).suspend()
    node.send(signal.SIGTERM)
    node.said("stopping: ")
    node.send(signal.SIGTERM)

    assert node.wait() == 70
    assert not site.processes()


def test_a_stopped_keeper_ends_with_its_node_and_takes_all_with_it(site: Site):
    node = site.start("--unresponsive-after", "5m", "--lease", "10m", processes=1).ready()
    site.toils.daemonize.enqueue("left")
    site.started("left")
    site.toils.hold_lock.enqueue("job")
    site.started("job")
    [worker] = node.workers
    _keeper_of(worker).suspend()
    node.kill()

    until(lambda: not site.processes(), "nothing is left")
