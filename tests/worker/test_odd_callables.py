"""Tasks whose call gives something other than a result, and jobs that meddle with the loop."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from jobhost import JobHost, Retry, State, UsageError

ONCE = Retry(max_attempts=1)


def _timed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_an_async_task_behind_an_ordinary_decorator_is_awaited(host: JobHost) -> None:
    sent = []

    @host.task
    @_timed
    async def send_mail(to: str) -> None:
        sent.append(to)

    job = send_mail.enqueue("ada")
    host.worker(burst=True).run()
    assert (job.status().state, sent) == (State.SUCCEEDED, ["ada"])


def test_a_coroutine_that_nobody_awaits_is_a_failure(host: JobHost) -> None:
    async def helper() -> None: ...

    made = []

    @host.task(retry=ONCE)
    def forgot() -> object:
        made.append(helper())
        return made[0]

    job = forgot.enqueue()
    host.worker(burst=True).run()
    made[0].close()
    record = job.status()
    assert record.state is State.DEAD
    assert record.error is not None
    assert "returned a coroutine that nobody runs" in record.error.message


def test_a_generator_is_refused_where_it_is_declared(host: JobHost) -> None:
    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for function in (numbers, later):
        with pytest.raises(UsageError, match="is a generator"):
            host.task(function)


@pytest.mark.parametrize("thing", [functools.partial(print, 1), int, object()])
def test_what_is_no_function_is_refused_in_one_sentence(host: JobHost, thing: Any) -> None:
    with pytest.raises(UsageError, match=r"decorates a function|must be a function"):
        host.task(name="thing")(thing)


def test_a_job_cancelled_before_its_first_step_does_not_hang(host: JobHost) -> None:
    @host.task
    async def cancel_all() -> None:
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    @host.task(retry=ONCE)
    async def quick() -> int:
        return 1

    jobs = [cancel_all.enqueue(), quick.enqueue()]
    host.worker(burst=True).run()
    assert [job.status().state for job in jobs] == [State.SUCCEEDED, State.DEAD]


def test_a_job_that_stops_the_loop_does_not_stop_the_others(host: JobHost) -> None:
    @host.task
    async def stop_the_loop() -> None:
        asyncio.get_running_loop().stop()

    @host.task
    async def sleeper() -> int:
        await asyncio.sleep(0.05)
        return 1

    jobs = [sleeper.enqueue(), stop_the_loop.enqueue(), sleeper.enqueue()]
    host.worker(burst=True).run()
    assert {job.status().state for job in jobs} == {State.SUCCEEDED}
