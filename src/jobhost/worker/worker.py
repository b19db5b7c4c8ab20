"""`Worker`: puts the parts together, handles signals, and waits for the end."""

import gc
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from jobhost.errors import StoreBusy, StoreError, UsageError
from jobhost.events import Events, StoreBack, StoreTrouble, WorkerStopped
from jobhost.host.registry import Registry
from jobhost.host.wiring import Wiring
from jobhost.jobs.options import DEFAULT_QUEUE, Options, resolve
from jobhost.store.passing import passes
from jobhost.worker.config import WorkerConfig
from jobhost.worker.drain import Signal
from jobhost.worker.executor import Executor
from jobhost.worker.logs import log_events
from jobhost.worker.outbox import Outbox
from jobhost.worker.store_loop import FirstPlan, StoreLoop, store_back_off

EXIT_AT_ONCE: Final = 70
"""Exit code of a process that a second signal ended before everything was recorded."""

_SIGNAL_LOOK_SECONDS: Final = 0.2
"""Python handles signals in the main thread, but the system may hand one to any thread, which
then wakes nobody; so the main thread never sleeps longer than this."""

_LAST_MOMENT_SECONDS: Final = 1.9
"""After a second signal the process ends within two seconds, store or no store."""


_START_SECONDS: Final = 120.0
"""A worker that starts while its server is away waits so long: beyond a restart, and not for ever,
since it may be the address that is wrong. Whoever keeps it running then starts it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """How a worker's run went.

    Args:
        ended: Attempts that ended, however.
        released: Jobs handed back since they had not ended in time.
        retired: A job did not obey its time limit; only the end of this process stops it.
        stopped: Somebody asked the worker to stop.
    """

    ended: int
    released: int
    retired: bool
    stopped: bool = False


class Worker:
    """Runs jobs of one host until it is stopped. Make it with `JobHost.worker`.

    Args:
        tasks: The tasks that it knows; at least one.
        wiring: The host's store and defaults.
        config: Its settings.
        events: Where it tells what happens; by default an own one that writes logs.
    """

    def __init__(
        self,
        tasks: Registry,
        wiring: Wiring,
        config: WorkerConfig,
        events: Events | None = None,
    ) -> None:
        if not len(tasks):
            raise UsageError(
                "this host has no tasks, so a worker has nothing to run: declare one with "
                "@host.task, and import the modules that declare tasks before the worker starts"
            )
        self._tasks = tasks
        self._wiring = wiring
        self._config = config
        self.events = events or Events()
        log_events(self.events)
        self._loop: StoreLoop | None = None
        self._stops = 0
        self._signals: deque[Signal] = deque()
        self._done = threading.Event()
        self._error: BaseException | None = None

    @property
    def queues(self) -> dict[str, int]:
        """The queues that it serves, with their weights."""
        if self._config.weights is not None:
            return self._config.weights
        named = {DEFAULT_QUEUE: 1}
        for task in self._tasks:
            options = resolve(Options(), task.options, {}, self._wiring.defaults)
            named[options.queue] = 1
        return named

    def run(self, *, signals: bool = False, first: FirstPlan | None = None) -> WorkerReport:
        """Work until stopped, or with `burst` until nothing is left.

        Args:
            signals: Handle SIGTERM and SIGINT: the first drains, the second ends the process
                within two seconds. Standard input is at its end meanwhile. Only in the
                main thread of a process of its own.
            first: A plan that claims the one job of this worker: it serves no queue then.

        A server that is away at the start is waited for, for two minutes, unless there is `first`.
        Raises StoreError when the store cannot be opened or refuses `first`, and StoreGone when
        its file is deleted or replaced meanwhile. A store that cannot be reached at the end is
        told as StoreTrouble and is no error: the worker has done what it was asked to, and what
        it could not hand back goes to others by the proof of its death, or with its lease. A
        supervisor that starts what has failed again must not start one that was stopped.
        """
        with self._owning_the_process() if signals else _nothing():
            loop = self._loop = self._wait_for_loop(first)
            if loop is None:
                self.events.emit(WorkerStopped(ended=0, released=0))
                return WorkerReport(ended=0, released=0, retired=False, stopped=True)
            thread = threading.Thread(target=self._run_loop, name="jobhost-store-loop", daemon=True)
            loop.executor.start()
            thread.start()
            while not self._done.wait(_SIGNAL_LOOK_SECONDS):
                pass
            thread.join()
        loop.executor.close()
        if self._error is not None:
            raise self._error
        self.events.emit(WorkerStopped(ended=loop.executor.ended_count, released=loop.released))
        return WorkerReport(
            ended=loop.executor.ended_count,
            released=loop.released,
            retired=loop.retired,
            stopped=self._stops > 0,
        )

    def stop(self) -> None:
        """Stop claiming and drain; called again, hand back what runs and end. From any thread."""
        self._stops += 1
        self._signals.append(Signal.STOP)
        if self._loop is not None:
            self._loop.hurry()

    def _wait_for_loop(self, first: FirstPlan | None) -> StoreLoop | None:
        """The loop of a worker that has registered; None if it was stopped before. Raises
        StoreError for what does not pass by itself, or has not passed in time; one that is made
        for one job does not wait at all, since its caller does."""
        back_off, end = store_back_off(), time.monotonic() + _START_SECONDS
        failed = False
        while True:
            try:
                loop = self._make_loop(first)
            except StoreError as error:
                pause = back_off.failed()
                waits = first is None and (isinstance(error, StoreBusy) or passes(error))
                if not waits or time.monotonic() + pause > end:
                    raise
                failed = True
                self.events.emit(StoreTrouble(error=str(error), retry_seconds=pause))
            else:
                if failed:
                    self.events.emit(StoreBack())
                return loop
            if not self._sleep_unless_stopped(pause):
                return None

    def _sleep_unless_stopped(self, seconds: float) -> bool:
        """Returns whether nobody has asked the worker to stop meanwhile."""
        end = time.monotonic() + seconds
        while not self._stops and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SIGNAL_LOOK_SECONDS))
        return not self._stops

    def _make_loop(self, first: FirstPlan | None) -> StoreLoop:
        return StoreLoop(
            self._wiring.store,
            self._tasks,
            weights=self.queues if first is None else {},
            config=self._config,
            events=self.events,
            make_executor=self._make_executor,
            signals=self._signals,
            first=first,
        )

    def _run_loop(self) -> None:
        try:
            if self._loop is not None:
                self._loop.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._done.set()

    def _make_executor(self, outbox: Outbox) -> Executor:
        return Executor(
            self._tasks,
            self._wiring,
            slots=self._config.concurrency,
            outbox=outbox,
            events=self.events,
        )

    @contextmanager
    def _owning_the_process(self) -> Iterator[None]:
        """Signals, input and memory of a process that is there for this worker alone."""
        with self._handling_signals(), _without_input():
            _spare_the_collector()
            yield

    @contextmanager
    def _handling_signals(self) -> Iterator[None]:
        def handle(number: int, frame: object) -> None:
            self.stop()  # first: two signals at once run one handler inside the other
            if self._stops >= 2:
                last = threading.Timer(_LAST_MOMENT_SECONDS, os._exit, (EXIT_AT_ONCE,))
                last.daemon = True
                last.start()

        before = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _without_input() -> Iterator[None]:
    """A job that reads standard input finds its end, and never waits for a terminal."""
    try:
        kept = os.dup(_STDIN)
    except OSError:
        yield
        return
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, _STDIN)
        os.close(kept)


def _spare_the_collector() -> None:
    """In a process of our own: what is loaded by now stays, and jobs come in batches.

    Otherwise the garbage collector walks all modules again and again while batches of short
    jobs come and go, which costs a quarter of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


_COLLECT_AFTER: Final = 20_000
"""Objects made before the collector looks: some batches' worth."""

_STDIN: Final = 0

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
