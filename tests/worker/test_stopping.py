"""Workers that are asked to stop, and one that has to."""

import os
import signal

import pytest

from jobhost import State
from jobhost.worker.worker import EXIT_AT_ONCE

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
LONG = "10m"


def _uncharged(job) -> bool:
    record = job.status()
    return (record.state, record.failures, record.crashes) == (State.READY, 0, 0)


def test_a_stop_lets_running_jobs_finish_and_claims_no_more(yard):
    worker = yard.start(concurrency=2, stopping_wait_time=LONG)
    jobs = [yard.chores.hold.enqueue("thread"), yard.chores.hold_async.enqueue("async")]
    yard.started("thread", "async")
    waiting = yard.chores.note.enqueue("waiting")

    worker.send(signal.SIGTERM)
    worker.said("WorkerDraining(running=2")
    yard.go("thread", "async")

    report = worker.report()
    assert (report["ended"], report["released"], report["retired"]) == (2, 0, False)
    assert {job.result() for job in jobs} == {f"by {worker.pid}"}
    assert waiting.status().state is State.READY
    assert waiting.status().deliveries == 0


def test_jobs_longer_than_the_wait_are_handed_back_uncharged(yard):
    worker = yard.start(concurrency=3, stopping_wait_time="100ms")
    names = ["deaf", "thread", "async"]
    tasks = [yard.chores.hold, yard.chores.obey, yard.chores.hold_async]
    jobs = [task.enqueue(name) for task, name in zip(tasks, names, strict=True)]
    yard.started(*names)

    worker.send(signal.SIGTERM)
    worker.report()

    assert all(_uncharged(job) for job in jobs)
    assert {job.attempts()[0].outcome for job in jobs} == {"released"}
    assert yard.ledger.names("cancelled") == ["async"]
    assert yard.ledger.names("JobCancelled") == ["thread"]
    yard.go(*names)
    yard.start(burst=True, lease=LONG).report()
    assert {job.status().state for job in jobs} == {State.SUCCEEDED}
    assert yard.ledger.count("end") == dict.fromkeys(names, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hands_everything_back_and_ends(yard, number):
    worker = yard.start(concurrency=2, stopping_wait_time="1h")
    jobs = [yard.chores.hold.enqueue("deaf"), yard.chores.hold_async.enqueue("async")]
    yard.started("deaf", "async")

    worker.send(number)
    worker.said("WorkerDraining")
    worker.send(number)

    code = worker.wait()
    assert code in (0, EXIT_AT_ONCE), "the latter where two seconds are too short to record it"
    if code == 0:
        assert all(_uncharged(job) for job in jobs)


def test_an_idle_worker_stops_at_once_even_with_a_long_poll(yard):
    worker = yard.start(poll="1h", lease="1h", stopping_wait_time="1h")
    worker.said("WorkerStarted")

    worker.send(signal.SIGTERM)

    assert worker.report()["ended"] == 0


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]])
@pytest.mark.parametrize("by", ["blocked", "locked"])
def test_a_blocked_store_does_not_keep_a_worker_from_ending_nor_others_from_its_jobs(
    yard, signals, by
):
    """A wait for the store that nothing cuts short would outlast the test."""
    worker = yard.start(lease=LONG, poll="20ms", stopping_wait_time="0s", busy_seconds=3600)
    names = ["deaf", "async"]
    jobs = [yard.chores.hold.enqueue("deaf"), yard.chores.hold_async.enqueue("async")]
    yard.started(*names)

    with getattr(yard, by)():
        yard.waits("gate" if by == "blocked" else "floor")
        for number in signals:
            worker.send(number)
        code = worker.wait()
    yard.go(*names)
    heir = yard.start(burst=True, lease=LONG)
    heir.report()

    assert code == (0 if len(signals) == 1 else EXIT_AT_ONCE)
    assert {job.result() for job in jobs} == {f"by {heir.pid}"}


def test_an_idle_worker_does_not_wait_for_a_blocked_store_to_stop(yard):
    worker = yard.start(lease=LONG, poll="20ms", stopping_wait_time="1h", busy_seconds=3600)
    worker.said("WorkerStarted")

    with yard.locked():
        yard.waits("floor")
        worker.send(signal.SIGTERM)
        assert worker.report()["ended"] == 0


def test_what_ends_before_the_wait_is_over_is_recorded_though_the_store_was_blocked(yard, until):
    worker = yard.start(lease=LONG, poll="20ms", stopping_wait_time=LONG)
    job = yard.chores.hold.enqueue("one")
    yard.started("one")

    with yard.locked():
        yard.waits("floor")
        worker.send(signal.SIGTERM)
        worker.said("WorkerDraining(running=1")
        yard.go("one")
        until(lambda: yard.ledger.names("end") == ["one"])
        worker.said("StoreTrouble")

    assert worker.report()["ended"] == 1
    assert job.result() == f"by {worker.pid}"
    assert [attempt.outcome for attempt in job.attempts()] == ["succeeded"]


def test_a_deaf_job_retires_its_worker_and_ends_with_its_process(yard):
    worker = yard.start(concurrency=4, cancel_grace="100ms", stopping_wait_time="1s", lease=LONG)
    finishing = yard.chores.hold.enqueue("finishing")
    endless = yard.chores.hold_async.enqueue("endless")
    yard.started("finishing", "endless")
    stuck = yard.chores.stuck.using(timeout="200ms").enqueue("stuck")
    worker.said("WorkerRetiring")
    yard.go("finishing")
    late = yard.chores.note.enqueue("late")

    report = worker.report()

    assert report["retired"]
    assert finishing.result() == f"by {worker.pid}"
    assert _uncharged(endless)
    assert [attempt.outcome for attempt in endless.attempts()] == ["released"]
    assert [attempt.outcome for attempt in stuck.attempts()] == ["timed out"]
    assert (stuck.status().state, stuck.status().failures) == (State.READY, 1)
    assert late.status().deliveries == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(worker.pid, 0)


def test_a_deaf_async_job_retires_its_worker_too(yard):
    worker = yard.start(cancel_grace="100ms", stopping_wait_time="0s")
    stuck = yard.chores.stuck_async.using(timeout="100ms").enqueue("stuck")

    assert worker.report()["retired"]
    assert [attempt.outcome for attempt in stuck.attempts()] == ["timed out"]
    assert yard.ledger.count("ignored")["stuck"] >= 1


@pytest.mark.requirement("R-JOB-1")
def test_a_job_that_reads_its_input_gets_end_of_file(yard):
    """The worker's own input stays open for as long as the test runs."""
    yard.start()

    assert yard.chores.read_input.enqueue("reader").result(PATIENCE) == ""
