"""Every error that jobhost raises, in one tree.

    JobhostError
    ├── UsageError                  wrong use: the message says what was expected
    │   ├── InvalidOption           an option of a task, a call or a worker
    │   ├── InvalidPayload          arguments that do not fit the task or cannot be stored
    │   │   ├── UnknownArgument     one that the task of this program does not know
    │   │   └── NotUpgraded         a task's `upgrade` failed
    │   ├── DuplicateTask           two tasks under one name
    │   └── UnknownTask             no task of that name on this host
    ├── StoreError                  the store could not do it
    │   ├── StoreUnavailable        cannot be opened or reached
    │   │   └── StoreGone           its file was deleted or replaced while in use
    │   │       └── StoreMoved      its jobs live at another address now
    │   ├── StoreBusy               somebody else holds it longer than the time-out
    │   ├── StoreFull               no space left
    │   ├── StoreReadOnly           may be read, not written
    │   ├── StoreDamaged            the file is not what it should be
    │   ├── StoreRefusedData        one value of a batch cannot be stored
    │   └── SchemaMismatch          the schema is newer or older than this code
    ├── KeyConflict                 a key of the call belongs to another job
    │   ├── IdempotencyConflict     which was enqueued with other arguments
    │   └── UniqueKeyTaken          which still holds it
    ├── QueueFull                   as many jobs wait there as may
    ├── JobNotFound                 no job of that id
    │   └── JobExpired              so old that it has been deleted, if there was one
    ├── IllegalMove                 a job in this state cannot make this move
    ├── ResultTimeout               the job had not ended in time (also a TimeoutError)
    ├── JobFailed                   the job ended without a result
    │   ├── JobDead                 it used up its attempts or was rejected
    │   ├── JobCancelled            it was cancelled or discarded
    │   └── ResultUnstorable        it succeeded; its result could not be stored
    ├── TransactionTooLong          a job's own transaction kept others from writing too long
    └── LeaseLost                   this worker no longer owns the job

A message says what was expected, which value came, and the next step.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Any
from uuid import UUID


class JobhostError(Exception):
    """The base of all errors of jobhost."""


class UsageError(JobhostError):
    """A call, an option or a command was used wrongly; nothing was changed."""


class InvalidOption(UsageError):
    """An option has a value that is not allowed."""


class InvalidPayload(UsageError):
    """Arguments do not fit the task's signature or cannot be stored."""


class UnknownArgument(InvalidPayload):
    """A stored job has an argument that the task of this program does not know; a newer one may."""


class NotUpgraded(InvalidPayload):
    """A task's `upgrade` failed; the error that it raised is the cause."""


class DuplicateTask(UsageError):
    """Two tasks were declared under one name."""


class UnknownTask(UsageError):
    """No task of that name is declared on this host."""


class StoreError(JobhostError):
    """The store could not do what was asked; see the subclass for what to do."""


class StoreUnavailable(StoreError):
    """The store cannot be opened or reached.

    `job_ids`: what an enqueue was about to accept, with the ids under which it can be repeated; a
    job of them may have been accepted all the same, if the message says so. Else empty.
    """

    job_ids: tuple[UUID, ...] = ()


class StoreGone(StoreUnavailable):
    """The store's file was deleted or replaced while this process used it. Start it again."""


class StoreMoved(StoreGone):
    """The store was moved; it can be read, not written. Go to the address in the message."""


class StoreBusy(StoreError):
    """Another process held the store longer than the time-out. Repeating is safe."""


class StoreFull(StoreError):
    """No space is left. Nothing was written; repeat when there is space."""


class StoreReadOnly(StoreError):
    """The store can be read but not written."""


class StoreDamaged(StoreError):
    """The file is damaged: restore a backup. Or it is no store at all: choose another path."""


class StoreRefusedData(StoreError):
    """The store refused one value of what was to be written; nothing was written."""


class SchemaMismatch(StoreError):
    """The schema in the store does not fit this version of jobhost."""


class KeyConflict(JobhostError):
    """A key belongs to another job, and nothing was changed.

    `job_id`: that job's id.
    """

    def __init__(self, message: str, *, job_id: bytes) -> None:
        super().__init__(message)
        self.job_id = UUID(bytes=job_id)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), job_id=self.job_id.bytes), self.args


class IdempotencyConflict(KeyConflict):
    """The idempotency key was given before, with another payload. Give each call its own key."""


class UniqueKeyTaken(KeyConflict):
    """Another job has the unique key. Repeat when it has ended, or leave it at that job."""


class QueueFull(JobhostError):
    """As many jobs wait in a queue as may, and its setting is to refuse more, or the wait for a
    place was in vain. Nothing was accepted: try again later, or do without.

    `queue` and `capacity` say which and how many.
    """

    queue: str = ""
    capacity: int = 0


class JobNotFound(JobhostError):
    """No job with this id is in the store."""


class JobExpired(JobNotFound):
    """No job with this id is in the store, and one that old has been deleted by now: see
    `Retention`. Whether there ever was one cannot be told."""


class IllegalMove(JobhostError):
    """A job cannot make this move from the state it is in."""


class ResultTimeout(JobhostError, TimeoutError):
    """The job had not ended when the time given to wait was over. It goes on."""


class JobFailed(JobhostError):
    """The job ended without a result to hand back."""


class JobDead(JobFailed):
    """The job used up its attempts or was rejected; the message has the reason."""


class JobCancelled(JobFailed):
    """The job was cancelled or discarded; the message has the reason."""


class ResultUnstorable(JobFailed):
    """The job succeeded, but what it returned could not be stored."""


class LeaseLost(JobhostError):
    """This worker's right to the job has ended; whatever it still writes is refused."""


class TransactionTooLong(JobhostError):
    """A job's own transaction was rolled back, since others could not write for as long as it
    lasted. Do what takes long before it begins."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing phrase for an unknown name: the nearest known one, else the list of up to ten."""
    names = sorted(known)
    if near := get_close_matches(name, names, n=1):
        return f"did you mean {near[0]!r}?"
    if not names:
        return "none is declared"
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"known: {shown}"
