"""Makes sure that the store and this worker agree about what runs here.

A claim is owned only once its answer was read, and an end recorded only once that was confirmed.
So the store is asked what it holds in this worker's name: after each cycle whose answer is
missing, and once per lease in any case.
"""

import time

from jobhost.events import Events, JobsLost
from jobhost.worker.holdings import Holdings
from jobhost.worker.verdict import Stop


class ReadBack:
    """Compares the two, now and then.

    Args:
        held: The jobs of this worker.
        events: Who hears of jobs that the store no longer holds here.
        busy_seconds: Pause between comparisons while jobs run.
        idle_seconds: The same while none does; not shorter than the other.
    """

    def __init__(
        self, held: Holdings, events: Events, *, busy_seconds: float, idle_seconds: float
    ) -> None:
        self._held = held
        self._events = events
        self._busy_seconds = busy_seconds
        self._idle_seconds = max(busy_seconds, idle_seconds)
        self.due = time.monotonic() + busy_seconds

    def run_if_due(self, node: int, now: float) -> None:
        """Compare if it is time, or if an answer is missing. Raises StoreError."""
        if self._held.recorder.doubtful or now >= self.due:
            self.due = now + (self._busy_seconds if self.run_once(node) else self._idle_seconds)

    def run_once(self, node: int) -> bool:
        """One comparison. Returns whether jobs run here. Raises StoreError."""
        held = self._held
        running = {execution.key: execution for execution in held.executor.running}
        gone = held.recorder.read_back(node, running.keys(), held.outbox.keys())
        left = [running[key] for key in gone if running[key].stop is not Stop.LOST]
        lost = [execution for execution in left if not execution.completing]
        if lost:
            held.executor.lose(lost, "the job was handed to another worker")
            self._events.emit(
                JobsLost(jobs=len(lost), reason="the store no longer holds them here")
            )
        return bool(running)
