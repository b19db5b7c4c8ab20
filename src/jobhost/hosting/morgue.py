"""Reads the ends of processes, clears away what the dead have left, and says what they died of."""

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress

import psutil

from jobhost.events import Events
from jobhost.hosting.exits import Death, read_death
from jobhost.hosting.node_events import WorkerEnded
from jobhost.hosting.process import WorkerProcess
from jobhost.hosting.watch import RecentKills
from jobhost.worker.descendants import Clearing, clear_away


class Morgue:
    """Of one node.

    Children that this process has when this is made are not the node's: whoever started them has
    put the node in its own place, as `exec` does. They stay, with all below them.

    Args:
        events: Who hears of each end.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._undead: set[psutil.Process] = set()
        self._strangers = {child.pid for child in psutil.Process().children()}
        self._oom = RecentKills()

    def look(self) -> None:
        """To be called in every round, also when nobody has died: an old kill for want of memory
        must not explain a later death."""
        self._oom.look(time.monotonic())

    def ended(self) -> Iterator[tuple[int, int]]:
        """Pid and wait status of children that have ended: workers, and whoever became a child of
        this process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._strangers.discard(pid)
            yield pid, status

    def examine(
        self, process: WorkerProcess, status: int, others: Collection[WorkerProcess]
    ) -> Death | None:
        """Clear away what this worker has left. What it died of; None: its end was in order.

        Args:
            process: The dead.
            status: As `ended` gave it.
            others: Workers that live on.
        """
        left = self.clear({other.child.pid for other in others})
        death = self._death_of(process, status)
        self._events.emit(
            WorkerEnded(
                pid=process.pid,
                lane=process.lane,
                cause=None if death is None else death.cause,
                cleared=left.killed,
                undead=left.left,
            )
        )
        return death

    def clear(self, workers: Collection[int]) -> Clearing:
        """Kill all that is neither one of these, by pid, nor below one.

        What did not go the last time is waited for no more: it is killed already, and would hold up
        the node at each death again.
        """
        self._undead = {one for one in self._undead if one.is_running()}
        spare = {*self._strangers, *(one.pid for one in self._undead), *workers}
        left = clear_away(spare)
        for pid in left.left:
            with suppress(psutil.Error):
                self._undead.add(psutil.Process(pid))
        return left

    def _death_of(self, process: WorkerProcess, status: int) -> Death | None:
        if process.frozen:
            return Death(
                cause=f"was stopped by a signal, and killed: {process.asked}", own_doing=False
            )
        kills = self._oom.look(time.monotonic())
        death = read_death(
            status,
            goodbye=process.goodbye,
            asked=process.asked,
            oom_kills=kills,
            stopping=process.stopping,
            ready=process.ready,
            alone=process.lane,
        )
        if kills and death is not None and death.own_doing and _was_killed(status, process):
            self._oom.explain()
        return death


def _was_killed(status: int, process: WorkerProcess) -> bool:
    """Whether by somebody else than the node, with the signal that the kernel uses."""
    return (
        os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and process.asked is None
    )
