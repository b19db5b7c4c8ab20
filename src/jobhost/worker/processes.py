"""Runs jobs in processes that can be killed: `executor="process"`.

A job's thread takes a child from the pool, or waits until there is one, and speaks with it until
the job has ended. Only that thread does, so nobody kills a child that has gone on to another job.
Children stay for the next job. One that is not as it was is killed with all below it: when its
job was stopped, or has left processes behind, or when it has run as many as it may.

Why not a ready-made pool: children there share one pipe and its locks, so that one which is killed
while it holds a lock stops the others; one that exits with 0 in the middle of a job is not
noticed; what a job has started stays; and exceptions travel as pickles.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe, spawn
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from jobhost.errors import UsageError
from jobhost.host.kinds import format_size
from jobhost.host.task import Task
from jobhost.jobs.outcomes import Crashed, ErrorInfo, Failed, Outcome
from jobhost.worker.child_notes import NOTE, take_note
from jobhost.worker.execution import Execution
from jobhost.worker.interrupt import Interrupt
from jobhost.worker.kept import End, Kept
from jobhost.worker.orders import BEGAN, GOT, READY, Answer, Order
from jobhost.worker.scribe import Scribe
from jobhost.worker.verdict import outcome_of_stuck, timed_out

BEGIN_SECONDS: Final = 60.0
"""How long a process may take to start, and a module to be imported in it."""

_TRIES: Final = 3
"""Children that may die before they have read their order: nobody's job does that."""


