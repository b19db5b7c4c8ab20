"""Workers and nodes that die: others go on with their jobs, and nothing of the dead is left.

Leases of ten minutes show that a death is seen and not waited for.
"""

import os
import signal
import sys

import psutil
import pytest
from sites import Site, until

from jobhost import State

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "90s"
LONG = ("--lease", "10m")


def outcomes(job) -> list[str]:
    return [attempt.outcome for attempt in job.attempts()]


def errors(job) -> list[str]:
    return [attempt.error.message for attempt in job.attempts() if attempt.error]


@pytest.mark.requirement("R-MSG-6")
def test_jobs_of_a_killed_worker_start_in_a_sibling_and_another_worker_follows(site: Site):
    node = site.start("--concurrency", "4", *LONG).ready()
    names = [f"job-{n}" for n in range(4)]
    jobs = [site.toils.hold.enqueue(name) for name in names]
    site.started(*names)
    doomed = site.ledger.pids("start", names[0])[0]
    [sibling] = [pid for pid in node.workers if pid != doomed]
    theirs = [name for name in names if site.ledger.pids("start", name) == [doomed]]

    os.kill(sibling, signal.SIGSTOP)  # so that what follows is the successor's doing
    os.kill(doomed, signal.SIGKILL)
    site.started(*theirs, times=2)
    os.kill(sibling, signal.SIGCONT)
    site.go(*names)

    assert all(job.result(PATIENCE) for job in jobs)
    until(lambda: len(node.workers) == 2, "another worker")
    assert sibling in node.workers
    for name, job in zip(names, jobs, strict=True):
        assert outcomes(job) == ["crashed"] * (name in theirs) + ["succeeded"]
        assert job.status().crashes == 0
        assert all("was killed by SIGKILL" in error for error in errors(job))
    assert node.stop() == 0


def test_a_sibling_with_free_slots_goes_on_at_once(site: Site):
    node = site.start("--concurrency", "4", *LONG).ready()
    job = site.toils.hold.enqueue("job")
    site.started("job")
    [doomed] = site.ledger.pids("start", "job")
    [sibling] = [pid for pid in node.workers if pid != doomed]

    # Nobody can start a third worker meanwhile, since that takes an import of this.
    (site.folder / "hang-at-import").touch()
    os.kill(doomed, signal.SIGKILL)
    site.started("job", times=2)
    assert site.ledger.pids("start", "job") == [doomed, sibling]
    site.go("job")

    assert job.result(PATIENCE) == f"by {sibling}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_what_a_dead_worker_left_is_gone_before_its_jobs_start_again(site: Site):
    site.start(*LONG).ready()
    jobs = [site.toils.daemonize.enqueue(f"job-{n}") for n in range(3)]
    site.started("job-0", "job-1", "job-2")

    for doomed in {site.ledger.pids("start", f"job-{n}")[0] for n in range(3)}:
        os.kill(doomed, signal.SIGKILL)
    site.started("job-0", "job-1", "job-2", times=2)
    site.go("job-0", "job-1", "job-2")

    assert all(job.result(PATIENCE) for job in jobs)
    assert site.ledger.count("alone") == {f"job-{n}": 2 for n in range(3)}


@pytest.mark.parametrize("lease", ["10m", "6s"])
def test_workers_end_with_their_killed_node_and_another_node_goes_on(site: Site, lease: str):
    doomed = site.start("--lease", lease).ready()
    job = site.toils.daemonize.enqueue("job")
    site.started("job")
    file = site.folder / "daemon-job"
    daemon = int(until(lambda: file.exists() and file.read_text(), "the daemon"))
    workers = doomed.workers
    heir = site.start("--lease", lease).ready()

    doomed.kill()
    until(lambda: not any(map(psutil.pid_exists, [*workers, daemon])), "all of it is gone")
    site.started("job", times=2)
    site.go("job")

    assert job.result(PATIENCE).removeprefix("by ") in map(str, heir.workers)
    assert outcomes(job) == ["crashed", "succeeded"]
    assert job.status().crashes == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_processes_of_jobs_end_though_node_keeper_and_worker_are_killed_at_once(site: Site):
    node = site.start(*LONG, processes=1).ready()

    @site.host.task
    def daemonize_outside(name: str) -> None: ...

    daemonize_outside.enqueue("job")
    site.started("job")
    file = site.folder / "daemon-job"
    daemon = int(until(lambda: file.exists() and file.read_text(), "the daemon"))
    [child] = site.ledger.pids("start", "job")
    [worker] = node.workers
    keeper = psutil.Process(worker).ppid()

    # Stopped first, so that none of them does anything about the end of another.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (node.pid, keeper, worker):
            os.kill(pid, number)
    node.wait()

    until(lambda: not any(map(psutil.pid_exists, [worker, keeper, child, daemon])), "all is gone")


@pytest.mark.requirement("R-MSG-11")
@pytest.mark.parametrize(
    ("task", "cause"),
    [
        ("leave", "exited with 0 in the middle of its work"),
        ("segfault", "was killed by SIGSEGV (a fault in native code)"),
    ],
)
def test_a_job_that_ends_its_process_is_dead_after_three_proofs(site: Site, task: str, cause: str):
    site.start(*LONG, processes=1).ready()
    job = getattr(site.toils, task).enqueue("job")
    until(lambda: job.status().is_final, "it ends")

    assert (job.status().state, job.status().crashes) == (State.DEAD, 3)
    assert job.status().reason == "killed its worker 3 times"
    assert errors(job)
    assert all(cause in error for error in errors(job))
    assert site.ledger.count("start") == {"job": 3}, "it was alone each time"


