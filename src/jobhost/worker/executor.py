"""Runs deliveries: `async def` tasks on the worker's event loop, plain functions in its threads,
others in processes (`processes.py`) and as commands (`commands.py`), for which a thread waits.

A job holds its slot from `accept` until its attempt is in the outbox. Nothing that a task
raises gets past `_end`: every attempt ends in an outcome, and the worker lives.
"""

import asyncio
import contextvars
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Any, Final
from uuid import UUID

from jobhost.durations import format_seconds
from jobhost.errors import LeaseLost
from jobhost.events import AttemptFailed, Events, FailedLate
from jobhost.host.current import enter_job
from jobhost.host.kinds import Kind
from jobhost.host.registry import Registry
from jobhost.host.task import Task
from jobhost.host.wiring import Wiring
from jobhost.jobs.options import Options, resolve
from jobhost.jobs.outcomes import (
    COMPLETED,
    Crashed,
    DeadLettered,
    Failed,
    Outcome,
    Settlement,
    Succeeded,
    decide,
)
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.worker.commands import CommandJobs
from jobhost.worker.completion import Completion
from jobhost.worker.config import WorkerConfig
from jobhost.worker.execution import Execution
from jobhost.worker.outbox import Outbox
from jobhost.worker.processes import ProcessJobs, ProcessPool
from jobhost.worker.returned import outcome_of_value, require_run
from jobhost.worker.threads import JobThreads
from jobhost.worker.turns import Turns
from jobhost.worker.verdict import Stop, describe, outcome_of, outcome_of_stuck

