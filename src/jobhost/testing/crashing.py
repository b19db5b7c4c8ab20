"""Workers that die in the middle of a job, because a test wants to see what comes after.

The process lives on: the store is told that the worker has died, by the same plan with which the
rescue of a dead one begins. The job goes on to where that leads, and the worker, like one that was
taken for dead, finds its lease ended, writes nothing down, and registers anew.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any, Final, NoReturn
from uuid import UUID, uuid4

from jobhost.errors import LeaseLost
from jobhost.events import WorkerStarted
from jobhost.host.current import running_job
from jobhost.host.task import Task
from jobhost.host.wiring import Wiring
from jobhost.store.plans.nodes import NewNode, Rescue, leave, register, rescue
from jobhost.version import VERSION

POINTS: Final = ("start", "end")
"""When it may die: before the first line of the task, or after its last and unrecorded."""

_LEASE_US: Final = 60_000_000


class Crashes:
    """The deaths that were ordered and have not happened yet.

    Args:
        wiring: The host's store.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._orders: dict[UUID, list[str]] = {}
        self._met: set[tuple[UUID, int]] = set()
        self._node = 0
        self._worker = ""
        self.happened = 0

    def order(self, job: UUID, *, at: str, times: int) -> None:
        """The next deliveries of this job end so."""
        self._orders.setdefault(job, []).extend([at] * times)

    def heed(self, event: WorkerStarted) -> None:
        """The worker to die is the one that was entered last."""
        self._node, self._worker = event.node, event.worker

    @contextmanager
    def around(self, tasks: list[Task[..., Any, Any]]) -> Iterator[None]:
        """For the length of the block jobs of these tasks die as ordered."""
        functions = {} if not self._orders else {task: task.function for task in tasks}
        for task, function in functions.items():
            task.function = self._mortal(function)
        try:
            yield
        finally:
            for task, function in functions.items():
                task.function = function

    def _mortal(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            at = self._take()
            if at is None:
                return function(*args, **kwargs)
            if at == "start":
                self._die()
            try:
                value = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whatever it was, nobody hears of it
                self._die(error)
            return self._awaited(value) if isawaitable(value) else self._die()

        return run

    async def _awaited(self, value: Any) -> None:
        try:
            await value
        except BaseException as error:  # noqa: BLE001 - whatever it was, nobody hears of it
            self._die(error)
        self._die()

    def _take(self) -> str | None:
        """How the job that runs here is to end, if it was said."""
        job = running_job()
        if job is None or (job.id, job.epoch) in self._met:
            return None  # not a job's own call: the function is called by hand, or by another task
        self._met.add((job.id, job.epoch))
        left = self._orders.get(job.id)
        return left.pop(0) if left else None

    def _die(self, cause: BaseException | None = None) -> NoReturn:
        """The store hears that the worker has died; the caller, what a job hears then."""
        store, number = self._wiring.store, self._node
        witness = store.write(lambda: register(_witness()))
        order = Rescue(node=number, worker=self._worker, rescuer=witness, died=True)
        while store.write(lambda: rescue(order)).more:
            pass
        store.write(lambda: leave(witness))
        self.happened += 1
        raise LeaseLost("the test had the worker die here") from cause


def _witness() -> NewNode:
    """Whoever rescues must be a living node."""
    return NewNode(
        id=uuid4().hex,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=VERSION,
        slots=0,
        queues=[],
        tasks=[],
        lease_us=_LEASE_US,
    )
