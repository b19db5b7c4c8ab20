"""A test has a worker die in the middle of a job, and sees what comes after."""

import asyncio
from uuid import UUID

import little_shop as shop
import pytest

from jobhost import InvalidOption, JobHost, JobNotFound, UsageError, current_job
from jobhost.testing import JobsUnderTest


@pytest.fixture
def host() -> JobHost:
    return JobHost()


def test_work_that_was_done_and_not_recorded_is_done_again(host: JobHost) -> None:
    seen: list[tuple[int, bool]] = []

    @host.task
    def charge(order: int) -> str:
        seen.append((current_job().delivery, current_job().redelivered))
        return "paid"

    with host.testing() as jobs:
        job = charge.enqueue(7)
        jobs.crash(job)
        report = jobs.drain()
        assert seen == [(1, False), (2, True)]
        assert job.result(timeout="0s") == "paid"
        assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]
        assert report.failures == ()
        assert jobs.one().failures == 0


def test_a_worker_can_die_before_the_first_line(jobs: JobsUnderTest) -> None:
    job = shop.greet.enqueue("ann")
    jobs.crash(job, at="start")
    jobs.drain()
    assert shop.sent == ["ann"]
    assert jobs.one().deliveries == 2


def test_what_a_dying_job_raised_is_heard_by_nobody(jobs: JobsUnderTest) -> None:
    job = shop.send_mail.enqueue("nobody")
    jobs.crash(job)
    report = jobs.drain(raise_failures=False)
    assert len(report.failures) == 1
    assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "failed"]


def test_coroutines_die_too_on_an_event_loop_of_the_test(jobs: JobsUnderTest) -> None:
    async def play() -> None:
        job = await shop.greet.aenqueue("ann")
        jobs.crash(job)
        await jobs.adrain()
        assert shop.sent == ["ann", "ann"]

    asyncio.run(play())


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_job_that_kills_every_worker_ends_as_dead(jobs: JobsUnderTest, at: str) -> None:
    job = shop.greet.enqueue("ann")
    jobs.crash(job, at=at, times=9)
    jobs.drain()
    seen = jobs.one()
    assert (seen.state, seen.reason) == ("dead", "killed its worker 3 times")
    assert {attempt.outcome for attempt in job.attempts()} == {"crashed"}


def test_only_the_job_that_was_named_is_in_its_workers_death(jobs: JobsUnderTest) -> None:
    first, second = shop.greet.enqueue("ann"), shop.greet.enqueue("bob")
    jobs.crash(str(second.id))
    jobs.drain()
    assert (first.status().deliveries, second.status().deliveries) == (1, 2)


def test_a_retry_that_was_scheduled_can_crash(jobs: JobsUnderTest) -> None:
    job = shop.send_mail.enqueue("nobody")
    jobs.drain(raise_failures=False)
    jobs.crash(jobs.one(), at="start")
    jobs.move("10m")
    jobs.drain(raise_failures=False)
    assert [attempt.outcome for attempt in job.attempts()] == ["failed", "crashed", "failed"]


def test_siblings_in_other_slots_die_with_their_worker(host: JobHost) -> None:
    import threading

    both = threading.Barrier(2)

    @host.task
    def work() -> None:
        if not current_job().redelivered:
            both.wait(60)

    with host.testing(concurrency=2) as jobs:
        work.enqueue()
        jobs.crash(work.enqueue())
        jobs.drain()
        assert [job.state for job in jobs.all()] == ["succeeded", "succeeded"]


def test_another_tasks_function_called_by_hand_does_not_crash(host: JobHost) -> None:
    calls: list[str] = []

    @host.task
    def inner() -> None:
        calls.append("inner")

    @host.task
    def outer() -> None:
        inner()
        calls.append("outer")

    with host.testing() as jobs:
        jobs.crash(outer.enqueue())
        jobs.drain()
        assert calls == ["inner", "outer"] * 2
        inner()
        assert len(calls) == 5


def test_wrong_orders_are_refused(jobs: JobsUnderTest) -> None:
    job = shop.greet.enqueue("ann")
    with pytest.raises(InvalidOption, match="'start' or 'end'"):
        jobs.crash(job, at="middle")
    for times in (0, True, "2"):
        with pytest.raises(InvalidOption, match="whole number from 1"):
            jobs.crash(job, times=times)  # type: ignore[arg-type]
    with pytest.raises(JobNotFound):
        jobs.crash(UUID(int=1))
    jobs.drain()
    with pytest.raises(UsageError, match="is succeeded and runs no more"):
        jobs.crash(job)
    with pytest.raises(UsageError, match="is a command"):
        jobs.crash(shop.echo.enqueue(word="a"))
