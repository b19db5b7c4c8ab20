"""Hands new jobs to the store, again if it is away for a moment: always under the same ids, so that
an attempt whose answer was lost and the next one are one job."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from jobhost.errors import QueueFull, StoreError, StoreUnavailable
from jobhost.host.capacity import MakeRoom
from jobhost.jobs.keys import Accepted
from jobhost.plurals import counted
from jobhost.store.passing import leaves_doubt, passes
from jobhost.store.plan import Plan
from jobhost.store.plans import keys
from jobhost.store.plans.enqueue import Batch
from jobhost.store.seam import Store

TRY_SECONDS: Final = 5.0
"""A server's restart is over in this time, and a caller who is asked by a person can wait for it.
One try that waits for its answer may take longer; after it comes no other."""

_PAUSE_SECONDS: Final = (0.05, 1.0)
"""First and longest pause between tries."""


def accept(
    store: Store, batch: Batch, *, known: bool = False, room: MakeRoom | None = None
) -> Sequence[Accepted]:
    """Accept a batch, all or none, and wake workers.

    Args:
        known: An id may be there already: then it changes nothing.
        room: Makes room for it, in the same transaction.

    Returns for each call its job; nothing if each has made the job of its own id.
    Raises IdempotencyConflict, UniqueKeyTaken, StoreError. If it is StoreUnavailable, it has the
    ids of the batch's jobs.
    """
    tries = _Tries(batch, known=known, room=room)
    done: Any = None
    while done is None:
        try:
            done = store.write(partial(tries.plan, store))
        except StoreError as error:
            time.sleep(tries.pause_after(error))
    if not store.hot.announces:
        store.announce()
    return tries.accepted(done)


async def accept_async(
    store: Store, batch: Batch, *, known: bool = False, room: MakeRoom | None = None
) -> Sequence[Accepted]:
    """`accept` for a caller on an event loop. Cancelled, it may have accepted the batch: the
    store's thread goes on with what it has begun."""
    tries = _Tries(batch, known=known, room=room)
    done: Any = None
    while done is None:
        try:
            done = await store.write_async(partial(tries.plan, store))
        except StoreError as error:
            await asyncio.sleep(tries.pause_after(error))
    if not store.hot.announces:
        store.announce()
    return tries.accepted(done)


def if_keys_give_none(error: QueueFull, batch: Batch) -> MakeRoom:
    """Room in a queue that is full: a call whose key gives an earlier job needs none, so it is
    refused only when it would make one. Raises the error for a batch without keys."""
    if batch.keyed is None:
        raise error

    def refuse(count: int) -> Plan[int]:
        raise error
        yield  # a plan of no statement

    return refuse


class _Tries:
    """The tries to accept one batch.

    Args:
        batch: Always the same, with the same ids.
        known: Its ids may be there already.
        room: Makes room for it.
    """

    def __init__(self, batch: Batch, *, known: bool, room: MakeRoom | None) -> None:
        self._batch = batch
        self._room = room
        self._known = known
        self._in_doubt = False
        self._failures = 0
        self._end = time.monotonic() + TRY_SECONDS

    def plan(self, store: Store) -> Plan[Any]:
        """The way to accept it: the first try may rely on ids that nobody has sent yet. Without
        keys it gives how many were new."""
        again = self._known or self._failures > 0
        if self._batch.keyed is not None:
            return (yield from keys.accept(self._batch, self._insert(store), again=again))
        if self._room is not None:
            # What an earlier try may have accepted is in the queue, and needs no room.
            yield from self._room(0 if self._failures else len(self._batch.jobs))
        return (yield from (store.hot.enqueue if again else store.hot.enqueue_new)(self._batch))

    def _insert(self, store: Store) -> Callable[[Batch], Plan[int]]:
        """Accepts what the keys leave, for which alone there must be room."""
        room = self._room
        if room is None:
            return store.hot.enqueue

        def insert(made: Batch) -> Plan[int]:
            yield from room(len(made.jobs))
            return (yield from store.hot.enqueue(made))

        return insert

    def accepted(self, done: Any) -> Sequence[Accepted]:
        """What the plan gave, for each call. A job that an earlier try has made is the call's."""
        jobs = self._batch.jobs
        if isinstance(done, int):
            whole = done == len(jobs) or self._failures > 0
            return () if whole else [Accepted(job.id, is_new=False) for job in jobs]
        found: Sequence[Accepted] = done
        if not self._failures:
            return found
        return [
            Accepted(one.id, is_new=one.is_new or one.id == job.id)
            for one, job in zip(found, jobs, strict=True)
        ]

    def pause_after(self, error: StoreError) -> float:
        """Seconds to wait before the next try: the first comes at once, since it may only be an
        idle connection that was cut off. Raises the error when there is to be none."""
        self._in_doubt = self._in_doubt or leaves_doubt(error)
        self._failures += 1
        if self._failures == 1 and isinstance(error, StoreUnavailable):
            return 0.0
        first, longest = _PAUSE_SECONDS
        most = min(first * 2.0 ** min(self._failures, 16), longest)
        pause = most * random.uniform(0.5, 1.0)
        if not passes(error) or time.monotonic() + pause > self._end:
            raise self._told(error)
        return pause

    def _told(self, error: StoreError) -> StoreError:
        """The same error with what the caller can do about it."""
        if not isinstance(error, StoreUnavailable):
            return error
        error.job_ids = tuple(UUID(bytes=job.id) for job in self._batch.jobs)
        if self._in_doubt:
            error.args = (f"{error}; {_advice(error.job_ids)}",)
        return error


def _advice(ids: tuple[UUID, ...]) -> str:
    if len(ids) == 1:
        return (
            "the job may have been accepted all the same: enqueue it again with "
            f"using(id='{ids[0]}'), which never makes a second one"
        )
    return (
        f"these {counted(len(ids), 'job')} may have been accepted all the same: enqueue each again "
        "with using(id=...), in the order of the error's job_ids, which never makes a second one"
    )
