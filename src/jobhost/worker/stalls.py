"""Watches the worker's event loop from a thread of its own: who holds it up is named.

A coroutine that computes, or waits without `await`, keeps all the others from going on. The lease
is safe (`heartbeat.py`), and so are jobs in threads; but somebody must say what stands in the way.
"""

import asyncio
import threading
import time
from typing import Final
from uuid import UUID

from jobhost.events import Events, LoopStalled
from jobhost.host.current import running_job
from jobhost.worker.executor import Executor
from jobhost.worker.stacks import stack_of_loop

LOOK_SECONDS: Final = 0.05
"""Pause between looks while the loop stands still; its length is known no better than this."""


class StallWatch:
    """Looks at the turns of one event loop.

    While nothing is wrong it wakes once in `stall_seconds`, or when the turn under way would be as
    long as that.

    Args:
        executor: Whose loop it is.
        events: Who hears of a turn that is too long, and later of its end.
        stall_seconds: How long a turn may last.
    """

    def __init__(self, executor: Executor, events: Events, *, stall_seconds: float) -> None:
        self._executor = executor
        self._turns = executor.job_loop.turns
        self._events = events
        self._stall_seconds = stall_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobhost-stalls", daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; the end of a stall that still lasts is not told."""
        self._closing.set()
        self._thread.join()

    def run_once(self, now: float) -> float:
        """One look; tells of a turn that is too long, and waits for its end.

        Args:
            now: Monotonic seconds.

        Returns the seconds until the next look.
        """
        turn = self._turns.began
        if turn is None:
            return self._stall_seconds
        left = turn + self._stall_seconds - now
        if left > 0:
            return left
        job, task, stack = self._look_closer()
        if self._turns.began != turn:  # it has just ended: that was something else
            job, task, stack = None, "", ""
        self._tell(now - turn, job, task, stack)
        while self._turns.began == turn:
            if self._closing.wait(LOOK_SECONDS):
                return 0.0
        self._tell(time.monotonic() - turn, job, task, over=True)
        return self._stall_seconds

    def _run(self) -> None:
        pause = self._stall_seconds
        while not self._closing.wait(pause):
            pause = self.run_once(time.monotonic())

    def _look_closer(self) -> tuple[UUID | None, str, str]:
        """Which job is being stepped, of which task, and where it is."""
        stepped = asyncio.current_task(self._executor.job_loop.loop)
        stack = stack_of_loop(self._executor.job_loop.thread.ident)
        for execution in self._executor.running:
            if stepped is not None and execution.handle is stepped:
                return UUID(bytes=execution.delivery.id), execution.task.name, stack
        # A Task that a job has started; only from Python 3.12 on its context can be asked.
        context = getattr(stepped, "get_context", lambda: None)()
        job = None if context is None else context.copy().run(running_job)
        if job is not None:
            return job.id, job.task, stack
        return None, "" if stepped is None else stepped.get_name(), stack

    def _tell(
        self, seconds: float, job: UUID | None, task: str, stack: str = "", *, over: bool = False
    ) -> None:
        self._events.emit(LoopStalled(seconds=seconds, job=job, task=task, stack=stack, over=over))
