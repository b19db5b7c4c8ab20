"""A worker inside another program, which goes on living when the worker does not."""

import asyncio
import gc
import os
import signal
import threading

import pytest

from jobhost import InvalidOption, JobHost, State, StoreError, UsageError
from jobhost.errors import StoreGone
from jobhost.events import WorkerDraining, WorkerFailed, WorkerRetiring

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
GUARD_SECONDS = 60.0
OURS = ("jobhost-loop", "jobhost-store-loop", "jobhost-heartbeat", "jobhost-stalls", "jobhost-job")


def threads_of_a_worker() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]


async def until(condition) -> None:
    """Lets the event loop go on meanwhile."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not condition():  # noqa: ASYNC110 - set from other threads
            await asyncio.sleep(0.005)


def test_a_worker_has_registered_when_a_coroutine_enters_it_and_left_when_it_leaves(host, beside):
    @host.task
    async def on_loop() -> str:
        return threading.current_thread().name

    @host.task
    def in_thread() -> str:
        return threading.current_thread().name

    async def program() -> None:
        async with host.worker(concurrency=2) as worker:
            assert worker.running
            assert beside("SELECT count(*) FROM jobhost_node WHERE ended_at IS NULL") == [(1,)]
            jobs = [await on_loop.aenqueue(), await in_thread.aenqueue()]
            names = [await job.aresult(PATIENCE) for job in jobs]
            assert names == ["jobhost-loop", "jobhost-job-1"]
        assert not worker.running
        assert (worker.report.ended, worker.error, worker.retired) == (2, None, False)

    asyncio.run(program())

    assert threads_of_a_worker() == []
    assert beside("SELECT count(*) FROM jobhost_node WHERE ended_at IS NULL") == [(0,)]


def test_a_thread_enters_and_leaves_a_worker_likewise(host):
    @host.task
    def greet(name: str) -> str:
        return f"hello {name}"

    with host.worker(concurrency=2) as worker:
        assert worker.running
        assert greet.enqueue("Ada").result(PATIENCE) == "hello Ada"
    assert not worker.running
    assert worker.report.ended == 1
    assert threads_of_a_worker() == []


def test_the_process_is_left_alone(host):
    @host.task
    def note() -> None:
        pass

    def ours() -> object:
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        return handlers, gc.get_threshold(), gc.get_freeze_count(), os.fstat(0)

    before = ours()
    with host.worker():
        note.enqueue().result(PATIENCE)
        assert ours() == before
    assert ours() == before


@pytest.mark.parametrize("way", ["with", "async with"])
def test_a_start_that_fails_raises_where_the_worker_is_entered(tmp_path, way):
    host = JobHost(f"sqlite:///{tmp_path}/no/such/folder/jobs.db")
    host.task(name="note")(lambda: None)
    entered = []

    async def program() -> None:
        async with host.worker():
            entered.append(1)

    with pytest.raises(StoreError, match="no/such/folder"):
        if way == "async with":
            asyncio.run(program())
        else:
            with host.worker():
                entered.append(1)
    assert entered == []
    assert threads_of_a_worker() == []


def test_a_store_without_a_schema_is_told_at_once(postgres_url):
    with JobHost(postgres_url.replace("schema=", "schema=absent_")) as host:
        host.task(name="note")(lambda: None)
        with pytest.raises(StoreError, match="migrate"), host.worker():
            pytest.fail("it must not start")
    assert threads_of_a_worker() == []


@pytest.mark.stores("sqlite")
def test_the_event_loop_goes_on_while_a_worker_starts(yard):
    async def program() -> None:
        entered = asyncio.Event()

        async def live() -> None:
            async with yard.host.worker():
                entered.set()

        with yard.blocked():
            task = asyncio.create_task(live())
            # The worker waits for its turn to register; these turns of the loop pass meanwhile.
            await asyncio.get_running_loop().run_in_executor(None, yard.waits, "gate")
            assert not entered.is_set()
        await asyncio.wait_for(task, GUARD_SECONDS)
        assert entered.is_set()

    asyncio.run(program())


@pytest.mark.stores("sqlite")
def test_a_start_that_is_cancelled_leaves_nothing_behind(yard):
    entered = []

    async def live() -> None:
        async with yard.host.worker():
            entered.append(1)

    async def program() -> None:
        with yard.blocked():
            task = asyncio.create_task(live())
            await asyncio.get_running_loop().run_in_executor(None, yard.waits, "gate")
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, GUARD_SECONDS)

    asyncio.run(program())
    assert entered == []
    assert threads_of_a_worker() == []
    assert yard.chores.note.enqueue("waits").status().deliveries == 0


def test_leaving_lets_running_jobs_end_claims_nothing_more_and_blocks_no_loop(host):
    running, go = threading.Event(), threading.Event()

    @host.task
    def hold() -> str:
        running.set()
        assert go.wait(GUARD_SECONDS)
        return "done"

    draining = []

    async def program() -> None:
        worker = host.worker(concurrency=1, stopping_wait_time="10m")
        worker.events.subscribe(WorkerDraining, draining.append)

        async def let_go() -> None:
            await until(lambda: draining)
            late.append(await hold.aenqueue())
            go.set()

        async with worker:
            job = await hold.aenqueue()
            await until(running.is_set)
            helper = asyncio.create_task(let_go())
        await helper
        assert (await job.astatus()).state is State.SUCCEEDED

    late = []
    asyncio.run(program())
    assert [event.running for event in draining] == [1]
    assert late[0].status().deliveries == 0


def test_what_does_not_end_in_time_is_handed_back_uncharged(host, obedient):
    job, running = obedient
    with host.worker(stopping_wait_time="0s") as worker:
        assert running.wait(GUARD_SECONDS)
    assert worker.report.released == 1
    record = job.status()
    assert (record.state, record.failures, record.crashes) == (State.READY, 0, 0)


def test_a_cancelled_block_drains_and_the_cancellation_passes(host, obedient):
    job, running = obedient
    workers = []

    async def live() -> None:
        async with host.worker(stopping_wait_time="0s") as worker:
            workers.append(worker)
            await asyncio.Event().wait()

    async def program() -> None:
        task = asyncio.create_task(live())
        await until(running.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert workers[0].report.released == 1
    assert job.status().state is State.READY
    assert threads_of_a_worker() == []


def test_one_more_cancellation_while_it_drains_hands_back_at_once(host, obedient):
    job, running = obedient
    draining = []

    async def live() -> None:
        worker = host.worker(stopping_wait_time="10m")
        worker.events.subscribe(WorkerDraining, draining.append)
        async with worker:
            await asyncio.Event().wait()

    async def program() -> None:
        task = asyncio.create_task(live())
        await until(running.is_set)
        task.cancel()
        await until(lambda: draining)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, GUARD_SECONDS)

    asyncio.run(program())
    assert job.status().state is State.READY
    assert threads_of_a_worker() == []


def test_an_exception_of_the_block_passes_and_the_worker_has_left(host):
    host.task(name="note")(lambda: None)
    with pytest.raises(ZeroDivisionError), host.worker() as worker:
        raise ZeroDivisionError
    assert not worker.running
    assert worker.report.ended == 0


def test_a_worker_is_entered_once(host):
    host.task(name="note")(lambda: None)
    worker = host.worker()
    with worker:
        for again in (worker.__enter__, worker.run):
            with pytest.raises(UsageError, match=r"make another|was entered"):
                again()
        assert worker.running
    for again in (worker.__enter__, worker.run):
        with pytest.raises(UsageError, match=r"make another|was entered"):
            again()
    ran = host.worker(burst=True)
    ran.run()
    with pytest.raises(UsageError, match="make another"):
        ran.__enter__()


def test_a_coroutine_is_told_to_enter_it_without_blocking(host):
    host.task(name="note")(lambda: None)

    async def program() -> None:
        with pytest.raises(UsageError, match="async with"), host.worker():
            pytest.fail("it must not start")

    asyncio.run(program())
    assert threads_of_a_worker() == []


@pytest.mark.parametrize("setting", [{"max_jobs": 5}, {"max_memory": "512MB"}])
def test_settings_that_ask_for_a_fresh_process_are_refused(host, setting):
    host.task(name="note")(lambda: None)
    (name,) = setting
    with pytest.raises(InvalidOption, match=f"{name} ends a worker"), host.worker(**setting):
        pytest.fail("it must not start")
    assert host.worker(**setting, burst=True).run().ended == 0


def test_with_a_concurrency_of_one_two_jobs_never_run_at_once(host):
    inside, most = [], []

    @host.task
    def in_thread() -> None:
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    @host.task
    async def on_loop() -> None:
        inside.append(1)
        await asyncio.sleep(0)
        most.append(len(inside))
        inside.pop()

    with host.worker(concurrency=1):
        jobs = [task.enqueue() for _ in range(20) for task in (in_thread, on_loop)]
        for job in jobs:
            job.result(PATIENCE)
    assert most == [1] * 40


@pytest.mark.stores("sqlite")
@pytest.mark.parametrize("block_fails", [False, True])
def test_a_store_that_is_gone_ends_the_worker_and_the_program_is_told(
    host, tmp_path, caplog, block_fails
):
    host.task(name="note")(lambda: None)
    failed = []

    async def program() -> None:
        worker = host.worker(poll="10ms")
        worker.events.subscribe(WorkerFailed, failed.append)
        async with worker:
            for file in tmp_path.glob("jobs.db*"):
                if file.is_file():
                    file.unlink()
            await until(lambda: not worker.running)
            assert isinstance(worker.error, StoreGone)
            if block_fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError if block_fails else StoreGone):
        asyncio.run(program())
    assert len(failed) == 1
    assert "runs no more jobs in this process: StoreGone" in caplog.text
    assert threads_of_a_worker() == []


@pytest.mark.parametrize("place", ["thread", "loop", "waiting"])
def test_a_deaf_job_ends_the_worker_with_its_stack_and_leaves_the_process(host, place, caplog):
    end, retiring = threading.Event(), []

    def deaf_function() -> None:
        end.wait(GUARD_SECONDS)

    async def deaf_coroutine() -> None:
        end.wait(GUARD_SECONDS)

    async def waiting_coroutine() -> None:
        # It outlives its loop, as only a test lets it; asyncio would tell so long afterwards.
        asyncio.current_task()._log_destroy_pending = False
        while not end.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue

    functions = {"thread": deaf_function, "loop": deaf_coroutine, "waiting": waiting_coroutine}
    function = functions[place]
    job = host.task(timeout="100ms", name="deaf")(function).enqueue()
    worker = host.worker(cancel_grace="20ms", stopping_wait_time="0s")
    worker.events.subscribe(WorkerRetiring, retiring.append)

    async def program() -> None:
        async with worker:
            await until(lambda: not worker.running)
            assert worker.retired
            assert worker.error is None
            unclaimed = await host.task(name="note")(lambda: None).aenqueue()
        assert (await unclaimed.astatus()).deliveries == 0

    try:
        asyncio.run(program())
        assert [attempt.outcome for attempt in job.attempts()] == ["timed out"]
        assert worker.report.retired
        assert f"in {function.__name__}" in retiring[0].stack
        assert "restart the process" in caplog.text
        assert retiring[0].stack.rstrip() in caplog.text
    finally:
        end.set()
    for thread in threading.enumerate():
        if thread.name.startswith(OURS):
            thread.join(GUARD_SECONDS)


def test_an_async_job_past_its_limit_is_cancelled_and_the_worker_goes_on(host):
    @host.task(timeout="20ms")
    async def slow() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "part of it"
        return "all of it"

    with host.worker() as worker:
        assert slow.enqueue().result(PATIENCE) == "part of it"
        assert worker.running
        assert not worker.retired


def test_it_stops_when_told_from_inside_of_the_block(host):
    host.task(name="note")(lambda: None)

    async def program() -> None:
        async with host.worker() as worker:
            worker.stop()
            await until(lambda: not worker.running)
            assert worker.report.stopped

    asyncio.run(program())
