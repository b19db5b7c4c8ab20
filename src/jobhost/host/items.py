"""Batches whose items fail apart: `each` and `aeach`, for use inside a task.

One item's error is noted and the next one's turn comes. A job that is killed goes on after its last
checkpoint; what people see of it is in the job's progress.
"""

import json
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sized
from contextlib import suppress
from inspect import isawaitable
from itertools import islice
from typing import Any, Final, TypeVar

from jobhost.errors import (
    InvalidOption,
    JobCancelled,
    JobhostError,
    LeaseLost,
    StoreError,
    UsageError,
)
from jobhost.host.current import RunningJob, running_job
from jobhost.jobs.notes import (
    ERROR_CHARS_MAX,
    FAILURES_LISTED,
    ITEM_CHARS_MAX,
    ItemFailure,
    ItemReport,
    shorten,
    told,
)
from jobhost.jobs.retries import Retry
from jobhost.jobs.verdicts import DeadLetter, Defer, Discard, Snooze

I = TypeVar("I")  # noqa: E741 - an item

CHECKPOINT_SECONDS: Final = 1.0
"""Between checkpoints, unless they are counted: a second's work is soon repeated, and a write a
second is cheap."""

_ABOUT_THE_JOB: Final = (JobCancelled, LeaseLost, Snooze, Defer, Retry, DeadLetter, Discard)
"""Errors that are not about the item."""

_KEY: Final = "jobhost.each"


class ItemsFailed(DeadLetter):
    """More items of a batch have failed than it allows: the job is dead, whatever attempts are
    left, since each of these items has had its turn. A redrive goes on with the next item."""

    def __init__(self, report: ItemReport) -> None:
        super().__init__(report.verdict)
        self.report = report


def each(
    items: Iterable[I],
    handle: Callable[[I], object],
    *,
    name: str = "items",
    max_failures: int | None = None,
    checkpoint_every: int | None = None,
) -> ItemReport:
    """Handle items one by one, inside a task; an error of one is noted, and does not end the job.

    Args:
        items: In the same order at each attempt: one that follows a crash skips those that had
            been handled at the last checkpoint. The few after it are handled twice.
        handle: Called with each item. What it raises is the item's failure, but for `Retry`,
            `Snooze`, `Defer`, `Discard`, `DeadLetter` and the end of the job, which concern the
            job.
        name: Tells the batches of one job apart, where it has several.
        max_failures: With more of them the job is dead. Default: any number.
        checkpoint_every: A checkpoint after so many items. Default: once a second.

    Progress is told for each item, as current_job().progress() does, and the job obeys a stop
    between two items. The job's checkpoint is used for this: it has none of its own.

    Returns the report, which is worth returning from the task. Raises ItemsFailed, UsageError for
    a second batch of the same name, and LeaseLost when the job belongs to another worker. Called
    outside a job it only handles the items.
    """
    batch = _Batch(items, name, max_failures, checkpoint_every)
    job = batch.job
    if job is not None:
        batch.resume(job.last_checkpoint())
    try:
        for item in islice(items, batch.done, None):
            batch.obey()
            try:
                handle(item)
            except Exception as error:  # noqa: BLE001 - the boundary of an item
                batch.fail(item, error)
            batch.step()
            if job is not None and batch.is_due:
                with suppress(StoreError):
                    job.checkpoint(batch.state())
    except BaseException:
        if job is not None:
            with suppress(JobhostError):
                job.checkpoint(batch.state())
        raise
    if job is not None:
        with suppress(StoreError):
            job.checkpoint(batch.state())
    return batch.report()


async def aeach(
    items: Iterable[I] | AsyncIterable[I],
    handle: Callable[[I], object],
    *,
    name: str = "items",
    max_failures: int | None = None,
    checkpoint_every: int | None = None,
) -> ItemReport:
    """`each` in an `async def` task: what `handle` gives is awaited, and so are the items of an
    asynchronous iterable. Still one after the other."""
    batch = _Batch(items, name, max_failures, checkpoint_every)
    job = batch.job
    if job is not None:
        batch.resume(await job.alast_checkpoint())
    try:
        async for item in _from(items, batch.done):
            batch.obey()
            try:
                handled = handle(item)
                if isawaitable(handled):
                    await handled
            except Exception as error:  # noqa: BLE001 - the boundary of an item
                batch.fail(item, error)
            batch.step()
            if job is not None and batch.is_due:
                with suppress(StoreError):
                    await job.acheckpoint(batch.state())
    except BaseException:
        if job is not None:
            with suppress(JobhostError):
                await job.acheckpoint(batch.state())
        raise
    if job is not None:
        with suppress(StoreError):
            await job.acheckpoint(batch.state())
    return batch.report()


