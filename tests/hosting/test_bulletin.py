"""What is told to which workers."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from jobhost.events import Events
from jobhost.hosting.bulletin import Bulletin, spread
from jobhost.hosting.node_events import TaskBroughtBack, TaskSetAside
from jobhost.hosting.poison import PROOFS, window_seconds
from jobhost.hosting.process import WorkerProcess
from jobhost.store.plans.nodes import News
from jobhost.worker.wire import LeaveOut, Message, Tidings, Wire

NEWS = News(lapsed=False, due_in_us=None, ready=True, blocked=False)


@dataclass
class Aside:
    """What was asked of the store."""

    moved: list[tuple[str, ...]] = field(default_factory=list)
    back: list[str] = field(default_factory=list)

    def set_aside(self, tasks: tuple[str, ...]) -> None:
        self.moved.append(tasks)

    def bring_back(self, task: str) -> None:
        self.back.append(task)


@pytest.fixture
def worker() -> Iterator[tuple[WorkerProcess, Wire]]:
    """A worker as its node sees it, and the other end of its wire."""
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([sys.executable, "-ISc", ""])
    process = WorkerProcess(1, False, child, Wire(ours.detach(), patient=False))
    end = Wire(theirs.detach(), patient=False)
    try:
        yield process, end
    finally:
        child.wait()
        process.wire.close()
        end.close()


def _heard(end: Wire) -> list[Message | None]:
    return list(end.heard())


def test_who_still_imports_is_told_nothing_however_long_it_takes(
    worker: tuple[WorkerProcess, Wire],
):
    process, end = worker
    bulletin = Bulletin(Events())
    for _ in range(PROOFS):
        bulletin.note(["bad"], 0.0)
    bulletin.post([process], Aside(), 1.0)
    for _ in range(1000):
        spread(NEWS, [process], 1.0)
    assert _heard(end) == []

    bulletin.tell_newcomer(process)
    process.number = 7
    spread(NEWS, [process], 1.0)
    assert _heard(end) == [LeaveOut(tasks=["bad"]), Tidings(**NEWS._asdict())]


def test_slow_starts_give_three_deaths_the_time_that_they_need(
    worker: tuple[WorkerProcess, Wire],
):
    process, end = worker
    process.number = 7
    events, told = Events(), list[object]()
    events.subscribe(TaskSetAside, told.append)
    events.subscribe(TaskBroughtBack, told.append)
    bulletin, aside = Bulletin(events), Aside()
    deaths = [45.0 * n for n in range(1, PROOFS + 1)]
    for death in deaths:
        bulletin.note(["bad"], death)
    now = deaths[-1]

    bulletin.post([process], aside, now)
    assert told == [], "as if starts took no time"
    bulletin.post([process], aside, now, start_seconds=40.0)
    assert told == [TaskSetAside(task="bad")]
    over = deaths[0] + window_seconds(40.0)
    bulletin.post([process], aside, over - 1, start_seconds=40.0)
    assert aside.back == []
    bulletin.post([process], aside, over, start_seconds=40.0)

    assert told == [TaskSetAside(task="bad"), TaskBroughtBack(task="bad")]
    assert (aside.moved, aside.back) == ([("bad",)], ["bad"])
    assert _heard(end) == [LeaveOut(tasks=["bad"]), LeaveOut(tasks=[])]
