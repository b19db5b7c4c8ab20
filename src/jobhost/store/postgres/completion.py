"""A transaction of a task's own that ends with the completion of its job.

Each has a connection of its own, with the server's settings and not with those of the store's
connections: what a task asks its tables is not for them. Errors of the task's statements, and of
its commit, come as the driver raises them.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from jobhost.errors import LeaseLost
from jobhost.jobs.records import Ended
from jobhost.store.plan import Row
from jobhost.store.postgres.callers import AsyncOwnCursor, OwnCursor
from jobhost.store.postgres.catalogue import statements
from jobhost.store.postgres.faults import DRIVER_ERRORS, translate
from jobhost.store.postgres.target import Target


@contextmanager
def completing(
    target: Target, finish: Callable[[], Ended]
) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """See `seam.Store.completing`."""
    with _faults(target):
        raw = psycopg.Connection.connect(**target.parameters)
    with raw:
        raw.prepare_threshold = None if target.pooled else raw.prepare_threshold
        with raw.transaction():
            yield raw
            text, params = _completion(target, finish())
            with OwnCursor(raw, row_factory=tuple_row) as cursor, _faults(target):
                cursor.execute(text, params, prepare=False)
                found = cursor.fetchone()
            _require(found)


@asynccontextmanager
async def completing_async(
    target: Target, finish: Callable[[], Ended]
) -> AsyncIterator["psycopg.AsyncConnection[tuple[Any, ...]]"]:
    """See `seam.Store.completing_async`."""
    with _faults(target):
        raw = await psycopg.AsyncConnection.connect(**target.parameters)
    async with raw:
        raw.prepare_threshold = None if target.pooled else raw.prepare_threshold
        async with raw.transaction():
            yield raw
            text, params = _completion(target, finish())
            async with AsyncOwnCursor(raw, row_factory=tuple_row) as cursor:
                with _faults(target):
                    await cursor.execute(text, params, prepare=False)
                    found = await cursor.fetchone()
            _require(found)


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
