"""Races between a job's thread and the store thread, step by step.

A trace function holds a job's thread at a line of interest: the code that runs is the real
one, only the order of its threads is chosen.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest

from jobhost import JobCancelled
from jobhost.host.current import CancelToken
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

    before = threading.gettrace()
    threading.settrace(trace)  # type: ignore[arg-type]
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
