"""Races between a job's thread and the store thread, step by step.

A trace function holds a thread at a line of interest: the code that runs is the real one, only
the order of its threads is chosen.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest

from jobhost import JobCancelled, State
from jobhost.host.current import CancelToken
from jobhost.worker.executor import Executor
from jobhost.worker.holdings import Holdings
from jobhost.worker.outbox import Outbox

PATIENCE = "60s"


@contextmanager
def _when_returning_from(code: CodeType, do: Callable[[], object]) -> Iterator[None]:
    """In job threads started inside the block, call `do` whenever this function returns."""

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "return":
            do()
        return local

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        job_thread = threading.current_thread().name.startswith("jobhost-job")
        return local if job_thread and frame.f_code is code else None

    with _tracing(trace):
        yield


@contextmanager
def _when_it_is_asked(code: CodeType, caller: CodeType, do: Callable[[], object]) -> Iterator[None]:
    """In store threads started inside the block, call `do` before `caller` gets an answer of this
    function."""

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        store_thread = threading.current_thread().name == "jobhost-store-loop"
        asker = frame.f_back
        if store_thread and frame.f_code is code and asker is not None and asker.f_code is caller:
            do()

    with _tracing(trace):
        yield


@contextmanager
def _tracing(trace: Callable[[FrameType, str, Any], Any]) -> Iterator[None]:
    before = threading.gettrace()
    threading.settrace(trace)
    try:
        yield
    finally:
        threading.settrace(before)  # type: ignore[arg-type]


def test_a_slot_freed_after_its_job_was_recorded_is_filled_without_a_poll(host, until, working):
    first_is_recorded = threading.Event()

    @host.task
    def note(number: int) -> int:
        return number

    first, second = note.enqueue_many([(1,), (2,)])
    recorded = _when_returning_from(Outbox.put.__code__, lambda: first_is_recorded.wait(60))
    with recorded, working(host.worker(concurrency=1, poll="1h", lease="1h")):
        until(lambda: first.status().is_final)
        first_is_recorded.set()
        assert second.result(PATIENCE) == 2


def test_a_job_that_asks_for_its_token_just_when_it_is_cancelled_gets_the_one_that_is_set(
    host, until, working, obedient
):
    job, running = obedient
    worker = host.worker(poll="1h")

    def wait_for_the_cancel() -> None:
        assert running.wait(60)
        job.cancel("just now")
        until(lambda: all(e.stop_reason for e in worker._loop.executor.running))

    asked = _when_returning_from(CancelToken.__init__.__code__, wait_for_the_cancel)
    with asked, working(worker), pytest.raises(JobCancelled, match="just now"):
        job.result(PATIENCE)


def test_a_burst_worker_stays_for_what_a_job_enqueued_that_ended_while_it_counted(host, until):
    may_end = threading.Event()
    children = []

    @host.task
    def child() -> None: ...

    @host.task
    def parent() -> None:
        assert may_end.wait(60)
        children.append(child.enqueue())

    parent.enqueue()
    worker = host.worker(burst=True, concurrency=2, poll="1h", lease="1h")

    def let_it_end() -> None:
        if worker._loop.executor.running:
            may_end.set()
            until(lambda: not worker._loop.executor.running)

    running, counts = Executor.running.fget.__code__, Holdings.is_empty.__code__
    with _when_it_is_asked(running, counts, let_it_end):
        worker.run()

    assert [job.status().state for job in children] == [State.SUCCEEDED]
