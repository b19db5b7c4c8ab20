"""Whoever holds up the worker's event loop is named, while it lasts and when it is over."""

import asyncio
import logging
import re
import threading

import pytest

from jobhost import InvalidOption
from jobhost.events import Events, LoopStalled
from jobhost.worker.config import WorkerConfig
from jobhost.worker.job_loop import JobLoop
from jobhost.worker.stalls import StallWatch
from jobhost.worker.turns import Turns

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
GUARD_SECONDS = 60.0
SOON = "20ms"


class Blocker:
    """Holds up whatever thread calls it until the stall of that was told."""

    def __init__(self, worker) -> None:
        self.told: list[LoopStalled] = []
        self._seen = threading.Event()
        worker.events.subscribe(LoopStalled, self._hear)

    def _hear(self, event: LoopStalled) -> None:
        self.told.append(event)
        self._seen.set()

    def hold_up_the_loop(self) -> None:
        assert self._seen.wait(GUARD_SECONDS)

    def of(self, task: str) -> list[LoopStalled]:
        """What was told of a task; a busy machine may hold up others as well."""
        return [event for event in self.told if event.task == task]


def test_a_job_that_blocks_the_loop_is_named_with_its_stack_and_once_more_at_the_end(
    host, until, caplog
):
    @host.task
    async def block() -> str:
        blocker.hold_up_the_loop()
        return "done"

    worker = host.worker(stall_after=SOON)
    blocker = Blocker(worker)
    with worker:
        job = block.enqueue()
        assert job.result(PATIENCE) == "done"
        until(lambda: len(blocker.of("block")) == 2)

    began, over = blocker.of("block")
    assert (began.job, began.over) == (job.id, False)
    assert (over.job, over.over, over.stack) == (job.id, True, "")
    assert over.seconds >= began.seconds >= 0.02
    assert "blocker.hold_up_the_loop()" in began.stack
    assert "run_forever" not in began.stack
    line = next(one for one in caplog.messages if "has held up the event loop" in one)
    assert re.match(rf"block {job.id} has held up the event loop for .+; it is at\n", line)
    assert "blocker.hold_up_the_loop()" in line
    records = [one for one in caplog.records if "held" in one.message and "block" in one.message]
    assert {(one.levelno, one.job, one.task) for one in records} == {
        (logging.WARNING, str(job.id), "block")
    }
    assert f"the event loop goes on: block {job.id} held it up for" in caplog.text


def test_a_task_that_a_job_has_left_behind_is_named_too(host, until):
    ended = threading.Event()

    async def left_behind() -> None:
        while not ended.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0)
        blocker.hold_up_the_loop()

    @host.task
    async def leaves() -> None:
        stray.append(asyncio.create_task(left_behind(), name="stray"))

    stray = []
    worker = host.worker(stall_after="200ms")
    blocker = Blocker(worker)
    with worker:
        leaves.enqueue().result(PATIENCE)
        ended.set()
        until(lambda: any("left_behind" in event.stack for event in blocker.told))
    told = next(event for event in blocker.told if "left_behind" in event.stack)
    assert told.task in ("stray", "leaves")  # from Python 3.12 on the job is known


def test_a_blocked_loop_keeps_no_thread_from_its_jobs_and_no_worker_from_its_lease(
    host, beside, until
):
    blocked, go = threading.Event(), threading.Event()

    @host.task
    async def block() -> None:
        blocked.set()
        assert go.wait(GUARD_SECONDS)

    @host.task
    def note(number: int) -> int:
        return number

    renewed = "SELECT heartbeat_at FROM jobhost_node WHERE ended_at IS NULL"
    with host.worker(lease="6s", stall_after=SOON):
        job = block.enqueue()
        try:
            assert blocked.wait(GUARD_SECONDS)
            before = beside(renewed)
            assert note.enqueue(1).result(PATIENCE) == 1
            until(lambda: beside(renewed) != before)
            assert note.enqueue(2).result(PATIENCE) == 2
        finally:
            go.set()
        job.result(PATIENCE)
    assert job.status().deliveries == 1


def test_waiting_jobs_are_no_stall(host):
    @host.task
    async def wait() -> None:
        await asyncio.sleep(0.3)

    worker = host.worker(stall_after="200ms")
    blocker = Blocker(worker)
    with worker:
        for job in wait.enqueue_many([()] * 3):
            job.result(PATIENCE)
    assert blocker.of("wait") == []


@pytest.mark.stores("sqlite")
def test_nobody_watches_where_nobody_should(host):
    host.task(name="note")(lambda: None)
    with host.worker(stall_after=None):
        names = [thread.name for thread in threading.enumerate()]
    assert "jobhost-stalls" not in names
    with host.worker():
        assert "jobhost-stalls" in [thread.name for thread in threading.enumerate()]


@pytest.mark.stores("sqlite")
@pytest.mark.parametrize("value", ["0s", "-1s", "soon", 0])
def test_a_stall_has_a_length(value):
    with pytest.raises(InvalidOption, match="stall_after"):
        WorkerConfig(stall_after=value)


class Loop:
    """What the watch sees of an executor."""

    running = ()

    def __init__(self) -> None:
        self.job_loop = JobLoop(lambda: None)


@pytest.mark.stores("sqlite")
def test_it_looks_again_when_the_turn_under_way_would_be_too_long():
    seen, watched = [], Loop()
    events = Events()
    events.subscribe(LoopStalled, seen.append)
    watch = StallWatch(watched, events, stall_seconds=1.0)

    assert watch.run_once(10.0) == 1.0  # it waits
    watched.job_loop.turns.began = 9.75
    assert watch.run_once(10.0) == 0.75
    assert seen == []
    watched.job_loop.loop.close()


@pytest.mark.stores("sqlite")
def test_a_loop_notes_its_turns():
    noted = []
    turns = Turns()
    loop = asyncio.SelectorEventLoop(turns)

    async def look() -> None:
        for _ in range(3):
            noted.append(turns.began)
            await asyncio.sleep(0.001)

    loop.run_until_complete(look())
    loop.close()
    assert noted == sorted(set(noted))
    assert len(noted) == 3
