"""The jobs that a worker holds, wherever they stand on their way.

A claimed job runs in the executor, has ended in the outbox, and is pending in the recorder until
the store has it. It is always in one of the three: it enters the next before it leaves the one
behind. Only the store thread takes from the outbox, so whoever asks there whether a job is left
must ask in the order of that way, or it slips by from behind.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jobhost.worker.execution import Execution
from jobhost.worker.executor import Executor
from jobhost.worker.outbox import Outbox
from jobhost.worker.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All of them; for the store thread only.

    Args:
        executor: Those in work.
        outbox: Those that have ended, and nobody has looked at since.
        recorder: Those that the store has still to be told of.
    """

    executor: Executor
    outbox: Outbox
    recorder: Recorder

    def collect(self) -> bool:
        """Take what has ended out of the outbox. True: there is something to record."""
        self.recorder.pending += self.outbox.take()
        return bool(self.recorder.pending)

    def is_empty(self, but: Callable[[Execution], bool] | None = None) -> bool:
        """Whether nothing runs and nothing waits to be recorded.

        Args:
            but: Running jobs that do not count.
        """
        running = [one for one in self.executor.running if but is None or not but(one)]
        return not (running or len(self.outbox) or self.recorder.pending)

    def disown(self, reason: str) -> int:
        """All belong to others now: what runs is told so, and the rest forgotten. Returns how many
        ran."""
        running = self.executor.running
        self.executor.lose(running, reason)
        self.recorder.pending = []
        self.outbox.take()
        return len(running)

    def hand_back(self) -> bool:
        """Have all that still runs recorded as it stands, for the last moments of a process. True
        when there was such a job: others can have it."""
        left = self.executor.abandon()
        self.collect()
        by_themselves = {(end.job, end.epoch) for end in self.recorder.pending}
        left = [end for end in left if (end.job, end.epoch) not in by_themselves]
        self.recorder.pending += left
        return bool(left)