_Policy = tuple[Task[..., Any, Any], Retry, float | None]
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
        self._outbox = outbox
        self._events = events
        self._running: dict[tuple[int, int], Execution] = {}
        self._policies: dict[tuple[str, str], _Policy] = {}
        self._threads: JobThreads[Execution] = JobThreads(self._slots, self._run_plain)
        self._pool = ProcessPool(config.job_processes, config.max_jobs_per_process)
        bytes_max = wiring.payload_bytes_max
        self._processes = ProcessJobs(self._pool, bytes_max=bytes_max, expire=self.expire)
        self._commands = CommandJobs(
            grace_seconds=config.cancel_grace_seconds, bytes_max=bytes_max, expire=self.expire
        )
        self._in_thread: dict[Kind, Callable[[Execution], None]] = {
            Kind.THREAD: self._run_in_context,
            Kind.PROCESS: partial(self._run_outside, self._processes.run),
            Kind.COMMAND: partial(self._run_outside, self._commands.run),
        }
        self.turns = Turns()
        self._loop = asyncio.SelectorEventLoop(self.turns)
        self._loop_thread = threading.Thread(
            target=self._run_loop, name="jobhost-loop", daemon=True
        )
        self._complete = self._completion
        self._flush_is_due = False
        self._closing = False
        self.ended_count = 0

    def start(self) -> None:
        """Start the loop thread."""
        self._loop_thread.start()

    def close(self) -> None:
        """Stop the loop thread, if it still answers, let idle job threads end, and kill the
        processes of jobs."""
        self._pool.close()
        self._threads.close()
        self._closing = True
        # One turn later: what a cancel in this turn has woken still runs.
        self._loop.call_soon_threadsafe(self._loop.call_soon, self._loop.stop)
        self._loop_thread.join(timeout=1.0)

    def join(self, timeout_seconds: float) -> None:
        """After `close`: wait at the most so long for the job threads to end."""
        self._threads.join(timeout_seconds)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the jobs, whose `turns` can be watched."""
        return self._loop

    @property
    def loop_thread(self) -> threading.Thread:
        """The thread that runs it."""
        return self._loop_thread

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
        for delivery in deliveries:
            try:
                execution = self._prepare(delivery)
            except Exception as error:  # noqa: BLE001 - a stored row that nobody here can read
                self._refuse(delivery, error)
                continue
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
                left.append(
                    self._settle(execution, outcome_of_stuck(execution.stop, execution.stop_reason))
                )
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

    def _prepare(self, delivery: Delivery) -> Execution:
        policy = self._policies.get((delivery.task, delivery.queue))
        if policy is None:
            task = self._tasks.get(delivery.task)
            call = Options(queue=delivery.queue)
            options = resolve(call, task.options, self._wiring.queues, self._wiring.defaults)
            policy = (task, options.retry, options.timeout_seconds)
            self._policies[delivery.task, delivery.queue] = policy
        return Execution(delivery, *policy, complete=self._complete)

    def _completion(self, execution: Execution) -> Completion:
        return Completion(execution, self._wiring)

    def _refuse(self, delivery: Delivery, error: Exception) -> None:
        """A job whose envelope cannot be read: dead with that reason, and the worker goes on."""
        execution = self._prepare(delivery._replace(envelope=None))
        outcome = DeadLettered(reason="its options cannot be read", error=describe(error))
        self._outbox.put(self._settle(execution, outcome))

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        stopped = False
        try:
            while not stopped:
                # A task that a job started may raise these two; the loop passes them on, and
                # only the job that wanted to end the program should be the worse for it.
                # One that stops the loop would stop its siblings: only `close` may.
                with suppress(SystemExit, KeyboardInterrupt):
                    self._loop.run_forever()
                    stopped = self._closing
        finally:
            self._flush_is_due = True  # a coroutine that outlives the loop must not call it
            self._loop.close()

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
            self._end(execution, self._raised(execution, error))
            self._outbox.flush()

    async def _run_async(self, execution: Execution) -> None:
        enter_job(execution.describe)
        try:
            args, kwargs = self._begin(execution)
            value: Any = execution.task.function(*args, **kwargs)
            if isawaitable(value):  # a decorator may have awaited it already
                value = await value
            ended = self._returned(execution, value)
        except BaseException as error:  # noqa: BLE001 - the task boundary: everything is recorded
            ended = self._raised(execution, error)
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
            ended = self._returned(execution, execution.task.function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - the task boundary: everything is recorded
            ended = self._raised(execution, error)
        self._end(execution, ended)

    def _run_outside(self, run: Callable[[Execution], Outcome], execution: Execution) -> None:
        """A job in a process of its own; the thread only waits for it."""
        try:
            outcome = run(execution)
            if isinstance(outcome, Succeeded):
                ended = execution.ended(COMPLETED, outcome.result)
            else:
                ended = self._settle(execution, outcome)
        except BaseException as error:  # noqa: BLE001 - the boundary: everything is recorded
            ended = self._raised(execution, error)
        self._end(execution, ended)

    def _begin(self, execution: Execution) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the call; from here on its time runs."""
        if execution.stop is not None:
            raise asyncio.CancelledError(execution.stop_reason)
        arguments = execution.task.signature.decode(execution.delivery.payload)
        execution.begin()
        return arguments

    def _returned(self, execution: Execution, value: Any) -> Ended:
        """The record of an attempt that returned."""
        require_run(value)
        if execution.completed:
            if value is not None and value != execution.result:
                raise TypeError("the task returned another value than its transaction's result")
            return execution.ended(COMPLETED)
        signature = execution.task.signature
        outcome = outcome_of_value(value, signature, self._wiring.payload_bytes_max)
        if isinstance(outcome, Succeeded):
            return execution.ended(COMPLETED, outcome.result)
        return self._settle(execution, outcome)

    def _raised(self, execution: Execution, error: BaseException) -> Ended:
        """The record of an attempt that raised."""
        if execution.completed:
            self._report_late(execution, error)
            return execution.ended(COMPLETED)
        stop, reason, began = execution.stop, execution.stop_reason, execution.started > 0
        outcome = outcome_of(error, stop, reason, began=began)
        # The store has refused its completion: the recorder hears the same, and tells the loss.
        return self._settle(execution, outcome, quiet=isinstance(error, LeaseLost))

    def _end(self, execution: Execution, ended: Ended) -> None:
        """Put the attempt into the outbox, then free the slot: never the other way round, so
        that a job is always in one of the two."""
        self.ended_count += 1
        execution.forget()
        if execution.completed:
            self._outbox.free()
        elif execution.stop is not Stop.LOST:
            self._outbox.put(ended)
        del self._running[execution.key]

    def _settle(self, execution: Execution, outcome: Outcome, *, quiet: bool = False) -> Ended:
        chance = random.random()
        settlement = decide(outcome, execution.counts, execution.retry, chance)
        failed = isinstance(outcome, Failed | Crashed)
        if not quiet and (failed or settlement.target is State.DEAD):
            self._report(execution, settlement)
        return execution.ended(settlement)

    def _report_late(self, execution: Execution, error: BaseException) -> None:
        if execution.stop is None:
            said = describe(error)
            self._events.emit(
                FailedLate(
                    job=UUID(bytes=execution.delivery.id),
                    task=execution.delivery.task,
                    error=f"{said.type}: {said.message}",
                    traceback=said.traceback,
                )
            )

    def _report(self, execution: Execution, settlement: Settlement) -> None:
        if execution.stop is not Stop.LOST and self._events.wants(AttemptFailed):
            error = settlement.error
            again = settlement.target is not State.DEAD
            self._events.emit(
                AttemptFailed(
                    job=UUID(bytes=execution.delivery.id),
                    task=execution.delivery.task,
                    outcome=settlement.label,
                    error=f"{error.type}: {error.message}" if error else settlement.reason or "",
                    retry_seconds=settlement.delay_us / 1_000_000 if again else None,
                    traceback=error.traceback if error else "",
                )
            )
