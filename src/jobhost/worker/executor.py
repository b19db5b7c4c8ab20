"""Runs deliveries: `async def` tasks on the worker's event loop, plain functions in its threads,
others in processes (`processes.py`) and as commands (`commands.py`), for which a thread waits.

A job holds its slot from `accept` until its attempt is in the outbox. Nothing that a task
raises gets past `_end`: every attempt ends in an outcome, and the worker lives.
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from jobhost.durations import format_seconds
from jobhost.errors import StoreError
from jobhost.events import Events, JobTooNew
from jobhost.host.current import enter_job
from jobhost.host.kinds import Kind
from jobhost.host.registry import Registry
from jobhost.host.task import Task
from jobhost.host.wiring import Wiring
from jobhost.jobs.options import Options, resolve
from jobhost.jobs.outcomes import DeadLettered, Expired, Outcome, Released, TooNew, decide
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.worker.commands import CommandJobs
from jobhost.worker.completion import Completion
from jobhost.worker.config import WorkerConfig
from jobhost.worker.execution import Execution
from jobhost.worker.job_loop import JobLoop
from jobhost.worker.outbox import Outbox
from jobhost.worker.rates import Rates
from jobhost.worker.record import Recording
from jobhost.worker.scribe import Scribe
from jobhost.worker.threads import JobThreads
from jobhost.worker.verdict import Stop, describe, outcome_of_stuck

if TYPE_CHECKING:
    from jobhost.worker.processes import ProcessPool

_Policy = tuple[Task[..., Any, Any], Retry, float | None, float | None]
_STARTS_A_TURN: Final = 125
"""Coroutines started in one turn of the event loop. More at once leave the store idle while they
run and the loop idle while they are recorded: on PostgreSQL a quarter fewer jobs a second."""

_KILLED_LOOK_SECONDS: Final = 0.005
_KILLED_SECONDS: Final = 1.0
"""How long a worker that leaves waits for the processes of its jobs to be gone."""


class Executor:
    """The jobs in work.

    Args:
        tasks: The tasks that this worker knows.
        wiring: The host's defaults and limits.
        config: The worker's settings.
        outbox: Where ended attempts go.
        events: Who hears of failures.
    """

    def __init__(
        self,
        tasks: Registry,
        wiring: Wiring,
        *,
        config: WorkerConfig,
        outbox: Outbox,
        events: Events,
    ) -> None:
        self._tasks = tasks
        self._wiring = wiring
        self._slots = config.concurrency
        self._lease_seconds = config.lease_seconds
        self._outbox = outbox
        self._running: dict[tuple[int, int], Execution] = {}
        self._policies: dict[tuple[str, str], _Policy] = {}
        self._threads: JobThreads[Execution] = JobThreads(self._slots, self._run_plain)
        bytes_max = wiring.payload_bytes_max
        self._scribe = Scribe(wiring, config.job_log_level)
        self._pool: ProcessPool | None = None
        self._commands = CommandJobs(
            grace_seconds=config.cancel_grace_seconds,
            bytes_max=bytes_max,
            expire=self.expire,
            scribe=self._scribe,
        )
        self._in_thread: dict[Kind, Callable[[Execution], None]] = {
            Kind.THREAD: self._run_in_context,
            Kind.COMMAND: partial(self._run_outside, self._commands.run),
        }
        if any(task.kind is Kind.PROCESS for task in tasks):
            self._in_thread[Kind.PROCESS] = self._with_pool(config, bytes_max)
        self._job_loop = JobLoop(self._call_loop_no_more)
        self._loop = self._job_loop.loop
        self._recording = Recording(events, bytes_max=bytes_max)
        self._events = events
        self._too_new: dict[str, int] = {}
        self._complete = self._completion
        self.late_among: Callable[[Sequence[int]], frozenset[int]] = frozenset
        self._flush_is_due = False
        self.ended_count = 0
        self.rates = Rates()

    def start(self) -> None:
        """Start the loop thread, and collect what jobs log."""
        self._scribe.start()
        self._job_loop.start()

    def close(self) -> None:
        """Stop the loop thread, if it still answers, let idle job threads end, and kill the
        processes of jobs."""
        if self._pool is not None:
            self._pool.close()
        self._threads.close()
        self._job_loop.close()
        self._scribe.close()

    def join(self, timeout_seconds: float) -> None:
        """After `close`: wait at the most so long for the job threads to end."""
        self._threads.join(timeout_seconds)

    @property
    def job_loop(self) -> JobLoop:
        """The event loop of the jobs, whose turns can be watched."""
        return self._job_loop

    @property
    def free_slots(self) -> int:
        """How many more jobs may be claimed."""
        return max(0, self._slots - len(self._running))

    @property
    def running(self) -> list[Execution]:
        """The jobs in work."""
        return list(self._running.values())

    def accept(self, deliveries: Iterable[Delivery]) -> None:
        """Start jobs just claimed, in their order."""
        on_loop: list[Execution] = []
        executions = self._in_time(deliveries)
        self.rates.started(execution.delivery for execution in executions)
        for execution in executions:
            self._running[execution.key] = execution
            if execution.task.is_async:
                on_loop.append(execution)
            else:
                self._threads.submit(execution)
        if on_loop:
            self._loop.call_soon_threadsafe(self._start_on_loop, on_loop)

    def stop_job(self, execution: Execution, stop: Stop, reason: str) -> None:
        """Ask one job to stop: its token is set, and an `async def` task is cancelled; one with
        a process of its own has its thread see to the end of that."""
        if not execution.ask_to_stop(stop, reason):
            return
        if execution.task.is_async:
            self._loop.call_soon_threadsafe(self._cancel_on_loop, execution)
        elif (wake := execution.on_stop) is not None:
            wake()

    def cancel(self, job: int, reason: str) -> None:
        """Somebody wants this job cancelled."""
        for execution in self.running:
            if execution.delivery.job == job:
                self.stop_job(execution, Stop.CANCEL, reason)

    def lose(self, executions: Iterable[Execution], reason: str) -> None:
        """These jobs belong to somebody else now: they are told, and record nothing."""
        for execution in executions:
            self.stop_job(execution, Stop.LOST, reason)

    def expire(self, execution: Execution) -> None:
        """A job is past its time limit: ask it to stop."""
        limit = format_seconds(execution.timeout_seconds or 0)
        self.stop_job(execution, Stop.TIMEOUT, f"ran longer than its limit of {limit}")

    def end_stalled(self, execution: Execution) -> None:
        """A job gives no sign of life: ask it to stop. If it does not, it is past its limit now."""
        span = format_seconds(execution.stalled_seconds or 0)
        execution.deadline = time.monotonic()
        self.stop_job(execution, Stop.TIMEOUT, f"stalled: no heartbeat for {span}")

    def end_unbegun(self, execution: Execution) -> None:
        """End a job whose Task somebody cancelled before its first step: no code of ours ran."""
        self._loop.call_soon_threadsafe(self._end_unbegun, execution)

    def release_all(self) -> None:
        """Ask all jobs to stop, to be handed back."""
        for execution in self.running:
            self.stop_job(execution, Stop.RELEASE, "the worker is stopping")

    def abandon(self) -> list[Ended]:
        """End what does not end by itself: as what it was asked to stop for, else released.

        For the last moments of a process: the jobs' code may still run until it exits.
        """
        left = []
        self._await_killed()
        for execution in self.running:
            if execution.stop is not Stop.LOST and not execution.completed:
                outcome = outcome_of_stuck(execution.stop, execution.stop_reason)
                left.append(self._recording.settled(execution, outcome))
                execution.ask_to_stop(Stop.LOST, "the worker is leaving")
        return left

    def _await_killed(self) -> None:
        """Nobody else may start a job whose process still runs here."""
        end = time.monotonic() + _KILLED_SECONDS
        while killable := [execution for execution in self.running if execution.is_killable]:
            for execution in killable:
                self.stop_job(execution, Stop.RELEASE, "the worker is leaving")
            if time.monotonic() >= end:
                break
            time.sleep(_KILLED_LOOK_SECONDS)

    def _in_time(self, deliveries: Iterable[Delivery]) -> list[Execution]:
        """Those to start. What cannot be read is refused; what has expired and was not found by
        the pass of any worker is ended here, before anything of it began."""
        executions: list[Execution] = []
        over: list[Execution] = []
        for delivery in deliveries:
            try:
                execution = self._prepare(delivery)
            except Exception as error:  # noqa: BLE001 - a stored row that nobody here can read
                self._refuse(delivery, error)
                continue
            if execution.is_too_new:
                self._leave(execution)
                continue
            executions.append(execution)
            expires_at = execution.expires_at
            if expires_at is not None and self._wiring.clock.now() >= expires_at:
                over.append(execution)
        if over:
            ended = self._end_late(over)
            executions = [execution for execution in executions if execution.key not in ended]
        return executions

    def _leave(self, execution: Execution) -> None:
        """To workers that know the version of its arguments: it comes back, uncharged, after a
        pause. Told once for each task and version."""
        delivery, version, known = (
            execution.delivery,
            execution.version,
            execution.task.past.version,
        )
        outcome = TooNew(version=version, known=known)
        settlement = decide(outcome, execution.counts, execution.retry, 0.0)
        self._outbox.put(execution.ended(settlement))
        self._outbox.flush()
        if version > self._too_new.get(delivery.task, 0):
            self._too_new[delivery.task] = version
            self._events.emit(
                JobTooNew(
                    job=UUID(bytes=delivery.id), task=delivery.task, version=version, known=known
                )
            )

    def _end_late(self, over: list[Execution]) -> set[tuple[int, int]]:
        """Those of these that the store says are expired, by its own clock, end. Without its word
        they go back uncharged."""
        outcome: Outcome = Expired()
        try:
            late = self.late_among([execution.delivery.job for execution in over])
        except StoreError:
            outcome, late = Released(), frozenset(execution.delivery.job for execution in over)
        ended = [execution for execution in over if execution.delivery.job in late]
        for execution in ended:
            settlement = decide(outcome, execution.counts, execution.retry, 0.0)
            self._outbox.put(execution.ended(settlement))
        if ended:
            self._outbox.flush()
        return {execution.key for execution in ended}

    def _prepare(self, delivery: Delivery) -> Execution:
        policy = self._policies.get((delivery.task, delivery.queue))
        if policy is None:
            task = self._tasks.get(delivery.task)
            call = Options(queue=delivery.queue)
            options = resolve(call, task.options, self._wiring.queues, self._wiring.defaults)
            policy = (task, options.retry, options.timeout_seconds, options.stalled_seconds)
            self._policies[delivery.task, delivery.queue] = policy
        task, retry, timeout_seconds, stalled_seconds = policy
        return Execution(
            delivery,
            task,
            retry,
            timeout_seconds,
            stalled_seconds=stalled_seconds,
            complete=self._complete,
            listen=self._scribe.listen,
        )

    def _completion(self, execution: Execution) -> Completion:
        return Completion(execution, self._wiring, lease_seconds=self._lease_seconds)

    def _refuse(self, delivery: Delivery, error: Exception) -> None:
        """A job whose envelope cannot be read: dead with that reason, and the worker goes on."""
        execution = self._prepare(delivery._replace(envelope=None))
        outcome = DeadLettered(reason="its options cannot be read", error=describe(error))
        self._outbox.put(self._recording.settled(execution, outcome))

    def _with_pool(self, config: WorkerConfig, bytes_max: int) -> Callable[[Execution], None]:
        """For workers that know a task with processes of its own, and only for those: what that
        needs of the standard library costs a process more than half a MiB."""
        from jobhost.worker.processes import ProcessJobs, ProcessPool  # noqa: PLC0415

        self._pool = ProcessPool(config.job_processes, config.max_jobs_per_process)
        jobs = ProcessJobs(self._pool, bytes_max=bytes_max, expire=self.expire, scribe=self._scribe)
        return partial(self._run_outside, jobs.run)

    def _call_loop_no_more(self) -> None:
        """A coroutine that outlives the loop must not call it."""
        self._flush_is_due = True

    def _start_on_loop(self, executions: list[Execution]) -> None:
        """Start the first of them in this turn of the loop, the rest in the next ones: while they
        run, the store thread already records what the first came to, and claims again."""
        if len(executions) > _STARTS_A_TURN:
            self._loop.call_soon(self._start_on_loop, executions[_STARTS_A_TURN:])
        for execution in executions[:_STARTS_A_TURN]:
            work = self._run_async(execution)
            execution.handle = asyncio.Task(work, loop=self._loop, name=execution.task.name)

    def _cancel_on_loop(self, execution: Execution) -> None:
        if execution.handle is not None and execution.started:
            execution.handle.cancel(execution.stop_reason)

    def _end_unbegun(self, execution: Execution) -> None:
        if execution.key in self._running:
            error = asyncio.CancelledError("cancelled before it began")
            self._end(execution, self._recording.raised(execution, error))
            self._outbox.flush()

    async def _run_async(self, execution: Execution) -> None:
        enter_job(execution.describe)
        try:
            args, kwargs = self._begin(execution)
            value: Any = execution.task.function(*args, **kwargs)
            if isawaitable(value):  # a decorator may have awaited it already
                value = await value
            ended = self._recording.returned(execution, value)
        except BaseException as error:  # noqa: BLE001 - the task boundary: everything is recorded
            ended = self._recording.raised(execution, error)
        if execution.notes is not None:
            await self._scribe.asettle(execution)
        self._end(execution, ended)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Once per turn of the loop: what ended in the same turn is recorded together."""
        self._flush_is_due = False
        self._outbox.flush()

    def _run_plain(self, execution: Execution) -> None:
        execution.thread = threading.get_ident()
        contextvars.Context().run(self._in_thread[execution.task.kind], execution)
        self._outbox.flush()

    def _run_in_context(self, execution: Execution) -> None:
        enter_job(execution.describe)
        try:
            args, kwargs = self._begin(execution)
            ended = self._recording.returned(execution, execution.task.function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - the task boundary: everything is recorded
            ended = self._recording.raised(execution, error)
        if execution.notes is not None:
            self._scribe.settle(execution)
        self._end(execution, ended)

    def _run_outside(self, run: Callable[[Execution], Outcome], execution: Execution) -> None:
        """A job in a process of its own; the thread only waits for it."""
        try:
            ended = self._recording.settled(execution, run(execution))
        except BaseException as error:  # noqa: BLE001 - the boundary: everything is recorded
            ended = self._recording.raised(execution, error)
        if execution.notes is not None:
            self._scribe.settle(execution)
        self._end(execution, ended)

    def _begin(self, execution: Execution) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the call; from here on its time runs."""
        if execution.stop is not None:
            raise asyncio.CancelledError(execution.stop_reason)
        arguments = execution.arguments()
        execution.begin()
        return arguments

    def _end(self, execution: Execution, ended: Ended) -> None:
        """Put the attempt into the outbox, then free the slot: never the other way round, so
        that a job is always in one of the two."""
        self.ended_count += 1
        self.rates.ended(execution.delivery, ended)
        execution.forget()
        if execution.completed:
            self._outbox.free()
        elif execution.stop is not Stop.LOST:
            self._outbox.put(ended)
        del self._running[execution.key]
