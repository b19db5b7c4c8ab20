"""`Worker`: puts the parts together, handles signals, and waits for the end."""

import gc
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast

from jobhost.errors import StoreBusy, StoreError, UsageError
from jobhost.events import (
    Events,
    StoreBack,
    StoreTrouble,
    WorkerEmbedded,
    WorkerFailed,
    WorkerStopped,
)
from jobhost.host.registry import Registry
from jobhost.host.wiring import Wiring
from jobhost.jobs.options import DEFAULT_QUEUE, Options, resolve
from jobhost.store.passing import passes
from jobhost.store.seam import Session
from jobhost.version import VERSION
from jobhost.worker.config import WorkerConfig
from jobhost.worker.drain import Signal
from jobhost.worker.embedded import Embedding, require_no_recycling
from jobhost.worker.executor import Executor
from jobhost.worker.link import Link
from jobhost.worker.logs import log_events
from jobhost.worker.membership import Member, Profile
from jobhost.worker.outbox import Outbox
from jobhost.worker.stalls import StallWatch
from jobhost.worker.store_loop import FirstPlan, StoreLoop, store_back_off
from jobhost.worker.supervised import Supervised
from jobhost.worker.wire import Hello

EXIT_AT_ONCE: Final = 70
"""Exit code of a process that a second signal ended before everything was recorded."""

_SIGNAL_LOOK_SECONDS: Final = 0.2
"""Python handles signals in the main thread, but the system may hand one to any thread, which
then wakes nobody; so the main thread never sleeps longer than this."""

