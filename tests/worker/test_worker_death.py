"""Workers that die, hang or sleep: nothing is lost, nothing is finished twice.

Leases of ten minutes show that a death is proven and not waited for.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobhost import State

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
LONG = "10m"
SHORT = "6s"
"""Long beside whatever a busy machine does to a heartbeat; heirs look each third of it."""
SUBMIT = Path(__file__).parent / "programs" / "submit.py"


@pytest.mark.requirement("R-MSG-6")
def test_a_living_worker_takes_over_from_a_killed_one_at_once(yard):
    doomed = yard.start(concurrency=4, lease=LONG)
    names = [f"job-{n}" for n in range(4)]
    jobs = [
        task.enqueue(name)
        for task, name in zip([yard.chores.hold, yard.chores.hold_async] * 2, names, strict=True)
    ]
    yard.started(*names)
    heir = yard.start(concurrency=8, lease=LONG)
    own = yard.chores.hold.enqueue("own")
    yard.started("own")

    doomed.kill()
    yard.started(*names, times=2)
    yard.go("own", *names)

    assert {job.result(PATIENCE) for job in [own, *jobs]} == {f"by {heir.pid}"}
    assert yard.ledger.count("start") == {"own": 1, **dict.fromkeys(names, 2)}
    assert yard.ledger.count("end") == {"own": 1, **dict.fromkeys(names, 1)}
    for job in jobs:
        assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]
        assert [attempt.worker for attempt in job.attempts()] == [doomed.name, heir.name]
        assert (job.status().failures, job.status().crashes) == (0, 0)


def test_a_worker_started_after_a_kill_takes_over_what_ran_before_the_backlog(yard):
    doomed = yard.start(concurrency=2, lease=LONG)
    running = [yard.chores.hold.enqueue(name) for name in ("a", "b")]
    yard.started("a", "b")
    waiting = [yard.chores.note.enqueue(f"waiting-{n}") for n in range(20)]

    doomed.kill()
    yard.go("a", "b")
    yard.start(concurrency=1, burst=True, lease=LONG).report()

    starts = yard.ledger.names("start")
    assert {"a", "b"} <= set(starts[2:6]), "before most of the backlog"
    assert {job.status().state for job in [*running, *waiting]} == {State.SUCCEEDED}
    assert {job.status().deliveries for job in waiting} == {1}


def test_a_killed_worker_is_listed_as_dead_at_once(yard):
    doomed = yard.start(concurrency=1, lease=LONG)
    yard.chores.hold.enqueue("a")
    yard.started("a")
    (before,) = yard.host.nodes()
    doomed.kill()
    (after,) = yard.host.nodes()
    assert (before.state, after.state) == ("live", "dead")
    assert after.to_json()["state"] == "dead"


def test_what_a_killed_worker_ran_is_explained_by_its_death_at_once(yard):
    doomed = yard.start(concurrency=1, lease=LONG)
    running = yard.chores.hold.enqueue("a")
    yard.started("a")
    waiting = yard.chores.note.enqueue("waiting")
    assert running.explain().cause == "running"

    doomed.kill()
    doomed.wait()
    assert running.explain().sentence == f"its worker {doomed.name} died while it ran"
    assert waiting.explain().cause == "no worker"


@pytest.mark.requirement("R-MSG-11")
@pytest.mark.requirement("R-RES-2")
@pytest.mark.parametrize("kind", ["exit", "segfault"])
def test_a_job_that_kills_its_worker_each_time_is_dead_before_a_sixth_start(yard, kind):
    job = getattr(yard.chores, kind).enqueue("killer")
    good = yard.chores.note.enqueue("good")

    # Nobody sees what a worker without a node dies of: after two deaths the job is a suspect, and
    # runs alone.
    for _ in range(5):
        yard.start(concurrency=1, lease=LONG).wait()
        assert not job.status().is_final
    yard.start(concurrency=1, lease=LONG, burst=True).report()

    record = job.status()
    assert (record.state, record.reason) == (State.DEAD, "killed its worker 3 times")
    assert (record.crashes, record.failures, record.deliveries) == (3, 0, 5)
    assert [attempt.outcome for attempt in job.attempts()] == ["crashed"] * 5
    assert yard.ledger.count("start")["killer"] == 5
    assert good.result() == "good"


def test_bystanders_of_a_crash_are_not_charged(yard):
    doomed = yard.start(concurrency=5, lease=LONG)
    names = [f"bystander-{n}" for n in range(4)]
    bystanders = [yard.chores.hold_async.enqueue(name) for name in names]
    yard.started(*names)
    killer = yard.chores.exit.enqueue("killer")

    assert doomed.wait() == 0
    killer.cancel()
    yard.go(*names)
    yard.start(burst=True, lease=LONG).report()

    assert {job.status().state for job in bystanders} == {State.SUCCEEDED}
    assert {job.status().crashes for job in bystanders} == {0}


@pytest.mark.stores("sqlite")  # a server goes on with what a dead client has sent
@pytest.mark.requirement("R-MSG-15")
def test_a_worker_killed_between_the_end_of_a_job_and_its_record_runs_it_again(yard, until):
    doomed = yard.start(lease=LONG)
    job = yard.chores.delivery.enqueue("late")
    yard.started("late")

    with yard.blocked():
        yard.go("late")
        until(lambda: yard.ledger.count("end")["late"])
        doomed.kill()
    yard.start(burst=True, lease=LONG).report()

    assert job.result() == (2, True)
    assert yard.ledger.count("end")["late"] == 2


@pytest.mark.requirement("R-MSG-7")
def test_a_worker_that_sleeps_past_its_lease_is_told_and_its_results_are_refused(yard, until):
    sleeper = yard.start(concurrency=3, lease=SHORT, poll="1h")
    names = ["thread", "async", "deaf"]
    tasks = [yard.chores.obey, yard.chores.hold_async, yard.chores.hold]
    jobs = [task.enqueue(name) for task, name in zip(tasks, names, strict=True)]
    yard.started(*names)
    heir = yard.start(concurrency=3, lease=SHORT, poll="1h")

    yard.put_to_sleep(sleeper)
    yard.started(*names, times=2)
    yard.go("deaf")
    assert jobs[2].result(PATIENCE) == f"by {heir.pid}"
    sleeper.send(signal.SIGCONT)

    until(lambda: yard.ledger.pids("LeaseLost", "thread") == [sleeper.pid], "the thread is told")
    until(lambda: yard.ledger.pids("cancelled", "async") == [sleeper.pid], "the task is told")
    until(lambda: sleeper.pid in yard.ledger.pids("end", "deaf"), "the deaf one ends as well")
    yard.go("thread", "async")
    assert {job.result(PATIENCE) for job in jobs} == {f"by {heir.pid}"}
    for job in jobs:
        assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]

    heir.kill()
    assert yard.chores.note.enqueue("next").result(PATIENCE) == "next"
    assert yard.ledger.pids("start", "next") == [sleeper.pid]


@pytest.mark.requirement("R-MSG-7")
def test_a_lone_worker_that_slept_past_its_lease_runs_its_jobs_again_itself(yard):
    sleeper = yard.start(concurrency=2, lease=SHORT, poll="1h")
    job = yard.chores.obey.enqueue("job")
    yard.started("job")

    yard.put_to_sleep(sleeper)
    sleeper.send(signal.SIGCONT)
    yard.started("job", times=2)
    yard.go("job")

    assert job.result(PATIENCE) == f"by {sleeper.pid}"
    assert yard.ledger.count("LeaseLost") == {"job": 1}
    assert yard.ledger.count("end") == {"job": 1}


@pytest.mark.requirement("R-RES-1")
@pytest.mark.requirement("R-RES-2")
def test_a_job_completes_elsewhere_although_its_caller_has_ended(yard):
    command = [sys.executable, str(SUBMIT), yard.url, str(yard.folder), "hello"]
    caller = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    worker = yard.start(burst=True)
    worker.report()

    job = yard.host.job(caller.stdout.strip())
    assert job.result() == "hello"
    assert job.status().worker == worker.name
    assert yard.ledger.pids("start", "hello") == [worker.pid]


@pytest.mark.requirement("R-MSG-5")
def test_a_running_job_is_hidden_from_other_workers(yard):
    first = yard.start(concurrency=5)
    job = yard.chores.hold.enqueue("hidden")
    yard.started("hidden")
    second = yard.start(concurrency=5, queues=["default"], poll="10ms")
    second.said("WorkerStarted")
    others = [yard.chores.note.enqueue(f"other-{n}") for n in range(20)]
    for other in others:
        other.result(PATIENCE)

    assert job.status().state is State.RUNNING
    yard.go("hidden")
    assert job.result(PATIENCE) == f"by {first.pid}"
    assert yard.ledger.count("start")["hidden"] == 1
