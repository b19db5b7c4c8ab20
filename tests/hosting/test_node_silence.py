"""Workers that do not answer, and nodes that were asleep."""

import os
import signal
from typing import Any

import pytest
from sites import Site, until

from jobhost.store.plans.nodes import live_nodes

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "90s"
SHORT = ("--unresponsive-after", "2s", "--lease", "10m")


@pytest.mark.requirement("R-LIFE-29")
def test_a_worker_that_somebody_has_stopped_is_killed_and_its_jobs_are_not_charged(site: Site):
    node = site.start(*SHORT).ready()
    job = site.toils.hold.enqueue("job")
    site.started("job")
    [stopped] = site.ledger.pids("start", "job")

    os.kill(stopped, signal.SIGSTOP)
    site.started("job", times=2)
    site.go("job")

    assert job.result(PATIENCE) != f"by {stopped}"
    assert job.status().crashes == 0
    [lost, _] = job.attempts()
    assert lost.error is not None
    assert "was stopped by a signal" in lost.error.message
    assert "runs suspects" not in node.log


@pytest.mark.parametrize("task", ["hold_lock", "catastrophe"])
def test_a_job_that_holds_the_interpreter_is_charged_and_its_stack_is_shown(site: Site, task: str):
    node = site.start(*SHORT, processes=1).ready()
    job = getattr(site.toils, task).enqueue("job")
    until(lambda: job.status().crashes, "a proven death")
    job.cancel()

    [lost, *_] = job.attempts()
    assert lost.error is not None
    assert "it had not answered for" in lost.error.message
    shown, killed = node.log.index(f"in _{task}"), node.log.index("is killed: it had not answered")
    assert node.log.index("the stacks of its threads follow") < shown < killed


def test_a_blocked_event_loop_is_no_silence(site: Site):
    node = site.start(*SHORT, processes=1).ready()
    job = site.toils.block_loop.enqueue("job", 4.0)

    assert job.result(PATIENCE) is None
    assert site.ledger.count("start") == site.ledger.count("end") == {"job": 1}
    assert "has not answered" not in node.log


def test_a_node_that_slept_past_its_lease_begins_anew_and_nothing_of_its_past_counts(site: Site):
    asleep = site.start("--lease", "4s", "--unresponsive-after", "3s").ready()
    jobs = {name: task.enqueue(name) for name, task in _two_kinds(site).items()}
    site.started(*jobs)
    former = asleep.workers
    ours = _numbers(site)
    heir = site.start().ready()

    for pid in [asleep.pid, *former]:
        os.kill(pid, signal.SIGSTOP)
    site.started(*jobs, times=2)
    # Longer than a worker may be silent: nobody was there to hear it.
    until(lambda: not ours & _numbers(site), "the lease has run out")
    for pid in [*former, asleep.pid]:
        os.kill(pid, signal.SIGCONT)

    until(lambda: site.ledger.count("LeaseLost")["thread"], "the thread is told")
    until(lambda: site.ledger.count("cancelled")["async"], "the task is told")
    asleep.said("it begins anew")
    site.go(*jobs)
    for job in jobs.values():
        assert job.result(PATIENCE).removeprefix("by ") in map(str, heir.workers)
        assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]
    assert asleep.workers == former, "who was asleep with its node is not to blame"
    assert heir.stop() == 0
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    assert site.ledger.pids("start", "next")[0] in former


def _two_kinds(site: Site) -> dict[str, Any]:
    return {"thread": site.toils.obey, "async": site.toils.hold}


def _numbers(site: Site) -> set[int]:
    return {node.number for node in site.host.store.read(live_nodes) if not node.lapsed}


def test_a_node_that_slept_again_and_again_has_one_row_for_each_worker_and_no_job_hangs(site: Site):
    node = site.start("--lease", "2s", "--unresponsive-after", "1500ms", processes=3).ready()
    jobs = []
    for times in (1, 2):
        jobs += site.toils.note.enqueue_many((f"note-{times}-{n}",) for n in range(100))
        everybody = [node.pid, *node.workers]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        until(
            lambda: all(one.lapsed for one in site.host.store.read(live_nodes)), "the lease is over"
        )
        for pid in reversed(everybody):
            os.kill(pid, signal.SIGCONT)
        node.said("begins anew", times=times)

    for job in jobs:
        job.result(PATIENCE)

    def rows() -> list[str]:
        living = [one for one in site.host.store.read(live_nodes) if not one.lapsed]
        return sorted(one.worker.rpartition(":")[2] for one in living)

    until(lambda: rows() == sorted(map(str, [node.pid, *node.workers])), "a row for each process")
