"""Transactions of tasks' own that end with the completion of their jobs.

Nobody else can write to the file while one is open, jobhost's own workers included. So it holds the
turn to write from its begin to its end, as any other writer, and after a while a watchdog rolls it
back. Each has a connection of its own, with the driver's settings: a session of SQLite cannot be
made as new. Errors of the task's statements, and of its commit, come as the driver raises them.
"""

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Final

from jobhost.errors import LeaseLost, StoreBusy, StoreError, TransactionTooLong, UsageError
from jobhost.jobs.records import Ended
from jobhost.store.plan import Plan, Statement, drive
from jobhost.store.sqlite.connection import SqliteConnection, Target
from jobhost.store.sqlite.forks import FileId
from jobhost.store.sqlite.task_connection import TaskConnection
from jobhost.store.sqlite.turnstile import Turnstiles

LIMIT_SECONDS: Final = 5.0
"""Longest time of one: others wait for their turn 15 s, so that even the third in the queue behind
tasks that all use it up gets in."""

LIMIT_OF_LEASE: Final = 0.3
"""And as a part of the lease: no heartbeat can be written meanwhile, and two may be missed."""

_INTERRUPT_SECONDS: Final = 0.01
"""Pause between tries to interrupt a statement that runs past the limit."""


class Block:
    """One transaction of a task, from its turn to its end. `raw` is what the task gets.

    Args:
        connection: In its transaction.
        raw: The driver's connection of it.
        limit_seconds: From now on.
        over: Called once: closes the connection, which undoes what is not committed, and lets the
            next writer in.
    """

    def __init__(
        self,
        connection: SqliteConnection,
        raw: TaskConnection,
        *,
        limit_seconds: float,
        over: Callable[[], None],
    ) -> None:
        self.raw = raw
        self._connection = connection
        self._limit_seconds = limit_seconds
        self._over = over
        self._expired = self._ended = False
        self._pid = os.getpid()
        self._watchdog = threading.Timer(limit_seconds, self._expire)
        self._watchdog.name = "jobhost-transaction"
        self._watchdog.daemon = True
        raw.guard(self._refuse_late)
        self._watchdog.start()

    def complete(self, finish: Callable[[], Ended]) -> None:
        """Complete the job, guarded, and commit.

        Raises LeaseLost, TransactionTooLong; UsageError if the task has ended the transaction.
        """
        with self.raw.at_work():
            ended = finish()
            self.raw.release()
            self._connection.look_at_clock()
            try:
                if not drive(self._connection.execute, _complete(ended)):
                    raise LeaseLost(
                        "this worker's right to the job has ended, so its transaction was rolled "
                        "back: whoever has the job now does the work"
                    )
                self.raw.execute("COMMIT")
            except (sqlite3.Error, StoreError):
                self._refuse_late()  # it was the watchdog that has interrupted it
                raise

    def end(self) -> None:
        """Undo what is not committed, and let the next writer in. Idempotent, from any thread."""
        self._watchdog.cancel()
        with self.raw.lock:
            if not self._ended and self._pid == os.getpid():
                self._ended = True
                self._over()

    def _expire(self) -> None:
        """The time is over: interrupt what runs, and roll back when nothing does."""
        self._expired = True
        while not self.raw.lock.acquire(timeout=_INTERRUPT_SECONDS):
            with suppress(sqlite3.Error):  # closed meanwhile
                self.raw.interrupt()
        try:
            self.end()
        finally:
            self.raw.lock.release()

    def _refuse_late(self) -> None:
        if self._pid != os.getpid():
            raise UsageError(
                "this process was forked inside 'with current_job().transaction()': the "
                "transaction is its parent's, to go on with and to end"
            )
        if self._expired:
            raise TransactionTooLong(
                f"this transaction was open for {self._limit_seconds:g}s and was rolled back, "
                "since nobody else can write to the file meanwhile: do what takes long before it "
                "begins, and enqueue inside it with enqueue_with(tx.connection, ...)"
            )