def test_a_job_whose_worker_is_killed_each_time_as_by_the_kernel_is_dead_in_the_end(site: Site):
    site.start(*LONG, processes=1).ready()
    job = site.toils.kill_itself.enqueue("job")
    until(lambda: job.status().is_final, "it ends")

    assert (job.status().state, job.status().crashes) == (State.DEAD, 3)
    assert site.ledger.count("start") == {"job": 5}, "twice among others, and three times alone"
    assert all("was killed by SIGKILL" in error for error in errors(job))


@pytest.mark.requirement("R-MSG-11")
@pytest.mark.parametrize("task", ["stop_worker", "stop_worker_from_shell"])
def test_a_job_that_stops_its_worker_each_time_is_dead_in_the_end_and_charges_no_other(
    site: Site, task: str
):
    node = site.start("--stopping-wait-time", "300ms", *LONG, processes=1).ready()
    beside = [site.toils.hold.enqueue(f"beside-{n}") for n in range(3)]
    site.started("beside-0", "beside-1", "beside-2")
    job = getattr(site.toils, task).enqueue("job")
    until(lambda: job.status().is_final, "it ends")
    site.go("beside-0", "beside-1", "beside-2")

    assert (job.status().state, job.status().crashes) == (State.DEAD, 3)
    assert site.ledger.count("start")["job"] == 5, "twice among others, and three times alone"
    assert all("was asked to stop, but not by its node" in error for error in errors(job))
    for one in beside:
        assert one.result(PATIENCE)
        assert (one.status().crashes, one.status().failures) == (0, 0)
    assert node.stop() == 0


def test_a_worker_that_somebody_stops_by_hand_lets_its_jobs_end_and_another_follows(site: Site):
    node = site.start("--stopping-wait-time", "10m", *LONG, processes=1).ready()
    job = site.toils.hold.enqueue("job")
    site.started("job")
    [stopped] = node.workers

    os.kill(stopped, signal.SIGTERM)
    node.said("claims nothing more")
    site.go("job")

    assert job.result(PATIENCE) == f"by {stopped}"
    node.said(f"worker {stopped} was asked to stop, but not by its node")
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    assert outcomes(job) == ["succeeded"]


def test_jobs_of_a_worker_that_somebody_stops_by_hand_run_again_and_are_not_charged(site: Site):
    node = site.start("--stopping-wait-time", "100ms", *LONG, processes=1).ready()
    job = site.toils.hold.enqueue("job")
    site.started("job")
    [stopped] = node.workers

    os.kill(stopped, signal.SIGTERM)
    site.started("job", times=2)
    site.go("job")

    assert job.result(PATIENCE)
    assert outcomes(job) == ["crashed", "succeeded"]
    assert (job.status().crashes, job.status().failures) == (0, 0)


def test_a_kill_from_outside_charges_nobody_and_after_the_second_a_job_runs_alone(site: Site):
    node = site.start(*LONG, processes=1).ready()
    job = site.toils.hold.enqueue("job")
    for times in (1, 2):
        site.started("job", times=times)
        os.kill(site.ledger.pids("start", "job")[-1], signal.SIGKILL)
    site.started("job", times=3)
    site.go("job")

    assert job.result(PATIENCE)
    assert job.status().crashes == 0
    assert outcomes(job) == ["crashed"] * 2 + ["succeeded"]
    assert all("was killed by SIGKILL" in error for error in errors(job))
    assert "runs suspects" in node.log


@pytest.mark.requirement("R-RESIL-7")
def test_a_worker_with_a_thread_that_nothing_stops_retires_and_charges_nobody(site: Site):
    node = site.start("--cancel-grace", "100ms", *LONG, processes=1).ready()
    [retired] = node.workers
    sibling = site.toils.hold.enqueue("sibling")
    site.started("sibling")
    deaf = site.toils.deaf.enqueue("deaf")
    node.said("still runs 100ms after its time limit")
    site.go("sibling")

    assert sibling.result(PATIENCE) == f"by {retired}", "it may end"
    until(lambda: node.workers not in ([], [retired]), "another worker")
    until(lambda: deaf.status().is_final, "its attempt ends")
    assert outcomes(sibling) == ["succeeded"]
    assert outcomes(deaf) == ["timed out"]
    assert deaf.status().crashes == 0
    assert "jobs handed back:" not in node.log, "none is left to the node"
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"


@pytest.mark.requirement("R-MSG-11")
def test_one_job_that_faults_beside_a_hundred_sleepers_is_dead_and_charges_none(site: Site):
    site.start("--concurrency", "101", *LONG, processes=1).ready()
    names = [f"sleeper-{n}" for n in range(100)]
    sleepers = [site.toils.hold.enqueue(name) for name in names]
    site.started(*names)
    killer = site.toils.segfault.enqueue("killer")

    until(lambda: killer.status().is_final, "the killer ends")
    site.go(*names)

    for sleeper in sleepers:
        sleeper.result(PATIENCE)
    assert {sleeper.status().crashes for sleeper in sleepers} == {0}
    assert (killer.status().state, killer.status().crashes) == (State.DEAD, 3)
    assert site.ledger.count("start")["killer"] <= 4, "three proofs, and the first death"