_LAST_THREADS_SECONDS: Final = 1.0
"""How long a worker inside another program waits for its idle job threads to have ended."""

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
        recycled: It made room for a fresh process.
        finished: As a lane it found no suspect any more.
    """

    ended: int
    released: int
    retired: bool
    stopped: bool = False
    recycled: bool = False
    finished: bool = False


class Worker:
    """Runs jobs of one host until it is stopped. Make it with `JobHost.worker`.

    Either `run` it, which blocks until it has ended, or enter it in a program that does something
    else: `async with host.worker() as worker:` in a coroutine, `with` in a thread. It has started
    when the block begins; at the block's end it drains. Entered, it leaves the process alone.

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
        self._link: Link | None = None
        self._lane = False
        self.events = events or Events()
        log_events(self.events)
        self._loop: StoreLoop | None = None
        self._stops = 0
        self._signals: deque[Signal] = deque()
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._embedding: Embedding | None = None
        self._report: WorkerReport | None = None
        self._stall_watch: StallWatch | None = None

    @property
    def running(self) -> bool:
        """Whether it was entered, has started, and has not ended by itself or with its block."""
        return self._embedding is not None and self._embedding.running

    @property
    def retired(self) -> bool:
        """Whether it claims nothing more since a job did not obey its time limit: only the end of
        this process stops that job, and there is no worker here until then."""
        return self._loop is not None and self._loop.retired

    @property
    def error(self) -> BaseException | None:
        """What ended it by itself after it was entered, such as StoreGone; leaving raises it."""
        return None if self._embedding is None else self._embedding.error

    @property
    def report(self) -> WorkerReport | None:
        """How its run went, once it has ended in order."""
        return self._report

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

    def obey(self, link: Link, url: str, *, lane: bool = False) -> None:
        """Run under a node: it renews the lease, and says under which number.

        Args:
            link: The way to it.
            url: The store's address, with its secrets, for the node.
            lane: Run suspects only, one at a time.
        """
        self._link, self._lane = link, lane
        link.start(
            Hello(
                url=url,
                tasks=[task.name for task in self._tasks],
                queues=self.queues,
                slots=self._config.concurrency,
                version=VERSION,
            )
        )

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
        if self._embedding is not None:
            raise UsageError("this worker was entered with `with`: it runs already, or has ended")
        with self._owning_the_process() if signals else _nothing():
            loop = self._wait_for_start(first)
            if loop is None:
                self.events.emit(WorkerStopped(ended=0, released=0))
                return WorkerReport(ended=0, released=0, retired=False, stopped=True)
            thread = threading.Thread(target=self._run_loop, name="jobhost-store-loop", daemon=True)
            thread.start()
            while not self._done.wait(_SIGNAL_LOOK_SECONDS):
                pass
            thread.join()
        self._close(loop)
        if self._error is not None:
            raise self._error
        return self._tell_end(loop)

    def stop(self) -> None:
        """Stop claiming and drain; called again, hand back what runs and end. From any thread.

        Raises UsageError in a process forked from that in which it was entered.
        """
        if self._embedding is not None:
            self._embedding.require_own_process()
        self._stops += 1
        self._signals.append(Signal.STOP)
        if self._link is not None:
            self._link.hurry()
        if self._loop is not None:
            self._loop.hurry()

    def __enter__(self) -> Self:
        """Start in threads of its own; it has registered when this returns.

        Raises StoreError when the store cannot be opened or does not fit, InvalidOption for
        `max_jobs` and `max_memory`, UsageError when it was entered before, or in a coroutine.
        """
        self._embed().enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop claiming, give running jobs `stopping_wait_time`, hand back the rest. Raises what
        ended the worker before, if nothing else is raised."""
        if self._embedding is not None:
            self._embedding.leave(failing=error is not None)

    async def __aenter__(self) -> Self:
        """As `__enter__`; the event loop goes on meanwhile."""
        await self._embed().enter_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """As `__exit__`; the event loop goes on meanwhile. One more cancellation while it drains
        has it hand back at once what runs."""
        if self._embedding is not None:
            await self._embedding.leave_async(failing=error is not None)

    def _embed(self) -> Embedding:
        if self._embedding is not None:
            self._embedding.require_own_process()
        if self._embedding is not None or self._loop is not None:
            raise UsageError("a worker runs once: make another with host.worker(...)")
        require_no_recycling(self._config)
        self.events.emit(WorkerEmbedded())
        self._embedding = Embedding(self._live, self.stop, stopped=lambda: self._stops > 0)
        return self._embedding

    def _live(self, *, started: Callable[[], None]) -> None:
        """The whole of it in one thread, for a worker inside another program."""
        loop = self._start(None)
        started()
        try:
            loop.run()
        except BaseException as error:
            self.events.emit(WorkerFailed(error=f"{type(error).__name__}: {error}"))
            raise
        finally:
            self._close(loop)
            if not loop.retired:
                loop.executor.join(_LAST_THREADS_SECONDS)
        self._report = self._tell_end(loop)

    def _start(self, first: FirstPlan | None) -> StoreLoop:
        """Raises StoreError."""
        loop = self._loop = self._make_loop(first)
        loop.executor.start()
        if (stall_seconds := self._config.stall_seconds) is not None:
            self._stall_watch = StallWatch(loop.executor, self.events, stall_seconds=stall_seconds)
            self._stall_watch.start()
        return loop

    def _close(self, loop: StoreLoop) -> None:
        if self._stall_watch is not None:
            self._stall_watch.close()
        loop.executor.close()

    def _tell_end(self, loop: StoreLoop) -> WorkerReport:
        self.events.emit(WorkerStopped(ended=loop.executor.ended_count, released=loop.released))
        return WorkerReport(
            ended=loop.executor.ended_count,
            released=loop.released,
            retired=loop.retired,
            stopped=self._stops > 0,
            recycled=loop.recycled,
            finished=loop.finished,
        )

    def _wait_for_start(self, first: FirstPlan | None) -> StoreLoop | None:
        """The loop of a worker that has registered; None if it was stopped before. Raises
        StoreError for what does not pass by itself, or has not passed in time; one that is made
        for one job does not wait at all, since its caller does."""
        back_off, end = store_back_off(), time.monotonic() + _START_SECONDS
        failed = False
        while True:
            try:
                loop = self._start(first)
            except StoreError as error:
                if self._stops:
                    return None
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
            weights=self.queues if first is None and not self._lane else {},
            config=self._config,
            events=self.events,
            make_executor=self._make_executor,
            signals=self._signals,
            first=first,
            join=None if self._link is None else self._be_entered,
            lane=self._lane,
        )

    def _be_entered(self, session: Session, profile: Profile) -> Member:
        """The node enters a supervised worker, and renews its lease."""
        link = cast(Link, self._link)
        link.running = lambda: 0 if self._loop is None else len(self._loop.executor.running)
        return Supervised(self._wiring.store, link, profile, self.events)

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
            config=self._config,
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
