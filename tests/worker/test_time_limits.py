"""Time limits end with something dead."""

import asyncio
import threading
from datetime import timedelta

import pytest

from jobhost import JobDead, JobHost, Retry, State, current_job
from jobhost.clock import microseconds
from jobhost.events import AttemptFailed, WorkerRetiring

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
AT_ONCE = Retry(max_attempts=2, first_delay="0s")


def test_an_async_job_past_its_limit_is_cancelled_recorded_and_retried(host, working):
    cancelled = []

    @host.task(timeout="50ms", retry=AT_ONCE)
    async def slow() -> str:
        if current_job().delivery == 2:
            return "second time"
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(current_job().cancel.reason)
            raise

    job = slow.enqueue()
    with working(host.worker(poll="1h")):
        assert job.result(PATIENCE) == "second time"

    assert cancelled == ["ran longer than its limit of 50ms"]
    first, _ = job.attempts()
    assert (first.outcome, first.error.type) == ("timed out", "TimeLimit")
    assert first.error.message == "ran longer than its limit of 50ms"
    assert (job.status().failures, job.status().deliveries) == (1, 2)


def test_a_thread_that_looks_at_its_token_ends_in_time(host, working):
    @host.task(timeout="50ms", retry=AT_ONCE)
    def slow() -> None:
        token = current_job().cancel
        assert token.wait(60)
        token.raise_if_set()

    job = slow.enqueue()
    with working(host.worker()), pytest.raises(JobDead, match="timed out 2 of 2 times"):
        job.result(PATIENCE)

    assert [attempt.outcome for attempt in job.attempts()] == ["timed out", "timed out"]


def test_a_limit_is_a_failure_that_a_rule_can_name(host, working):
    rules = {TimeoutError: None}

    @host.task(timeout="50ms", retry=Retry(first_delay="0s", rules=rules))
    async def slow() -> None:
        await asyncio.sleep(3600)

    job = slow.enqueue()
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    assert len(job.attempts()) == 1


def test_a_job_that_finishes_its_work_when_told_of_its_limit_has_succeeded(host, working):
    @host.task(timeout="50ms")
    async def tidy() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "part of it"

    job = tidy.enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == "part of it"


def test_the_limit_of_the_call_wins_over_that_of_the_task(host, working):
    @host.task(timeout="1h", retry=Retry(max_attempts=1))
    async def slow() -> None:
        await asyncio.sleep(3600)

    job = slow.using(timeout="20ms").enqueue()
    with working(host.worker()), pytest.raises(JobDead, match="limit of 20ms"):
        job.result(PATIENCE)


def test_neighbours_of_a_job_that_runs_out_of_time_go_on(host, working):
    everybody = threading.Event()

    @host.task
    async def patient() -> str:
        while not everybody.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.005)
        return "done"

    @host.task(timeout="20ms", retry=Retry(max_attempts=1))
    async def slow() -> None:
        await asyncio.sleep(3600)

    neighbours, late = patient.enqueue_many([()] * 5), slow.enqueue()
    with working(host.worker()):
        with pytest.raises(JobDead):
            late.result(PATIENCE)
        everybody.set()
        assert [job.result(PATIENCE) for job in neighbours] == ["done"] * 5


@pytest.mark.parametrize("place", ["loop", "thread"])
@pytest.mark.parametrize("cancelled_first", [False, True])
@pytest.mark.requirement("R-RESIL-7")
def test_a_job_that_ignores_its_limit_retires_the_worker(
    host, until, working, place, cancelled_first
):
    running, end = threading.Event(), threading.Event()
    retiring = []

    def in_thread() -> None:
        running.set()
        end.wait(60)

    async def on_loop() -> None:
        # It outlives its loop, as only a test lets it; asyncio would tell so long afterwards.
        asyncio.current_task()._log_destroy_pending = False
        running.set()
        while not end.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue

    task = host.task(timeout="300ms", name="deaf")(on_loop if place == "loop" else in_thread)
    job = task.enqueue()
    worker = host.worker(cancel_grace="20ms", stopping_wait_time="0s")
    worker.events.subscribe(WorkerRetiring, retiring.append)
    with working(worker) as thread:
        assert running.wait(60)
        if cancelled_first:
            job.cancel("changed my mind")
        report = thread.wait()
        end.set()

    assert report.retired
    assert [event.job for event in retiring] == [job.id]
    if cancelled_first:
        assert (job.status().state, job.status().reason) == (State.CANCELLED, "changed my mind")
    else:
        assert [attempt.outcome for attempt in job.attempts()] == ["timed out"]
        assert job.status().state is State.SCHEDULED


def test_what_ends_while_a_retired_worker_leaves_is_recorded_once(host, until, working):
    """The worker tells of the stuck job while it counts what is left; the other ends just then."""
    deaf_is_running, end_deaf, end_busy = threading.Event(), threading.Event(), threading.Event()

    @host.task(timeout="20ms", retry=Retry(max_attempts=1))
    def deaf() -> None:
        deaf_is_running.set()
        end_deaf.wait(60)

    @host.task
    def busy() -> str:
        assert deaf_is_running.wait(60)
        end_busy.wait(60)
        return "done"

    stuck, job = deaf.enqueue(), busy.enqueue()
    worker = host.worker(cancel_grace="20ms", stopping_wait_time="0s")

    def let_busy_end(event: object) -> None:
        end_busy.set()
        names = lambda: [e.task.name for e in worker._loop.executor.running]  # noqa: E731
        until(lambda: "busy" not in names())

    worker.events.subscribe(AttemptFailed, let_busy_end)
    with working(worker) as thread:
        thread.wait()
        end_deaf.set()

    assert stuck.status().state is State.DEAD
    assert job.result() == "done"
    assert len(job.attempts()) == 1
    host.worker(burst=True).run()
    assert len(job.attempts()) == 1


@pytest.mark.requirement("R-MSG-7")
def test_a_blocked_loop_keeps_its_lease_and_its_job(url, clock, beside, until, working):
    """The store's clock is moved by hand, past the lease, from one renewal to the next."""
    starts, blocked, go = [], threading.Event(), threading.Event()

    with JobHost(url, clock=clock) as host:

        @host.task
        async def block() -> str:
            starts.append(current_job().delivery)
            blocked.set()
            go.wait(60)
            return "done"

        def both_have_renewed() -> bool:
            until_then = clock.now() + microseconds(0.6)
            found = beside(f"SELECT lease_until FROM jobhost_node WHERE lease_until = {until_then}")
            return len(found) == 2

        with working(host.worker(lease="600ms")):
            job = block.enqueue()
            assert blocked.wait(60)
            with working(host.worker(lease="600ms")):
                for _ in range(4):
                    until(both_have_renewed)
                    clock.move(timedelta(seconds=0.5))
                until(both_have_renewed)
                go.set()
                assert job.result(PATIENCE) == "done"

        assert starts == [1]
        assert job.status().deliveries == 1
