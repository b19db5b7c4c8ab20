"""Cancelling jobs that run."""

import asyncio
import random
import threading

import pytest

from jobhost import JobCancelled, State, current_job
from jobhost.store.plans.operate import CancelResult

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"


@pytest.mark.bell
def test_a_running_async_job_is_cancelled_and_says_why(host, until, working):
    seen = []

    @host.task
    async def run() -> None:
        seen.append("started")
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append(current_job().cancel.reason)

    job = run.enqueue()
    with working(host.worker(poll="1h", lease="1h")):
        until(lambda: seen)
        assert job.cancel("changed my mind") is CancelResult.REQUESTED
        with pytest.raises(JobCancelled, match="changed my mind"):
            job.result(PATIENCE)

    assert seen == ["started", "changed my mind"]
    assert [attempt.outcome for attempt in job.attempts()] == ["cancelled"]


@pytest.mark.bell
def test_a_running_thread_is_told_through_its_token(host, working, obedient):
    job, running = obedient
    with working(host.worker(poll="1h", lease="1h")):
        assert running.wait(60)
        job.cancel("enough")
        with pytest.raises(JobCancelled, match="enough"):
            job.result(PATIENCE)


def test_a_job_that_finishes_although_it_was_cancelled_has_succeeded(host, working):
    running = threading.Event()

    @host.task
    def run() -> str:
        running.set()
        assert current_job().cancel.wait(60)
        return "done all the same"

    job = run.enqueue()
    with working(host.worker()):
        assert running.wait(60)
        job.cancel()
        assert job.result(PATIENCE) == "done all the same"
        assert job.cancel() is CancelResult.TOO_LATE


def test_a_cancelled_job_that_fails_is_not_tried_again(host, working):
    running, cancelled = threading.Event(), threading.Event()

    @host.task
    def run() -> None:
        running.set()
        assert cancelled.wait(60)
        raise ValueError("at the same time")

    job = run.enqueue()
    with working(host.worker()):
        assert running.wait(60)
        job.cancel("enough")
        cancelled.set()
        with pytest.raises(JobCancelled, match="enough"):
            job.result(PATIENCE)

    assert len(job.attempts()) == 1


def test_a_cancelled_waiting_job_never_starts(host):
    starts = []

    @host.task
    def run() -> None:
        starts.append(1)

    ready, later = run.enqueue(), run.using(delay="1h").enqueue()

    assert ready.cancel() is later.cancel() is CancelResult.CANCELLED
    host.worker(burst=True).run()
    assert not starts


@pytest.mark.bell
@pytest.mark.parametrize("place", ["loop", "thread"])
def test_a_cancel_that_races_completion_leaves_exactly_one_final_state(
    host, beside, working, place
):
    def in_thread(number: int) -> int:
        return number

    async def on_loop(number: int) -> int:
        await asyncio.sleep(0)
        return number

    task = host.task(name="race")(on_loop if place == "loop" else in_thread)
    dice = random.Random(7)
    said = {}
    with working(host.worker(concurrency=4, poll="1h")):
        for number in range(100):
            job = task.enqueue(number)
            for _ in range(dice.randrange(4)):
                job.status()
            said[job] = job.cancel("raced")
        states = {}
        for job in said:
            try:
                states[job] = (State.SUCCEEDED, job.result(PATIENCE))
            except JobCancelled:
                states[job] = (State.CANCELLED, None)

    for job, (state, _) in states.items():
        assert job.status().state is state
        if said[job] is CancelResult.CANCELLED:
            assert state is State.CANCELLED
            assert not job.attempts()
        elif said[job] is CancelResult.TOO_LATE:
            assert state is State.SUCCEEDED
        else:
            assert len(job.attempts()) == 1
    tables = ("ready", "scheduled", "blocked", "running", "cancellation")
    left = {table: beside(f"SELECT count(*) FROM jobhost_{table}") for table in tables}
    assert left == {table: [(0,)] for table in tables}
