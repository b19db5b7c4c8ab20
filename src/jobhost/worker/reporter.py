"""Takes down what running jobs say: one thread of the worker, with a session of its own, both made
when a job first says something.

However often jobs speak, it writes at most twice a second, and once for all that ended at the same
time: a job that has said something waits for that, briefly, so that whoever sees its end also sees
its last words. A store that is away holds up nobody: what was said is kept, in the bounds of each
job's notes, and written when it is back.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from jobhost.errors import StoreError, StoreRefusedData
from jobhost.store.plans.notes import Notes, take_down
from jobhost.store.plans.portions import BATCH_BYTES_MAX
from jobhost.store.seam import Session, Store

PAUSE_SECONDS: Final = 0.5
"""Between two writes: soon enough for people who watch, seldom enough for the store."""

RETRY_SECONDS: Final = 2.0
"""Between tries while the store is away."""

SETTLE_SECONDS: Final = 2.0
"""How long the end of a job waits for its last words, and the longest wait for the store."""

LATE_MAX: Final = 1_000
"""Jobs with words that could not be written yet; with more, the oldest words are lost."""


class Source(Protocol):
    """The notes of one job."""

    @property
    def has_news(self) -> bool:
        """Whether something is not written yet."""
        ...

    def take(self) -> Notes | None:
        """What is new."""
        ...

    def written(self, notes: Notes) -> None:
        """That is in the store."""
        ...

    def put_back(self, notes: Notes) -> None:
        """That is not."""
        ...


class Reporter:
    """The notes of one worker's jobs on their way to the store.

    Args:
        open_store: Gives the store; called at first use.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._changed = threading.Condition()
        self._news: dict[Source, None] = {}
        self._waiting: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._session: Session | None = None
        self._failing = False
        self._closing = False
        self.writes = 0

    def hear(self, source: Source) -> None:
        """A job has said something. Never waits and never fails."""
        if source in self._news:  # without the lock: who is in there has not been taken from yet
            return
        with self._changed:
            if source in self._news or self._closing:
                return
            self._news[source] = None
            if len(self._news) > LATE_MAX:
                self._news.pop(next(iter(self._news)))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="jobhost-reporter", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def settle(self, source: Source) -> None:
        """Wait until all that a job has said is written, or it is clear that this takes long."""
        done = threading.Event()
        if self._ask(source, done.set):
            done.wait(SETTLE_SECONDS)

    async def asettle(self, source: Source) -> None:
        """`settle` on an event loop. One that is cancelled meanwhile waits no longer."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:
                return  # the loop has closed, and nobody waits

        if self._ask(source, wake):
            try:
                async with asyncio.timeout(SETTLE_SECONDS):
                    await done.wait()
            except (TimeoutError, asyncio.CancelledError):
                return

    def close(self) -> None:
        """Write what is left, if the store takes it soon, and end the thread."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join(SETTLE_SECONDS)

    def run_once(self) -> None:
        """Write what is new, and let those go on who wait for it."""
        with self._changed:
            sources, self._news = list(self._news), {}
            waiting, self._waiting = self._waiting, []
        try:
            self._write(sources)
        finally:
            for wake in waiting:
                wake()

    def _ask(self, source: Source, wake: Callable[[], None]) -> bool:
        """Have somebody told of the next write's end; False: there is nothing to wait for."""
        with self._changed:
            if not source.has_news or self._failing or self._closing:
                return False
            self._waiting.append(wake)
            self._changed.notify_all()
            return True

    def _run(self) -> None:
        due = 0.0
        while self._await_news(due):
            self.run_once()
            due = time.monotonic() + (RETRY_SECONDS if self._failing else PAUSE_SECONDS)
        if self._session is not None:
            self._session.close()

    def _await_news(self, due: float) -> bool:
        """Sleep until it is time to write: soon if somebody waits for it. False: that was all."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._waiting or self._closing)
            if not self._closing:
                self._changed.wait_for(self._is_urgent, max(0.0, due - time.monotonic()))
            if self._closing and (not self._news or self._failing):
                for wake in self._waiting:
                    wake()
                return False
            return True

    def _is_urgent(self) -> bool:
        return self._closing or (bool(self._waiting) and not self._failing)

    def _write(self, sources: list[Source]) -> None:
        """In transactions that are not too large; the first that fails ends it."""
        failed = False
        portion: list[tuple[Source, Notes]] = []
        size = 0
        for source in sources:
            if failed:
                self.hear(source)
                continue
            notes = source.take()
            if notes is None:
                continue
            portion.append((source, notes))
            size += _size(notes)
            if size >= BATCH_BYTES_MAX:
                failed = not self._write_portion(portion)
                portion, size = [], 0
        if portion and not failed:
            failed = not self._write_portion(portion)
        self._failing = failed

    def _write_portion(self, portion: list[tuple[Source, Notes]]) -> bool:
        """Whether the store has it, or will never take it."""
        notes = [note for _, note in portion]
        try:
            if self._session is None:
                self._session = self._open_store().session()
                self._session.hurry(SETTLE_SECONDS)
            self._session.write(lambda: take_down(notes))
        except StoreRefusedData:
            pass  # one of them would be refused for ever
        except (StoreError, OSError):
            for source, note in portion:
                source.put_back(note)
                self.hear(source)
            return False
        self.writes += 1
        for source, note in portion:
            source.written(note)
        return True


def _size(notes: Notes) -> int:
    items = len(notes.told.items or "") if notes.told is not None else 0
    return items + sum(len(line.message) for line in notes.lines)