class Completions:
    """The transactions of one process's tasks, one at a time. A forked child begins anew.

    Args:
        target: Where the store is.
        turnstiles: The ways in for writers.
    """

    def __init__(self, target: Target, turnstiles: Turnstiles) -> None:
        self._target = target
        self._turnstiles = turnstiles
        self._owner: object = None
        # One of a process queues for the turn, so that its heartbeat never stands behind many.
        self._mutex = threading.Lock()
        # Two, since whoever waits for the turn must not keep out the one who has it.
        self._entrance = ThreadPoolExecutor(1, thread_name_prefix="jobhost-transaction-in")
        self._exit = ThreadPoolExecutor(1, thread_name_prefix="jobhost-transaction-out")

    @contextmanager
    def completing(
        self, finish: Callable[[], Ended], file: FileId, *, lease_seconds: float
    ) -> Iterator[TaskConnection]:
        """See `seam.Store.completing`; `file` is the store's."""
        self.refuse_within()
        block = self._begin(file, lease_seconds, owner=_who())
        try:
            yield block.raw
            block.complete(finish)
        finally:
            block.end()

    @asynccontextmanager
    async def completing_async(
        self, finish: Callable[[], Ended], file: FileId, *, lease_seconds: float
    ) -> AsyncIterator[TaskConnection]:
        """See `seam.Store.completing_async`. Turn and commit are waited for in threads."""
        self.refuse_within()
        begin = partial(self._begin, file, lease_seconds, owner=_who())
        begun = self._entrance.submit(begin)
        try:
            block = await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(_give_up)
            raise
        try:
            yield block.raw
            ended = finish()
            await asyncio.wrap_future(self._exit.submit(block.complete, lambda: ended))
        finally:
            # Behind a commit that goes on although nobody waits for it any more.
            await asyncio.shield(asyncio.wrap_future(self._submit_end(block)))

    def refuse_within(self) -> None:
        """Raise UsageError for what would wait for the end of the block from which it is called."""
        if self._owner is not None and self._owner == _who():
            raise UsageError(
                "inside 'with current_job().transaction() as tx' nothing else can write to "
                f"{self._target.path}, so this would wait for itself: inside the block write on "
                "tx.connection, enqueue with task.enqueue_with(tx.connection, ...), and do the "
                "rest before it or after it"
            )

    def close(self) -> None:
        """End the threads once they have done what was asked of them; blocks that are open end by
        themselves. Idempotent."""
        for executor in (self._entrance, self._exit):
            executor.shutdown()

    def _begin(self, file: FileId, lease_seconds: float, *, owner: object) -> Block:
        """Wait for the turn, and begin. Raises StoreError."""
        if not self._mutex.acquire(timeout=self._target.busy_seconds):
            raise StoreBusy(
                f"other jobs of this process had transactions of their own on {self._target.path} "
                f"for {self._target.busy_seconds:.0f}s: repeat later, or make them shorter"
            )
        with ExitStack() as over:
            over.callback(self._mutex.release)
            turnstile = self._turnstiles.take()
            over.callback(self._turnstiles.give, turnstile)
            connection = SqliteConnection(
                self._target, writes=True, file=file, factory=TaskConnection, turnstile=turnstile
            )
            over.callback(connection.drop)
            connection.begin()
            raw = connection.raw
            if not isinstance(raw, TaskConnection):
                raise TypeError(f"a connection of this factory, not {raw!r}")
            over.callback(connection.leave)
            over.callback(self._set_owner, None)
            over.callback(raw.end)
            self._set_owner(owner)
            limit = min(LIMIT_SECONDS, lease_seconds * LIMIT_OF_LEASE)
            return Block(connection, raw, limit_seconds=limit, over=over.pop_all().close)

    def _set_owner(self, owner: object) -> None:
        self._owner = owner

    def _submit_end(self, block: Block) -> "Future[None]":
        """End it in a thread, or here when those have ended with the store."""
        try:
            return self._exit.submit(block.end)
        except RuntimeError:
            done: Future[None] = Future()
            block.end()
            done.set_result(None)
            return done


def _complete(ended: Ended) -> Plan[bool]:
    """The completion; False, and nothing is done: the job or its lease is not this worker's."""
    about = {"job": ended.job, "epoch": ended.epoch, "duration_us": ended.duration_us}
    done = yield Statement("complete_one", {**about, "result": ended.result})
    if done.first is None:
        return False
    yield Statement("leave_running", {"jobs": json.dumps([ended.job]), "node": done.first[0]})
    yield Statement("forget_cancellations")
    return True


def _give_up(begun: "Future[Block]") -> None:
    """Whoever has waited for the turn does not want it any more."""
    if not begun.cancelled() and begun.exception() is None:
        begun.result().end()


def _who() -> object:
    """Who runs this: a task of an event loop, or a thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident() if task is None else task
