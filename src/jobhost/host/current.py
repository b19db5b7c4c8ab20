"""What a running task can ask about itself: `current_job()`."""

import json
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from jobhost.errors import InvalidOption, JobCancelled, LeaseLost, UsageError
from jobhost.host.notes import Notes, Silence
from jobhost.host.transaction import Completion
from jobhost.jobs.notes import encode_state, told


class CancelToken:
    """Tells a running job to stop. Set once; the first reason stays.

    A thread looks at it between steps; an `async def` task is cancelled as well.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason: str | None = None
        self._lost = False

    @property
    def is_set(self) -> bool:
        """Whether the job should stop."""
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why, or None as long as it need not stop."""
        return self._reason

    def set(self, reason: str, *, lease_lost: bool = False) -> None:
        """Ask the job to stop. Raises InvalidOption for a reason that is no text."""
        if not isinstance(reason, str):
            raise InvalidOption(f"reason must say in words why the job should stop; got {reason!r}")
        if self._reason is None:
            self._lost = lease_lost
            self._reason = reason
            self._event.set()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Sleep until it is set or the time is over; whether it is set. For threads.

        A time below zero is over at once. Raises InvalidOption for what is no number.
        """
        if timeout_seconds is None:
            return self._event.wait()
        if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, (int, float)):
            raise InvalidOption(
                f"timeout_seconds must be a number of seconds, or None; got {timeout_seconds!r}"
            )
        return self._event.wait(min(timeout_seconds, threading.TIMEOUT_MAX))

    def raise_if_set(self) -> None:
        """Raise JobCancelled, or LeaseLost when the job now belongs to another worker."""
        if self._reason is not None:
            raise (LeaseLost if self._lost else JobCancelled)(self._reason)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunningJob:
    """The job that runs this code.

    Args:
        id: Its id; the same at every delivery, so it serves as an idempotency key.
        number: Its number, which rises with every job that the store accepts.
        task: Name of the task under which it was enqueued, and `queue` of its lane.
        delivery: How often it has been handed to a task, from 1.
        epoch: Fencing number: rises with every claim. Hand it to a resource that can
            refuse an older one.
        failures: Errors so far that count to the retry policy.
        cancel: Set when it should stop.
        enqueued_at: When it was accepted.
        headers: What the producer sent along; likewise `tags`.
        correlation_id: Ties related jobs together.
        parent: Id of the job that enqueued this one.
        trigger: Kind and detail of what started it.
        transaction: Opens one in which the job completes: `with current_job().transaction() as
            tx`, on an event loop `async with`. What the task writes on `tx.connection`, which leads
            to the store's own database, and the completion, with `tx.result`, are committed
            together when the block ends. An exception rolls both back; so does LeaseLost, which
            the end of the block raises when the job belongs to another worker by then. On SQLite
            nobody else can write meanwhile: after 5 s, or three tenths of a shorter lease, it is
            rolled back and raises TransactionTooLong.
        notes: Where what it says goes.
        batches: Names that `each` was called under in this attempt.
    """

    id: UUID
    number: int
    task: str
    queue: str
    delivery: int
    epoch: int
    failures: int
    enqueued_at: datetime
    correlation_id: str
    trigger: tuple[str, str]
    transaction: Callable[[], Completion]
    parent: UUID | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    cancel: CancelToken = field(default_factory=CancelToken)
    notes: Notes = field(default_factory=Silence, repr=False)
    batches: set[str] = field(default_factory=set, repr=False)

    @property
    def redelivered(self) -> bool:
        """Whether an earlier delivery may have done part of the work."""
        return self.delivery > 1

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the job has come, as often as you like: it never waits and never fails. What
        it said last reaches the store within half a second, and before its end does.

        Args:
            done, total: In whatever it counts. What is no number is left out.
            message: What it does just now, up to 500 characters.

        Also a sign of life, as `heartbeat`.
        """
        self.notes.beat()
        if (said := told(done, total, message)) is not None:
            self.notes.tell(said)

    def heartbeat(self) -> None:
        """Give a sign of life, for a task with `stalled_after`. Never waits and never fails."""
        self.notes.beat()

    def checkpoint(self, state: Any) -> None:
        """Keep a state for the next attempt of this job; durable when it returns.

        Args:
            state: JSON: None, booleans, numbers, text, lists, and dicts with text as keys. It
                replaces the one before.

        Raises:
            InvalidPayload: it is no JSON, or longer than the host's limit of payloads.
            LeaseLost: the job belongs to another worker by now; nothing was kept.
            StoreError: the store cannot do it.
            UsageError: on an event loop; `await acheckpoint(state)` there.
        """
        text = encode_state(state, self.notes.bytes_max, "a checkpoint")
        self.notes.beat()
        self.notes.save_checkpoint(text)

    async def acheckpoint(self, state: Any) -> None:
        """`checkpoint` in an `async def` task."""
        text = encode_state(state, self.notes.bytes_max, "a checkpoint")
        self.notes.beat()
        await self.notes.asave_checkpoint(text)

    def last_checkpoint(self, default: Any = None) -> Any:
        """The state that this job kept last, in this attempt or an earlier one; `default` if there
        is none. It stays when the job dies or is cancelled, so that a redrive goes on from it.

        Raises StoreError, and UsageError on an event loop: `await alast_checkpoint()` there.
        """
        text = self.notes.checkpoint()
        return default if text is None else json.loads(text)

    async def alast_checkpoint(self, default: Any = None) -> Any:
        """`last_checkpoint` in an `async def` task."""
        text = await self.notes.acheckpoint()
        return default if text is None else json.loads(text)

    def update_payload(self, *args: Any, **kwargs: Any) -> None:
        """Replace the arguments with which the next delivery of this job calls its task; durable
        when it returns. What they were before this attempt stays as a revision.

        Raises InvalidPayload for arguments that do not fit the task; else as `checkpoint`.
        """
        payload = self.notes.encode(args, kwargs)
        self.notes.beat()
        self.notes.save_payload(payload)

    async def aupdate_payload(self, *args: Any, **kwargs: Any) -> None:
        """`update_payload` in an `async def` task."""
        payload = self.notes.encode(args, kwargs)
        self.notes.beat()
        await self.notes.asave_payload(payload)


MakeJob = Callable[[], RunningJob]
"""Builds the running job when somebody asks; most tasks never do."""

_current: ContextVar[MakeJob] = ContextVar("jobhost_current_job")


def enter_job(make: MakeJob) -> None:
    """Declare that this context runs a job. Called by the worker, in a context of the job's own."""
    _current.set(make)


def current_job() -> RunningJob:
    """The job that runs this code. Raises UsageError outside a task."""
    if (job := running_job()) is None:
        raise UsageError("current_job() was called outside a running task: there is no job here")
    return job


def running_job() -> RunningJob | None:
    """The job that runs this code, or None."""
    make = _current.get(None)
    return None if make is None else make()
