"""Transactions of tasks' own that end with the completion of their jobs.

They have connections apart from the store's, with the server's settings and not with those of the
store: what a task asks its tables is not for them. A connection that is at rest is kept for the
next transaction, with nothing of the last one's session. Errors of the task's statements, and of
its commit, come as the driver raises them.
"""

import asyncio
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, Final, Generic, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from jobhost.errors import LeaseLost
from jobhost.jobs.records import Ended
from jobhost.store.plan import Row
from jobhost.store.postgres.callers import AsyncOwnCursor, OwnCursor
from jobhost.store.postgres.catalogue import statements
from jobhost.store.postgres.faults import DRIVER_ERRORS, translate
from jobhost.store.postgres.target import Target

KEPT_MAX: Final = 4
"""Connections at rest that are kept, for threads and for a loop each: each is a process of the
server. When more transactions than that overlap all the time, making one is the lesser part."""

KEPT_SECONDS: Final = 30.0
"""Longest rest of one that is used again: shorter than the patience of firewalls."""

_FRESH: Final = (
    b"CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; "
    b"SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)
"""DISCARD ALL but for the prepared statements, of which the driver believes that they are there."""

Raw = TypeVar("Raw", psycopg.Connection[Any], psycopg.AsyncConnection[Any])


class Rest(Generic[Raw]):
    """Connections at rest, the one that was used last on top. Safe from any thread."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._mutex = threading.Lock()
        self._kept: list[tuple[Raw, float]] = []
        self._closed = False

    def take(self) -> Raw | None:
        """One that was used a short while ago; None: make one. Older ones are closed."""
        with self._mutex:
            kept, self._kept = self._kept, []
            limit = time.monotonic() - KEPT_SECONDS
            old = [raw for raw, since in kept if since < limit]
            self._kept = [(raw, since) for raw, since in kept if since >= limit]
            found = self._kept.pop()[0] if self._kept else None
        for raw in old:
            _end(raw)
        return found

    def give(self, raw: Raw) -> None:
        """Put one to rest, or close it when there are enough."""
        with self._mutex:
            keep = not self._closed and len(self._kept) < KEPT_MAX
            if keep:
                self._kept.append((raw, time.monotonic()))
        if not keep:
            _end(raw)

    def close(self) -> None:
        """Close all, and those that come later. Idempotent. In a forked child they are the
        parent's, and stay as they are."""
        if self._pid != os.getpid():
            return
        with self._mutex:
            self._closed = True
            kept, self._kept = self._kept, []
        for raw, _ in kept:
            _end(raw)


class Completions:
    """The transactions of one process's tasks. A forked child begins with one of its own.

    Args:
        target: Where the store is.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rest: Rest[psycopg.Connection[Any]] = Rest()
        weakref.finalize(self, self._rest.close).atexit = False
        self._mutex = threading.Lock()
        self._loops: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, Rest[psycopg.AsyncConnection[Any]]
        ] = weakref.WeakKeyDictionary()

    @contextmanager
    def completing(
        self, finish: Callable[[], Ended]
    ) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        """See `seam.Store.completing`."""
        target = self._target
        raw, begun = self._begin()
        try:
            with begun:
                yield raw
                text, params = _completion(target, finish())
                with OwnCursor(raw, row_factory=tuple_row) as cursor, _faults(target):
                    cursor.execute(text, params)
                    found = cursor.fetchone()
                _require(found)
        finally:
            self._lay_down(raw)

    @asynccontextmanager
    async def completing_async(
        self, finish: Callable[[], Ended]
    ) -> AsyncIterator["psycopg.AsyncConnection[tuple[Any, ...]]"]:
        """See `seam.Store.completing_async`."""
        target, rest = self._target, self._rest_of_loop()
        raw, begun = await self._begin_async(rest)
        try:
            async with begun:
                yield raw
                text, params = _completion(target, finish())
                async with AsyncOwnCursor(raw, row_factory=tuple_row) as cursor:
                    with _faults(target):
                        await cursor.execute(text, params)
                        found = await cursor.fetchone()
                _require(found)
        finally:
            await self._lay_down_async(raw, rest)

    def close(self) -> None:
        """Close what is at rest; what is at work is closed when its transaction ends."""
        self._rest.close()
        with self._mutex:
            rests = list(self._loops.values())
            self._loops.clear()
        for rest in rests:
            rest.close()

    def _begin(self) -> tuple["psycopg.Connection[Any]", ExitStack]:
        """A connection in a transaction. One that has ended while it was at rest fails at BEGIN,
        before the task has begun, and is left for another."""
        while (raw := self._rest.take()) is not None:
            with suppress(psycopg.OperationalError), ExitStack() as begun:
                begun.enter_context(raw.transaction())
                return raw, begun.pop_all()
            _end(raw)
        with _faults(self._target):
            raw = psycopg.Connection.connect(**self._target.for_tasks, autocommit=True)
        _set_up(raw, self._target)
        with ExitStack() as begun:
            begun.callback(_end_unless_begun, raw)
            begun.enter_context(raw.transaction())
            return raw, begun.pop_all()

    async def _begin_async(
        self, rest: Rest["psycopg.AsyncConnection[Any]"]
    ) -> tuple["psycopg.AsyncConnection[Any]", AsyncExitStack]:
        while (raw := rest.take()) is not None:
            with suppress(psycopg.OperationalError):
                async with AsyncExitStack() as begun:
                    await begun.enter_async_context(raw.transaction())
                    return raw, begun.pop_all()
            _end(raw)
        with _faults(self._target):
            raw = await psycopg.AsyncConnection.connect(**self._target.for_tasks, autocommit=True)
        _set_up(raw, self._target)
        async with AsyncExitStack() as begun:
            begun.callback(_end_unless_begun, raw)
            await begun.enter_async_context(raw.transaction())
            return raw, begun.pop_all()

    def _rest_of_loop(self) -> Rest["psycopg.AsyncConnection[Any]"]:
        """An asynchronous connection belongs to the loop that opened it."""
        loop = asyncio.get_running_loop()
        with self._mutex:
            if (rest := self._loops.get(loop)) is None:
                rest = self._loops[loop] = Rest()
                weakref.finalize(loop, rest.close).atexit = False
            return rest

    def _lay_down(self, raw: "psycopg.Connection[Any]") -> None:
        try:
            if _is_idle(raw) and not self._target.pooled:
                raw.execute(_FRESH, prepare=False)
        except psycopg.Error:
            _end(raw)
        except BaseException:
            _end(raw)
            raise
        if _is_idle(raw):
            _set_up(raw, self._target)
            self._rest.give(raw)
        else:
            _end(raw)

    async def _lay_down_async(
        self, raw: "psycopg.AsyncConnection[Any]", rest: Rest["psycopg.AsyncConnection[Any]"]
    ) -> None:
        try:
            if _is_idle(raw) and not self._target.pooled:
                await raw.execute(_FRESH, prepare=False)
        except psycopg.Error:
            _end(raw)
        except BaseException:
            _end(raw)
            raise
        if _is_idle(raw):
            _set_up(raw, self._target)
            rest.give(raw)
        else:
            _end(raw)


def _set_up(raw: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]", target: Target) -> None:
    """As the driver makes them, whatever the last task has set."""
    raw.row_factory = tuple_row
    raw.prepare_threshold = None if target.pooled else 5


def _is_idle(raw: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> bool:
    return not raw.closed and raw.info.transaction_status is TransactionStatus.IDLE


def _end(raw: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> None:
    """Close it, on whatever thread and loop: it is what `close` of both kinds does."""
    raw.pgconn.finish()


def _end_unless_begun(raw: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> None:
    """Runs first of all when a first BEGIN fails, and last of all, with nothing to do, else."""
    if not _is_idle(raw):
        _end(raw)


@contextmanager
def _faults(target: Target) -> Iterator[None]:
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translate(error, target.place) from error


def _completion(target: Target, ended: Ended) -> tuple[bytes, dict[str, Any]]:
    """The guarded statement and its parameters."""
    sql = statements(target.schema, server_time=target.clock is None)["complete_one"]
    params = {
        "job": ended.job,
        "epoch": ended.epoch,
        "duration_us": ended.duration_us,
        "result": ended.result,
    }
    if target.clock is not None:
        params["now"] = target.clock.now()
    return sql.text, params


def _require(found: Row | None) -> None:
    if found is None:
        raise LeaseLost(
            "this worker's right to the job has ended, so its transaction was rolled back: whoever "
            "has the job now does the work"
        )
