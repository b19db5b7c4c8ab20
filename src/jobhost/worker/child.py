"""The process of jobs with `executor="process"`: runs what the worker orders, one at a time.

It is a fresh interpreter, imports the task by its module and name, and decodes the arguments
itself. What happened goes back as text. How it starts and ends is in `keeper.py`.
"""

import contextvars
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from multiprocessing import spawn
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import psutil

from jobhost.errors import UsageError
from jobhost.host.current import RunningJob, enter_job
from jobhost.host.task import Task, look_up
from jobhost.jobs.outcomes import Failed, Outcome
from jobhost.jobs.retries import Retry
from jobhost.worker.child_notes import ChildNotes
from jobhost.worker.execution import Execution
from jobhost.worker.job_logs import JobLogHandler
from jobhost.worker.memory import MEMORY_LIMIT, beyond_limit, limited
from jobhost.worker.orders import BEGAN, GOT, READY, Answer, Order
from jobhost.worker.returned import outcome_of_value, require_run
from jobhost.worker.verdict import outcome_of


def serve(link: Connection) -> None:
    """Run jobs until the worker lets go of the link."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _left_to_the_worker)
    gc.freeze()
    child = Child(link)
    link.send_bytes(READY)
    with suppress(EOFError):
        while True:
            child.run_once()


class Child:
    """Runs orders.

    Args:
        link: To the worker.
    """

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._pid = os.getpid()
        self._has_main = False
        self._notes: ChildNotes | None = None

    def run_once(self) -> None:
        """One job. Raises EOFError when the worker is gone."""
        order = Order.from_bytes(self._link.recv_bytes())
        self._link.send_bytes(GOT)
        with _telling(order.log_level):
            outcome = contextvars.Context().run(self._outcome, order)
        if self._notes is not None:
            self._notes.close()
        if os.getpid() != self._pid:  # the task forked, and its child has come back too
            os._exit(0)
        _flush()
        spent = isinstance(outcome, Failed) and outcome.error.type == MEMORY_LIMIT
        clean = not spent and _is_alone()
        self._link.send_bytes(Answer(outcome, clean).to_bytes())

    def _outcome(self, order: Order) -> Outcome:
        try:
            task = self._find(order)
        except BaseException as error:  # noqa: BLE001 - whatever a module does when it is imported
            return outcome_of(error, None, "")
        execution = Execution(
            order.delivery,
            task,
            Retry(),
            order.timeout_seconds,
            complete=_refuse_transaction,
            listen=partial(self._listen, bytes_max=order.bytes_max),
        )
        return self._run(execution, order)

    def _run(self, execution: Execution, order: Order) -> Outcome:
        signature = execution.task.signature
        try:
            with limited(order.memory_max):
                args, kwargs = execution.arguments()
                execution.begin()
                self._link.send_bytes(BEGAN)
                enter_job(execution.describe)
                value: Any = execution.task.function(*args, **kwargs)
                require_run(value)
                return outcome_of_value(value, signature, order.bytes_max)
        except BaseException as error:  # noqa: BLE001 - the task boundary: everything is recorded
            if isinstance(error, MemoryError) and order.memory_max is not None:
                return beyond_limit(error, order.memory_max)
            return outcome_of(error, None, "", began=execution.started > 0)

    def _listen(self, execution: Execution, bytes_max: int) -> ChildNotes:
        self._notes = ChildNotes(self._link, execution, bytes_max)
        return self._notes

    def _find(self, order: Order) -> Task[..., Any, Any]:
        enter_job(_refuse_work_while_importing)
        if order.main and not self._has_main:
            self._has_main = True
            spawn.prepare(order.main)
        if order.module != "__main__":
            import_module(order.module)
        task = look_up(order.module, order.name)
        if not isinstance(task, Task) or order.delivery.task not in (
            task.name,
            *task.past.aliases,
        ):
            raise UsageError(
                f"the process that is to run task {order.delivery.task!r} looks for it at "
                f"{order.module}.{order.name}, and finds {task!r}"
            )
        return task


@contextmanager
def _telling(log_level: int | None) -> Iterator[None]:
    """What the job logs goes to the worker. Nobody has configured logging in this process, so the
    level of the worker's holds, unless the task's module says other."""
    if log_level is None:
        yield
        return
    root = logging.getLogger()
    if root.level == logging.WARNING:
        root.setLevel(log_level)
    handler = JobLogHandler(log_level)
    handler.enter()
    try:
        yield
    finally:
        handler.leave()


def _is_alone() -> bool:
    """Whether nothing is left of what the job started: neither below this process nor, as its
    orphans, below the keeper."""
    try:
        mine = [_children_of(int(task.name)) for task in Path("/proc/self/task").iterdir()]
        return not any(mine) and _children_of(os.getppid()) == [os.getpid()]
    except OSError:
        return len(psutil.Process(os.getppid()).children(recursive=True)) == 1


def _children_of(thread: int) -> list[int]:
    text = Path(f"/proc/{thread}/task/{thread}/children").read_text("ascii")
    return [int(pid) for pid in text.split()]


def _flush() -> None:
    """What the job printed must not wait for the next one, nor be lost with this process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _left_to_the_worker(number: int, frame: object) -> None:
    """A signal to all processes of a service or a terminal: the worker judges what it means."""


def _refuse_transaction(execution: Execution) -> NoReturn:
    raise UsageError(
        "current_job().transaction() is not to be had in a task with executor='process': the "
        "worker completes its jobs; write what is set rather than added, or make it a plain task"
    )


def _refuse_work_while_importing() -> RunningJob:
    raise UsageError(
        "this module is being imported by the process of a job: what enqueues jobs or starts "
        "workers must stand in a function, or under if __name__ == '__main__'"
    )