class ProcessChild:
    """A child as the worker sees it.

    `ran` has the names of the tasks that it ran, `jobs` how many jobs that were.
    """

    def __init__(self) -> None:
        self.link, far_end = Pipe()
        try:
            self.kept = Kept.child(far_end.fileno())
        except BaseException:
            self.link.close()
            raise
        finally:
            far_end.close()
        self.ready = False
        self.ran: set[str] = set()
        self.jobs = 0
        with suppress(OSError):  # it may be dead already, as will be seen
            self.link.send_bytes(json.dumps(_surroundings()).encode())

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has happened to it since its last job."""
        return not wait([self.link, self.kept.report], 0)

    def end(self) -> End:
        """Kill it, with all below it, and wait until all are gone."""
        self.link.close()
        self.kept.kill()
        return self.kept.end()


class ProcessPool:
    """The children of one worker.

    Args:
        limit: Children at a time.
        jobs_max: Jobs that one of them may run.
    """

    def __init__(self, limit: int, jobs_max: int) -> None:
        self._limit = limit
        self._jobs_max = jobs_max
        self._idle: list[ProcessChild] = []
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, execution: Execution) -> ProcessChild | None:
        """A child for this job; the one that was used last, since it is warm. Waits while all are
        busy. None: the job was asked to stop, or the pool is closed."""
        stale = None
        with self._changed:
            self._changed.wait_for(lambda: self._may_go_on(execution))
            if self._closed or execution.stop is not None:
                return None
            for child in reversed(self._idle):
                if _fits(child, execution.task):
                    self._idle.remove(child)
                    return child
            if self._count == self._limit:
                stale = self._idle.pop(0)
            else:
                self._count += 1
        try:
            if stale is not None:
                stale.end()
            return ProcessChild()
        except BaseException:
            self._lose_one()
            raise

    def give_back(self, child: ProcessChild, task: str) -> None:
        """A job has ended well in it."""
        child.jobs += 1
        child.ran.add(task)
        with self._changed:
            if not self._closed and child.jobs < self._jobs_max:
                self._idle.append(child)
                self._changed.notify_all()
                return
        self.end(child)

    def end(self, child: ProcessChild) -> End:
        """It is not to be used again."""
        try:
            return child.end()
        finally:
            self._lose_one()

    def nudge(self) -> None:
        """A waiting job was asked to stop."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """No job gets a child any more; those that have none are ended."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for child in idle:
            child.kept.kill()
        for child in idle:
            self.end(child)

    def _may_go_on(self, execution: Execution) -> bool:
        free = self._idle or self._count < self._limit
        return bool(free or self._closed or execution.stop is not None)

    def _lose_one(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()


class ProcessJobs:
    """Runs executions in children.

    Args:
        pool: Where they come from.
        bytes_max: Limit of a result.
        expire: Asks a job to stop that is past its time limit.
        scribe: Who takes down what they say.
    """

    def __init__(
        self,
        pool: ProcessPool,
        *,
        bytes_max: int,
        expire: Callable[[Execution], None],
        scribe: Scribe,
    ) -> None:
        self._pool = pool
        self._scribe = scribe
        self._bytes_max = bytes_max
        self._expire = expire

    def run(self, execution: Execution) -> Outcome:
        """Run one job; how it ended. For the job's own thread.

        Raises UsageError for a task that another process cannot find, OSError when the system
        gives no process.
        """
        order = self._order(execution).to_bytes()
        with Interrupt(execution, self._pool.nudge) as interrupt:
            for _ in range(_TRIES):
                child = self._pool.take(execution)
                if child is None:
                    return outcome_of_stuck(execution.stop, execution.stop_reason)
                talk = _Talk(child, execution, interrupt, expire=self._expire, scribe=self._scribe)
                try:
                    answer = talk.run(order)
                except BaseException:
                    self._pool.end(child)
                    raise
                if answer is not None and answer.clean:
                    self._pool.give_back(child, execution.task.name)
                    return answer.outcome
                end = self._pool.end(child)
                if answer is not None:
                    return answer.outcome
                if talk.must_end:
                    return _stopped(execution)
                if talk.delivered:
                    return _crashed(execution, end)
        error = ErrorInfo(
            type="NoProcess", message=f"{_TRIES} processes ended before they began it"
        )
        return Failed(error=error, names=("NoProcess",))

    def _order(self, execution: Execution) -> Order:
        task = execution.task
        if not task.is_found_by_name:
            raise UsageError(
                f"task {task.name!r} cannot run in a process of its own: that would look for it at "
                f"{task.__module__}.{task.__qualname__}, and it is not there; declare it at the "
                "top of a module, under the name of its function"
            )
        return Order(
            module=task.__module__,
            name=task.__qualname__,
            main=_main_program() if task.__module__ == "__main__" else {},
            delivery=execution.delivery,
            timeout_seconds=execution.timeout_seconds,
            bytes_max=self._bytes_max,
            memory_max=task.memory_max,
            log_level=self._scribe.log_level,
        )


class _Talk:
    """One job's conversation with its child.

    `delivered` tells that the child has read the order, `must_end` that the job is to be stopped.
    """

    def __init__(
        self,
        child: ProcessChild,
        execution: Execution,
        interrupt: Interrupt,
        *,
        expire: Callable[[Execution], None],
        scribe: Scribe,
    ) -> None:
        self._scribe = scribe
        self._child = child
        self._execution = execution
        self._interrupt = interrupt
        self._expire = expire
        self._patience = 0.0
        self.delivered = False
        self.must_end = False

    def run(self, order: bytes) -> Answer | None:
        """The answer; None: there will be none, the child is dead or to be killed."""
        child = self._child
        self._patience = time.monotonic() + BEGIN_SECONDS
        goes_on = not child.ready or self._send(order)
        while goes_on:
            heard = self._wait()
            if child.link in heard:
                message = _receive(child.link)
                if message is not None and message.startswith(NOTE):
                    self._take_note(message)
                    continue
                if message is None or message not in (READY, GOT, BEGAN):
                    return None if message is None else Answer.from_bytes(message)
                goes_on = self._note(message, order)
            elif child.kept.report in heard:
                return None
            else:
                goes_on = self._mind_time(is_late=not heard)
        return None

    def _note(self, message: bytes, order: bytes) -> bool:
        """The child is a step further. False: it need not go on."""
        if message == READY:
            self._child.ready = True
            return self._send(order)
        if message == GOT:
            self.delivered = True
        else:
            self._execution.begin()
        return True

    def _take_note(self, message: bytes) -> None:
        """What the job says. A child that has died meanwhile is seen in the next look."""
        with suppress(OSError):
            notes = self._scribe.listen(self._execution)
            take_note(message, notes, self._child.link.send_bytes)

    def _mind_time(self, *, is_late: bool) -> bool:
        """Somebody rang, or it is late. False: the job is to be stopped."""
        if is_late and self._execution.started:
            self._expire(self._execution)
        self.must_end = self._execution.stop is not None or is_late
        return not self.must_end

    def _wait(self) -> list[object]:
        """What there is to hear; nothing when the job is late."""
        until = self._execution.deadline if self._execution.started else self._patience
        pause = None if until is None else max(0.0, until - time.monotonic())
        return list(
            wait([self._child.link, self._child.kept.report, self._interrupt.fileno()], pause)
        )

    def _send(self, order: bytes) -> bool:
        """Hand over the job, unless it is to stop anyway. False: there will be no answer."""
        if self._execution.stop is not None:
            self.must_end = True
            return False
        try:
            self._child.link.send_bytes(order)
        except OSError:
            return False
        return True


def _receive(link: Connection) -> bytes | None:
    try:
        return link.recv_bytes()
    except (EOFError, OSError):
        return None


def _fits(child: ProcessChild, task: Task[..., Any, Any]) -> bool:
    """A job with a limit of memory must not pay for what other tasks have left in there."""
    return child.is_quiet and (task.memory_max is None or child.ran <= {task.name})


def _stopped(execution: Execution) -> Outcome:
    """The outcome of a job whose process was killed."""
    if execution.stop is None:
        return timed_out(f"its process had not begun it after {BEGIN_SECONDS:.0f}s")
    return outcome_of_stuck(execution.stop, execution.stop_reason)


def _crashed(execution: Execution, end: End) -> Outcome:
    """The outcome of a job whose process died: nothing else ran there."""
    if execution.stop is not None:
        return outcome_of_stuck(execution.stop, execution.stop_reason)
    cause = end.cause
    if end.code is not None and end.code >= 0:
        cause += " in the middle of the job"
    if execution.task.memory_max is not None:
        cause += f" (its memory was limited to {format_size(execution.task.memory_max)})"
    error = ErrorInfo(type="ProcessDied", message=f"the process of the job {cause}")
    return Crashed(error=error, proven=True, lost_deliveries=1)


def _surroundings() -> list[list[str]]:
    """What a child takes over: where modules are looked for, and the command line."""
    told = spawn.get_preparation_data("job")
    return [told["sys_path"], told["sys_argv"]]


def _main_program() -> dict[str, Any]:
    """How a child finds the program that this process runs."""
    if not hasattr(sys.modules["__main__"], "__file__"):
        raise UsageError(
            "a task with executor='process' must stand in a module: this program has no file"
        )
    told = spawn.get_preparation_data("job")
    return {key: value for key, value in told.items() if key.startswith("init_main")}
