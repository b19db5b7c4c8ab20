"""The loop of the jobs runs on whatever a job does to it, until it is closed."""

import asyncio
import threading

import pytest

from jobhost.worker.job_loop import JobLoop

GUARD_SECONDS = 60.0


def _end_program() -> None:
    raise SystemExit(3)


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("harm", ["exit", "interrupt", "stop"])
def test_only_its_owner_stops_it(harm: str):
    ended = threading.Event()
    jobs = JobLoop(ended.set)
    jobs.start()
    does = {"exit": _end_program, "interrupt": _interrupt, "stop": jobs.loop.stop}
    jobs.loop.call_soon_threadsafe(does[harm])

    async def answer() -> str:
        return threading.current_thread().name

    asked = asyncio.run_coroutine_threadsafe(answer(), jobs.loop)
    assert asked.result(GUARD_SECONDS) == "jobhost-loop"
    assert not ended.is_set()
    jobs.close()
    assert ended.wait(GUARD_SECONDS)
    jobs.thread.join(GUARD_SECONDS)
    assert jobs.loop.is_closed()
