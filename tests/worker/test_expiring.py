"""Jobs that expire under the eyes of workers: swept in time, and never started too late."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from jobhost import Job, JobDead, JobHost, Retry, State
from jobhost.clock import ManualClock
from jobhost.errors import JobNotFound
from jobhost.events import Events, JobsExpired
from jobhost.store.plans.expiry import ExpiryReport
from jobhost.worker.expirer import Expirer

PASS_SECONDS = 60.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def host(url: str, clock: ManualClock) -> Iterator[JobHost]:
    with JobHost(url, clock=clock) as made:
        made.migrate()
        yield made


@pytest.fixture
def seen() -> list[JobsExpired]:
    return []


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def expirer(host: JobHost, seen: list[JobsExpired], seconds: Seconds) -> Iterator[Expirer]:
    events = Events()
    events.subscribe(JobsExpired, seen.append)
    with closing(host.store.session()) as session:
        yield Expirer(session, events, pass_seconds=PASS_SECONDS, monotonic=seconds)


def declare(host: JobHost, runs: list[int]) -> Any:
    @host.task(retry=Retry(max_attempts=2, first_delay="1h"))
    def note(number: int = 0) -> None:
        runs.append(number)
        if number < 0:
            raise ValueError("boom")

    return note


def test_the_next_pass_is_when_the_next_job_expires(
    host: JobHost, expirer: Expirer, seconds: Seconds
) -> None:
    note = declare(host, [])
    expirer.run_once()
    assert expirer.due == seconds.now + PASS_SECONDS
    note.using(expires="30s").enqueue()
    expirer.run_once()
    assert expirer.due == seconds.now + 30.0


def test_rings_in_a_row_do_not_cost_a_pass_each(expirer: Expirer, seconds: Seconds) -> None:
    expirer.run_once()
    expirer.hurry()
    expirer.hurry()
    assert expirer.due == seconds.now + 1.0


def test_a_pass_that_has_nothing_to_end_waits_for_no_writer(
    host: JobHost, expirer: Expirer, url: str, clock: ManualClock, seconds: Seconds
) -> None:
    note = declare(host, [])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert expirer.run_once() == ExpiryReport()
        other.execute("ROLLBACK")
        job = note.using(expires="30s").enqueue()
        other.execute("BEGIN IMMEDIATE")
        assert expirer.run_once() == ExpiryReport(due_in_us=30_000_000)
        assert expirer.due == seconds.now + 30.0
        other.execute("ROLLBACK")
    clock.move(timedelta(seconds=30))
    assert expirer.run_once() == ExpiryReport(expired=1)
    assert job.status().state is State.DEAD


@pytest.mark.stores("sqlite", "postgres")
def test_a_pass_tells_of_what_it_ended_and_what_it_deleted(
    host: JobHost, expirer: Expirer, clock: ManualClock, seen: list[JobsExpired]
) -> None:
    note = declare(host, [])
    kept = note.using(expires="30s").enqueue()
    gone = note.using(expires="30s", on_expiry="drop").enqueue()
    clock.move(timedelta(seconds=30))
    expirer.run_once()

    assert seen == [JobsExpired(jobs=1, dropped=1)]
    with pytest.raises(JobDead, match="expired"):
        kept.result()
    with pytest.raises(JobNotFound):
        gone.status()


@pytest.mark.requirement("R-MSG-24")
@pytest.mark.stores("sqlite", "postgres")
def test_a_worker_starts_no_job_that_expired_before_anybody_looked(
    host: JobHost, clock: ManualClock
) -> None:
    runs: list[int] = []
    note = declare(host, runs)
    late = [note.using(expires="30s").enqueue(number) for number in range(3)]
    gone = note.using(expires="30s", on_expiry="drop").enqueue(3)
    good = [note.using(expires="2m").enqueue(4), note.enqueue(5)]
    worker = host.worker(burst=True)
    # The store thread claims before it sweeps: what it gets is looked at once more.
    clock.move(timedelta(seconds=30))
    worker.run()

    assert sorted(runs) == [4, 5]
    assert {job.status().state for job in late} == {State.DEAD}
    assert {job.status().reason for job in late} == {"expired"}
    assert {job.status().state for job in good} == {State.SUCCEEDED}
    assert _is_gone(gone)


@pytest.mark.requirement("R-MSG-24")
@pytest.mark.stores("sqlite", "postgres")
def test_the_executor_ends_what_was_claimed_too_late_and_the_next_pass_deletes_what_is_dropped(
    host: JobHost, clock: ManualClock
) -> None:
    """The pass of the worker's start is before the jobs expire; their claim is after it."""
    runs: list[int] = []
    note = declare(host, runs)
    late = note.using(expires="30s", queue="late").enqueue(1)
    gone = note.using(expires="30s", queue="late", on_expiry="drop").enqueue(2)

    @host.task
    def pass_time() -> None:
        clock.move(timedelta(minutes=1))

    pass_time.using(priority=9, queue="late").enqueue()
    host.worker(burst=True, concurrency=1, queues=["late"]).run()

    assert runs == []
    assert late.status().state is State.DEAD
    (attempt,) = late.attempts() or [None]
    assert attempt is None or attempt.outcome == "expired"
    with closing(host.store.session()) as session:
        Expirer(session, Events(), pass_seconds=1.0).run_once()
    assert _is_gone(gone)


@pytest.mark.stores("sqlite", "postgres")
def test_an_expired_job_that_is_redriven_runs(host: JobHost, clock: ManualClock) -> None:
    runs: list[int] = []
    note = declare(host, runs)
    job = note.using(expires="30s").enqueue(7)
    clock.move(timedelta(minutes=1))
    host.worker(burst=True).run()
    assert (runs, job.status().state) == ([], State.DEAD)

    job.redrive()
    host.worker(burst=True).run()
    assert runs == [7]
    assert job.status().state is State.SUCCEEDED


def test_a_job_that_fails_after_its_time_is_dead_and_not_tried_again(
    host: JobHost, clock: ManualClock
) -> None:
    @host.task(retry=Retry(max_attempts=5, first_delay="1s"), expires="5s")
    def slow() -> None:
        clock.move(timedelta(seconds=6))
        raise ValueError("boom")

    job = slow.enqueue()
    host.worker(burst=True).run()
    with closing(host.store.session()) as session:
        Expirer(session, Events(), pass_seconds=1.0).run_once()
    record = job.status()
    assert (record.state, record.reason, record.failures) == (State.DEAD, "expired", 1)


@pytest.mark.stores("sqlite", "postgres")
def test_what_the_store_says_of_a_queue_caps_the_time_of_its_jobs(
    host: JobHost, clock: ManualClock
) -> None:
    runs: list[int] = []
    note = declare(host, runs)
    host.queue("mail").set(expires="10s")
    capped = note.using(queue="mail", expires="1h").enqueue(1)
    plain = note.using(queue="mail").enqueue(2)
    clock.move(timedelta(seconds=10))
    host.worker(burst=True, queues=["mail"]).run()
    assert runs == []
    assert [job.status().state for job in (capped, plain)] == [State.DEAD] * 2


def _is_gone(job: Job[Any]) -> bool:
    try:
        job.status()
    except JobNotFound:
        return True
    return False
