"""A node's round, once a second: who has fallen silent, who is in everybody's way, whose keeper
sleeps."""

from collections.abc import Callable, Collection, Iterator

import psutil

from jobhost.durations import format_seconds
from jobhost.events import Events
from jobhost.hosting import crew_words as crew
from jobhost.hosting.node_events import JobProcessKilled
from jobhost.hosting.process import WorkerProcess
from jobhost.hosting.standstill import Holder, Standstill
from jobhost.hosting.watch import LONGEST_PAUSE_SECONDS, Keepers, Watch


class Rounds:
    """Args:
    unresponsive_seconds: So long may a worker's interpreter give no sign of life.
    events: Who hears of what is done about it here.
    holds_up: Whether the process with this pid holds up all writers of the store.
    """

    def __init__(
        self, unresponsive_seconds: float, events: Events, holds_up: Callable[[int], bool]
    ) -> None:
        self._events = events
        self._watch = Watch(unresponsive_seconds, events)
        self._standstill = Standstill(holds_up, longest_pause=LONGEST_PAUSE_SECONDS)
        self._keepers = Keepers()

    @property
    def due(self) -> float:
        """Instant of the next one, in monotonic seconds."""
        return self._watch.due

    def go(self, processes: Collection[WorkerProcess], now: float) -> Iterator[crew.Event]:
        """One round: what the crew is to hear of."""
        self._keepers.hasten(processes)
        for process, seconds in self._watch.silent(processes, now):
            yield crew.Silent(process.slot, seconds)
        for holder in self._standstill.found(processes, now):
            if holder.is_worker:
                yield crew.HoldsUp(holder.worker.slot, holder.seconds)
            else:
                self._kill(holder)

    def _kill(self, holder: Holder) -> None:
        """Its worker goes on, and sees how the process of that job has ended."""
        try:
            psutil.Process(holder.pid).kill()
        except psutil.Error:
            return  # it is gone, or goes on as another user
        why = f"it had held up all other writers of the store for {format_seconds(holder.seconds)}"
        self._events.emit(JobProcessKilled(pid=holder.pid, worker=holder.worker.pid, why=why))
