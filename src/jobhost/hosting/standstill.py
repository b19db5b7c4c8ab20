"""Finds whoever was stopped, by a signal or a debugger, in the middle of what every writer of the
store waits for: a worker, or a process of one of its jobs."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from jobhost.hosting.process import WorkerProcess, is_stopped
from jobhost.hosting.wake import Naps

HELD_UP_SECONDS: Final = 3.0
"""So long may somebody who was stopped keep every writer of the store waiting: longer than a tool
takes that looks into a process and lets it go on, and short of the 15 s after which an `enqueue`
gives up."""

_LOCKS: Final = Path("/proc/locks")
_FLOCK: Final = re.compile(rb"^\d+: FLOCK +\w+ +WRITE (\d+) ", re.MULTILINE)
"""A line of the kernel about one who has a lock of the kind that the store takes; who still waits
for one has an arrow before that word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds up all writers, since so many seconds: the worker itself, or another `pid` below it
    or its keeper."""

    worker: WorkerProcess
    pid: int
    seconds: float

    @property
    def is_worker(self) -> bool:
        """Whether it is the worker itself, and not a process of a job."""
        return self.pid == self.worker.pid


class Standstill:
    """Of one node. Only Linux tells who has a lock: elsewhere nobody is found.

    Args:
        holds_up: Whether the process with this pid holds up all writers at this moment.
        longest_pause: Seconds between two rounds; more only if the node itself did not run.
    """

    def __init__(self, holds_up: Callable[[int], bool], *, longest_pause: float) -> None:
        self._holds_up = holds_up
        self._naps = Naps(longest_pause)
        self._since: dict[int, float] = {}

    def found(self, workers: Collection[WorkerProcess], now: float) -> Iterator[Holder]:
        """Those that have done so for too long. To be called in each round."""
        asleep, before = self._naps.overslept(now), self._since
        self._since = {}
        places = {pid: worker for worker in workers for pid in (worker.child.pid, worker.pid)}
        for pid in lock_holders():
            if not is_stopped(pid) or (worker := _worker_of(pid, places)) is None:
                continue
            if self._holds_up(pid):
                # Who was asleep together with the node is about to go on, as it does.
                since = self._since[pid] = min(before.get(pid, now) + asleep, now)
                if now - since >= HELD_UP_SECONDS:
                    yield Holder(worker=worker, pid=pid, seconds=now - since)


def lock_holders() -> list[int]:
    """Pids of this machine's processes that hold a lock as `flock` makes it; each once."""
    try:
        told = _LOCKS.read_bytes()
    except OSError:
        return []
    return list(dict.fromkeys(map(int, _FLOCK.findall(told))))


def _worker_of(pid: int, places: Mapping[int, WorkerProcess]) -> WorkerProcess | None:
    """The worker that this process is or belongs to; also one that has lost its parent is below
    that worker's keeper.

    Args:
        pid: Of the process.
        places: Workers by their pids and those of their keepers.
    """
    try:
        line = [pid, *(parent.pid for parent in psutil.Process(pid).parents())]
    except psutil.Error:
        return None
    return next((places[one] for one in line if one in places), None)
