"""Brings a worker to its end, step by step as `drain.py` decides: hears signals, sees that time
limits hold, and knows when nothing is left."""

import math
from collections import deque

from jobhost.events import Events, WorkerDraining, WorkerRecycling, WorkerRetiring
from jobhost.worker.config import WorkerConfig
from jobhost.worker.drain import Drain, Phase, Signal
from jobhost.worker.execution import Execution
from jobhost.worker.holdings import Holdings
from jobhost.worker.limits import TimeLimits
from jobhost.worker.stacks import stack_of_job
from jobhost.worker.wear import Wear


class Drainer:
    """Performs the drain. It needs no store, so it goes on while that is out of reach.

    Args:
        held: The jobs of this worker.
        config: The worker's settings.
        events: Who hears of a drain.
        signals: What happened to the worker; others append.
    """

    def __init__(
        self, held: Holdings, config: WorkerConfig, events: Events, signals: deque[Signal]
    ) -> None:
        self._held = held
        self._config = config
        self._events = events
        self._signals = signals
        self._limits = TimeLimits(held.executor, grace_seconds=config.cancel_grace_seconds)
        self._wear = Wear(max_jobs=config.max_jobs, max_bytes=config.memory_bytes)
        self._drain = Drain(wait_seconds=config.stopping_wait_seconds)

    @property
    def claims(self) -> bool:
        """Whether new jobs may be claimed."""
        return self._drain.claims

    @property
    def leaving(self) -> bool:
        """Whether it is time to leave."""
        return self._drain.phase is Phase.LEAVING

    @property
    def retired(self) -> bool:
        """Whether the worker ends because a job could not be stopped."""
        return self._drain.retired

    @property
    def recycled(self) -> bool:
        """Whether the worker ends so that a fresh process can follow."""
        return self._drain.recycled

    @property
    def has_signals(self) -> bool:
        """Whether something has happened that it has not heard of yet."""
        return bool(self._signals)

    @property
    def due(self) -> float:
        """Instant at which something is to be done without a signal, in monotonic seconds."""
        if self.leaving:
            return -math.inf
        return min(self._drain.deadline, self._limits.due)

    def run_once(self, now: float) -> None:
        """Whatever signals, limits and time ask for."""
        while self._signals:
            self._step(self._signals.popleft(), now)
        stuck = self._limits.run_if_due(now)
        if stuck is not None and not self._drain.retired:
            self._retire(stuck, now)
        if self._drain.phase is not Phase.RUNNING:
            self._step(Signal.TICK, now)
        elif (worn := self._wear.look(now, self._held.executor.ended_count)) is not None:
            self._events.emit(WorkerRecycling(reason=worn))
            self._step(Signal.RECYCLE, now)

    def finish_burst(self, now: float, *, hungry: bool) -> None:
        """End a worker that is to end when nothing is left, if nothing is.

        Args:
            now: Monotonic seconds.
            hungry: Whether the store may have another job.
        """
        # In this order: a job that records itself tells so before it is gone.
        idle = self._config.burst and self._is_idle(now)
        if idle and not (self._held.outbox.has_freed or hungry):
            self._step(Signal.FINISH, now)

    def _retire(self, stuck: Execution, now: float) -> None:
        self._events.emit(
            WorkerRetiring(
                job=stuck.describe().id,
                task=stuck.task.name,
                waited_seconds=self._config.cancel_grace_seconds,
                stack=stack_of_job(stuck, self._held.executor.job_loop.thread.ident),
            )
        )
        self._step(Signal.RETIRE, now)

    def _step(self, signal: Signal, now: float) -> None:
        before = self._drain.phase
        self._drain = self._drain.step(signal, now, idle=self._is_idle(now))
        if self._drain.phase is before:
            return
        if self._drain.phase in (Phase.DRAINING, Phase.RETIRING):
            running = len(self._held.executor.running)
            wait = self._drain.wait_seconds
            self._events.emit(WorkerDraining(running=running, wait_seconds=wait))
        elif self._drain.phase is Phase.RELEASING:
            # Who retires was not asked to: it hands back in any case.
            self._held.recorder.releasing = not self._drain.retired
            self._held.executor.release_all()

    def _is_idle(self, now: float) -> bool:
        if not self._drain.retired:
            return self._held.is_empty()
        return self._held.is_empty(but=lambda execution: self._limits.is_deaf(execution, now))