class _Batch:
    """How far one batch is; knows the job, if there is one."""

    def __init__(
        self, items: object, name: str, max_failures: int | None, checkpoint_every: int | None
    ) -> None:
        self.job: RunningJob | None = running_job()
        self.done = 0
        self._name = name
        self._total = len(items) if isinstance(items, Sized) else None
        self._max_failures = _count(max_failures, "max_failures", least=0)
        self._every = _count(checkpoint_every, "checkpoint_every", least=1)
        self._failed = self._excused = 0
        self._failures: list[ItemFailure] = []
        self._listed = "[]"
        self._others: dict[str, Any] = {}
        self._saved_at, self._saved_done = time.monotonic(), 0
        if self.job is not None:
            if name in self.job.batches:
                raise UsageError(
                    f"a batch of the name {name!r} was handled by this attempt before: give each "
                    "call of each() in a task a name of its own"
                )
            self.job.batches.add(name)

    def resume(self, state: Any) -> None:
        """Go on from the checkpoint of an earlier attempt, or of an earlier batch."""
        if state is None:
            return
        if not isinstance(state, dict) or state.keys() != {_KEY}:
            raise UsageError(
                "each() keeps its place in the job's checkpoint, and this job has one of its own: "
                "use one of the two"
            )
        self._others = dict(state[_KEY])
        if (own := self._others.pop(self._name, None)) is not None:
            report = ItemReport.from_json(own)
            self.done = self._saved_done = report.done
            self._failed, self._excused = report.failed, own["excused"]
            self._failures = list(report.failures)
            self._list_failures()

    def obey(self) -> None:
        """Stop here if the job is to stop. Raises JobCancelled, LeaseLost."""
        if self.job is not None:
            self.job.cancel.raise_if_set()

    def fail(self, item: object, error: Exception) -> None:
        """An item's failure is noted. Raises the error if it is about the job."""
        if isinstance(error, _ABOUT_THE_JOB):
            raise error
        self._failed += 1
        if len(self._failures) < FAILURES_LISTED:
            said = f"{type(error).__name__}: {shorten(_message(error), ERROR_CHARS_MAX)}"
            self._failures.append(ItemFailure(item=shorten(item, ITEM_CHARS_MAX), error=said))
            self._list_failures()

    def step(self) -> None:
        """One more item had its turn. Raises ItemsFailed when too many have failed."""
        self.done += 1
        if self.job is not None:
            items = f'{{"done":{self.done},"failed":{self._failed},"failures":{self._listed}}}'
            message = f"{self._failed:,} failed" if self._failed else None
            self.job.notes.beat()
            if (said := told(self.done, self._total, message, items)) is not None:
                self.job.notes.tell(said)
        allowed = self._max_failures
        if allowed is not None and self._failed - self._excused > allowed:
            self._excused = self._failed
            raise ItemsFailed(self.report())

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        if self._every is not None:
            return self.done - self._saved_done >= self._every
        return time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS

    def state(self) -> dict[str, Any]:
        """For the checkpoint that is made now."""
        self._saved_at, self._saved_done = time.monotonic(), self.done
        own = {**self.report().to_json(), "excused": self._excused}
        return {_KEY: {**self._others, self._name: own}}

    def report(self) -> ItemReport:
        """What became of the items so far."""
        return ItemReport(done=self.done, failed=self._failed, failures=tuple(self._failures))

    def _list_failures(self) -> None:
        listed = [[failure.item, failure.error] for failure in self._failures]
        self._listed = json.dumps(listed)


async def _from(items: Iterable[I] | AsyncIterable[I], done: int) -> AsyncIterator[I]:
    """The items behind those that are done."""
    if isinstance(items, AsyncIterable):
        number = 0
        async for item in items:
            number += 1
            if number > done:
                yield item
    else:
        for item in islice(items, done, None):
            yield item


def _message(error: Exception) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"(cannot be printed: {type(second).__name__})"


def _count(value: object, what: str, *, least: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOption(f"{what} must be a whole number from {least}; got {value!r}")
    return value
