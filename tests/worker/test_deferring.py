"""Tasks that set their own jobs aside, and programs that have these run on."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobhost import (
    Defer,
    IllegalMove,
    InvalidOption,
    JobDead,
    JobNotFound,
    Retry,
    State,
    current_job,
)

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"


@pytest.fixture
def pay(host):
    @host.task(retry=Retry(max_attempts=1))
    def pay(order: int) -> int:
        if current_job().delivery == 1:
            current_job().checkpoint(current_job().number)
            raise Defer(f"waiting for the invoice of order {order}")
        return current_job().last_checkpoint()

    return pay


@pytest.mark.requirement("R-MSG-22")
def test_a_task_sets_its_job_aside_and_its_number_fetches_it(host, pay, working):
    job = pay.enqueue(7)
    report = host.worker(burst=True).run()
    assert report.ended == 1, "nothing else is done with it"
    record = job.status()
    assert (record.state, record.failures) == (State.BLOCKED, 0)
    assert record.reason == "waiting for the invoice of order 7"
    assert "jobs resume" in str(job.explain())
    with working(host.worker()):
        again = host.resume(record.number)
        assert again == job
        assert again.result(PATIENCE) == record.number, "the number that the task itself saw"


def test_the_handle_resumes_its_job_and_every_call_has_a_twin(host, pay):
    jobs = pay.enqueue_many([(1,), (2,), (3,)])
    host.worker(burst=True).run()
    jobs[0].resume()
    asyncio.run(jobs[1].aresume())
    assert asyncio.run(host.aresume(jobs[2].status().number)) == jobs[2]
    host.worker(burst=True).run()
    assert {job.status().state for job in jobs} == {State.SUCCEEDED}


def test_what_is_not_deferred_cannot_be_resumed(host, pay):
    job = pay.enqueue(1)
    with pytest.raises(IllegalMove, match="is ready, and only deferred jobs can be resumed"):
        job.resume()
    with pytest.raises(JobNotFound, match="no job with the number 1000000"):
        host.resume(1_000_000)
    with pytest.raises(JobNotFound):
        host.job("0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10").resume()
    for number in (True, "7", -1, None, 2**63):
        with pytest.raises(InvalidOption, match="a job's number is a whole number"):
            host.resume(number)


def test_many_who_resume_at_once_have_it_run_once(host, pay):
    job = pay.enqueue(1)
    host.worker(burst=True).run()
    number, start = job.status().number, threading.Barrier(8)

    def resume(_: int) -> bool:
        start.wait(60)
        try:
            host.resume(number)
        except IllegalMove:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(resume, range(8))) == [False] * 7 + [True]
    host.worker(burst=True).run()
    assert [attempt.outcome for attempt in job.attempts()] == ["deferred", "succeeded"]


def test_a_returned_deferral_is_told_to_be_raised(host):
    @host.task(retry=Retry(max_attempts=1))
    def wrong():
        return Defer("later")

    job = wrong.enqueue()
    host.worker(burst=True).run()
    with pytest.raises(JobDead, match="raise it instead"):
        job.result(PATIENCE)


@pytest.mark.requirement("R-MSG-1")
def test_numbers_rise_for_each_of_many_producers(host, pay):
    def produce(_: int) -> list[int]:
        return [pay.enqueue(at).status().number for at in range(10)]

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(produce, range(4)))
    assert all(numbers == sorted(numbers) for numbers in told)
    assert len({number for numbers in told for number in numbers}) == 40
