"""A worker inside another program: a web application, a script, a test.

It lives in threads of its own and leaves the process to its owner: signals, standard input and the
garbage collector are not touched, and a job that cannot be stopped ends the worker, but not the
process.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol

from jobhost.errors import InvalidOption, UsageError
from jobhost.worker.config import WorkerConfig


class Life(Protocol):
    """Runs a worker from its start to its end, and calls `started` in between."""

    def __call__(self, *, started: Callable[[], None]) -> None: ...


class Embedding:
    """One stay of a worker in a process: entered once, left once.

    Args:
        live: The worker's life; what it raises before `started` is raised where it is entered, what
            comes later is kept as `error`.
        stop: Asks it to end; the second time, to hand back what runs.
        stopped: Whether it was asked to already: to leave then is not the second time.

    The two ways in and out, for coroutines and for threads, differ in how they wait.
    """

    def __init__(
        self,
        live: Life,
        stop: Callable[[], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._live = live
        self._stop = stop
        self._stopped = stopped
        self._pid = os.getpid()
        self._started: Future[None] = Future()
        self._ended: Future[None] = Future()
        for future in (self._started, self._ended):
            future.set_running_or_notify_cancel()  # nobody who waits can cancel them
        self._thread = threading.Thread(target=self._run, name="jobhost-store-loop", daemon=True)
        self.error: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether it has started and not ended. Raises UsageError in a forked child."""
        self.require_own_process()
        return self._started.done() and not self._ended.done()

    def require_own_process(self) -> None:
        """Raises UsageError in a forked child: it has a copy of the worker without its threads."""
        if os.getpid() != self._pid:
            raise UsageError(
                f"this worker was started in process {self._pid}, before the fork that made this "
                f"one, and does not run here: start a worker after the fork"
            )

    def enter(self) -> None:
        """Start, and wait for it. Raises what the start raises."""
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            raise UsageError(
                "this would block the event loop: in a coroutine write "
                "`async with host.worker(...)`"
            )
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._leave()
            raise

    def leave(self, *, failing: bool) -> None:
        """Stop, and wait for the end. An exception that comes meanwhile, such as KeyboardInterrupt,
        makes it hand back at once what runs.

        Args:
            failing: An exception is on its way out of the block: the worker's own stays behind.

        Raises what ended the worker before it was asked to.
        """
        if self._is_a_copy(failing=failing):
            return
        self._leave()
        if self.error is not None and not failing:
            raise self.error

    async def enter_async(self) -> None:
        """The same as `enter`, without blocking the event loop. Cancelled, it leaves."""
        self._thread.start()
        try:
            await _done(self._started)
        except BaseException:
            await self._leave_async()
            raise

    async def leave_async(self, *, failing: bool) -> None:
        """The same as `leave`, without blocking the event loop. A cancellation that comes meanwhile
        makes it hand back at once what runs, and is raised at the end."""
        if self._is_a_copy(failing=failing):
            return
        await self._leave_async()
        if self.error is not None and not failing:
            raise self.error

    def _leave(self) -> None:
        self._stop_once()
        try:
            self._ended.result()
        except BaseException:
            self._stop()
            self._ended.result()
            raise
        finally:
            self._thread.join()

    async def _leave_async(self) -> None:
        self._stop_once()
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.done():
            try:
                await _done(self._ended)
            except asyncio.CancelledError as error:
                cancelled = error
                self._stop()
        self._thread.join()  # its last step
        if cancelled is not None:
            raise cancelled

    def _stop_once(self) -> None:
        if not self._stopped():
            self._stop()

    def _is_a_copy(self, *, failing: bool) -> bool:
        """In a forked child there is nothing to end. Raises UsageError, but not in place of what
        has made the child leave, such as SystemExit."""
        if not failing:
            self.require_own_process()
        return os.getpid() != self._pid

    def _run(self) -> None:
        try:
            self._live(started=lambda: self._started.set_result(None))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that enters or leaves
            if self._started.done():
                self.error = error
            else:
                self._started.set_exception(error)
        finally:
            self._ended.set_result(None)


def require_no_recycling(config: WorkerConfig) -> None:
    """Raises InvalidOption for a setting that makes room for a fresh process: the process is not
    the worker's."""
    for name in ("max_jobs", "max_memory"):
        if (value := getattr(config, name)) is not None:
            raise InvalidOption(
                f"{name} ends a worker so that a fresh process can take its place, and this "
                f"process belongs to the program around it; got {name}={value!r}: leave it out, "
                f"or run `jobhost worker`"
            )


async def _done(future: Future[None]) -> None:
    await asyncio.shield(asyncio.wrap_future(future))
