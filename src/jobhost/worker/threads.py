"""The worker's own threads for plain functions: bounded, started when needed."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

J = TypeVar("J")


class JobThreads(Generic[J]):
    """At most `limit` daemon threads that call `work` with what is submitted.

    Never the event loop's default executor: its size is not ours, and user code fills it.
    The threads are daemons, since one that ignores its time limit must not keep a finished
    worker's process from ending.
    """

    def __init__(self, limit: int, work: Callable[[J], None]) -> None:
        self._limit = limit
        self._work = work
        self._queue: SimpleQueue[J | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._mutex = threading.Lock()

    def submit(self, job: J) -> None:
        """Run `work(job)` in a thread; starts one when all are busy."""
        with self._mutex:
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self._limit:
                self._start()
        self._queue.put(job)

    def close(self) -> None:
        """Let idle threads end; busy ones end after their job."""
        for _ in self._threads:
            self._queue.put(None)

    def join(self, timeout_seconds: float) -> None:
        """After `close`: wait at the most so long for all to end."""
        end = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start(self) -> None:
        name = f"jobhost-job-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            self._work(job)
            with self._mutex:
                self._idle += 1
