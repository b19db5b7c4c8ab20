"""Watches the time limits of running jobs: who is past its own, or gives no sign of life, is asked
to stop, and who does not obey is named, so that the whole worker can be given up."""

import math
from typing import Final

from jobhost.worker.execution import Execution
from jobhost.worker.executor import Executor

_LOOK_SECONDS: Final = 0.1
"""Pause between looks while jobs run."""


class TimeLimits:
    """Looks through the jobs in work.

    Args:
        executor: The jobs in work.
        grace_seconds: How long a job may take to obey.
    """

    def __init__(self, executor: Executor, *, grace_seconds: float) -> None:
        self._executor = executor
        self._grace_seconds = grace_seconds
        self._next_look = 0.0

    @property
    def due(self) -> float:
        """Instant of the next look, in monotonic seconds; infinite while nothing runs."""
        return self._next_look if self._executor.running else math.inf

    def run_if_due(self, now: float) -> Execution | None:
        """Look if it is time. Returns a job that only the end of this process stops."""
        if now < self._next_look:
            return None
        self._next_look = now + _LOOK_SECONDS
        return self.run_once(now)

    def run_once(self, now: float) -> Execution | None:
        """One look; it ends at the first job that does not obey."""
        for execution in self._executor.running:
            if execution.handle is not None and execution.handle.done():
                self._executor.end_unbegun(execution)
            elif self.is_deaf(execution, now):
                return execution
            elif execution.is_late(now):
                self._executor.expire(execution)
            elif execution.is_stalled(now):
                self._executor.end_stalled(execution)
        return None

    def is_deaf(self, execution: Execution, now: float) -> bool:
        """Whether it was asked to stop, is past its limit, and does not obey."""
        return execution.is_deaf(now, self._grace_seconds)
