"""Watches the workers: who still answers, what they hold of the machine, what the kernel killed."""

import os
from collections import deque
from collections.abc import Collection, Iterator
from typing import Final

from jobhost.events import Events
from jobhost.hosting.exits import OomWatch
from jobhost.hosting.node_events import WorkerSilent
from jobhost.hosting.process import STACKS, WorkerProcess
from jobhost.hosting.wake import Naps
from jobhost.worker.vitals import resident_bytes, tell

PING_SECONDS: Final = 1.0
"""Pause between two questions to one worker."""

LONGEST_PAUSE_SECONDS: Final = PING_SECONDS + 3.0
"""Between two rounds; longer only if the node itself did not run."""

KEEPER_LOOKS: Final = 5
"""So many looks in a row may find a keeper that was woken and has still to tell of its worker's
end. Then it is killed if it is stopped: somebody stops it again and again, or debugs it."""

_OOM_SECONDS: Final = 5.0
"""A process that the kernel kills for want of memory may take so long to free it and end."""


class Watch:
    """Asks each worker for a sign of life, again and again.

    Args:
        unresponsive_seconds: So long may a worker's interpreter give none. After half of it the
            stacks of its threads are written.
        events: Who hears of that half.
    """

    def __init__(self, unresponsive_seconds: float, events: Events) -> None:
        self._unresponsive = unresponsive_seconds
        self._events = events
        self._naps = Naps(LONGEST_PAUSE_SECONDS)
        self.due = 0.0

    def silent(
        self, processes: Collection[WorkerProcess], now: float
    ) -> Iterator[tuple[WorkerProcess, float]]:
        """Those that have been silent for too long, with the seconds. Call it when it is `due`."""
        self.due = now + PING_SECONDS
        asleep = self._naps.overslept(now)
        for process in processes:
            if process.pinged_at is not None:
                process.pinged_at += asleep  # nobody was there to hear an answer
            process.ping(now)
            silent = process.silent_for(now)
            if silent >= self._unresponsive:
                process.pinged_at = now
                yield process, silent
            elif silent >= self._unresponsive / 2 and not process.warned:
                process.warned = True
                self._events.emit(WorkerSilent(pid=process.pid, seconds=silent))
                process.send_signal(STACKS)


class Keepers:
    """Sees to it that the node hears of the end of each worker, also if somebody has stopped its
    keeper, with SIGSTOP or a debugger."""

    def __init__(self) -> None:
        self._looks: dict[int, int] = {}

    def hasten(self, processes: Collection[WorkerProcess]) -> None:
        """Wake keepers that have not told of an end, and kill those that sleep on. To be called in
        each round: looks are counted, so a node that was asleep itself kills none too early. And
        before workers are asked for a sign of life: only who still owes one is looked at."""
        self._looks = {
            process.ticket: self._looks.get(process.ticket, 0) + 1
            for process in processes
            if (process.hello is None or process.pinged_at is not None) and process.is_unread()
        }
        for process in processes:
            if looks := self._looks.get(process.ticket):
                process.wake_keeper()
                if looks > KEEPER_LOOKS:
                    process.kill_stopped_keeper()


class RecentKills:
    """The kernel's kills for want of memory that may explain a death just read.

    A kill is counted before its victim has ended, and it may be that of a job's own process; so
    each is remembered for a moment, and explains one death.
    """

    def __init__(self, watch: OomWatch | None = None) -> None:
        self._watch = watch or OomWatch()
        self._times: deque[float] = deque(maxlen=64)

    def look(self, now: float) -> int:
        """Count them; to be called in every round. How many are recent."""
        self._times.extend([now] * min(self._watch.kills_since_last_look(), 64))
        while self._times and self._times[0] <= now - _OOM_SECONDS:
            self._times.popleft()
        return len(self._times)

    def explain(self) -> None:
        """One of them has explained a death."""
        self._times.popleft()


def vitals(processes: Collection[WorkerProcess]) -> str:
    """What this node, its workers and their machine hold, for people who ask for the nodes."""
    memory = {process.ticket: resident_bytes(process.pid) for process in processes}
    return tell(
        resident_bytes(os.getpid()) + sum(memory.values()),
        workers={
            process.number: {
                "memory": memory[process.ticket],
                "running": process.running,
                "rates": process.rates,
            }
            for process in processes
            if process.number is not None
        },
    )
