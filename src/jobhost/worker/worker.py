"""`Worker`: puts the parts together, and waits for the end."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType
from typing import Final, Self, cast

from jobhost.errors import UsageError
from jobhost.events import Events, WorkerEmbedded, WorkerFailed, WorkerStopped
from jobhost.host.registry import Registry
from jobhost.host.wiring import Wiring
from jobhost.jobs.options import DEFAULT_QUEUE, Options, resolve
from jobhost.store.seam import Session
from jobhost.version import VERSION
from jobhost.worker.begin import begin_when_there
from jobhost.worker.config import WorkerConfig
from jobhost.worker.drain import STORE_SECONDS
from jobhost.worker.embedded import Embedding, require_no_recycling
from jobhost.worker.executor import Executor
from jobhost.worker.link import Link
from jobhost.worker.logs import log_events
from jobhost.worker.membership import Member, Profile
from jobhost.worker.own_process import EXIT_AT_ONCE as EXIT_AT_ONCE
from jobhost.worker.own_process import SIGNAL_LOOK_SECONDS, owning_the_process
from jobhost.worker.report import WorkerReport as WorkerReport
from jobhost.worker.stalls import StallWatch
from jobhost.worker.stop_requests import StopRequests
from jobhost.worker.store_loop import FirstPlan, StoreLoop
from jobhost.worker.supervised import Supervised
from jobhost.worker.wire import Hello

_LAST_THREADS_SECONDS: Final = 1.0
"""How long a worker inside another program waits for its idle job threads to have ended."""


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
        self._requests = StopRequests(self._hurry)
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
        wiring = self._wiring
        named = (resolve(Options(), task.options, {}, wiring.defaults) for task in self._tasks)
        return {DEFAULT_QUEUE: 1, **{options.queue: 1 for options in named}}

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
                tasks=self._tasks.names,
                queues=self.queues,
                slots=self._config.concurrency,
                version=VERSION,
            )
        )

    def run(self, *, signals: bool = False, first: FirstPlan | None = None) -> WorkerReport:
        """Work until stopped, or with `burst` until nothing is left.

        Args:
            signals: Handle SIGTERM and SIGINT: the first drains, the second ends the process
                within two seconds. SIGHUP drains too, and never hurries. Standard input is at its
                end meanwhile. Only in the main thread of a process of its own.
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
        asked = self._requests
        with owning_the_process(asked.stop, asked.hang_up) if signals else nullcontext():
            loop = begin_when_there(
                lambda: self._start(first),
                self.events,
                stopped=lambda: asked.any,
                waits=first is None,  # who is made for one job has a caller that waits
            )
            if loop is None:
                self.events.emit(WorkerStopped(ended=0, released=0))
                return WorkerReport(ended=0, released=0, retired=False, stopped=True)
            thread = threading.Thread(target=self._run_loop, name="jobhost-store-loop", daemon=True)
            thread.start()
            while not self._done.wait(SIGNAL_LOOK_SECONDS):
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
        self._requests.stop()

    def _hurry(self) -> None:
        """It was asked to end."""
        if self._link is not None:
            self._link.hurry()
        if self._loop is None:
            self._wiring.store.hurry_opening(STORE_SECONDS)
        else:
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
        self._embedding = Embedding(self._live, self.stop, stopped=lambda: self._requests.any)
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
            stopped=self._requests.any,
            recycled=loop.recycled,
            finished=loop.finished,
        )

    def _make_loop(self, first: FirstPlan | None) -> StoreLoop:
        return StoreLoop(
            self._wiring.store,
            self._tasks,
            weights=self.queues if first is None and not self._lane else {},
            config=self._config,
            events=self.events,
            make_executor=lambda outbox: Executor(
                self._tasks, self._wiring, config=self._config, outbox=outbox, events=self.events
            ),
            retention=self._wiring.retention,
            declared=self._wiring.declared,
            signals=self._requests.signals,
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
