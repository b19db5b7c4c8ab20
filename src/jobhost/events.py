"""What happened, as typed events, and who hears of it.

Code says what happened by emitting an event; subscribers word the logs, count, or trace.
An event type that nobody subscribed to costs nothing: `wants` tells before it is made.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMade:
    """A worker was made. `url_option` is what a command on its store needs beside its own
    arguments: ` --url` with the address, or nothing where the command finds the store by itself."""

    url_option: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted:
    """A worker registered under `node` and begins to claim."""

    node: int
    worker: str
    queues: tuple[str, ...]
    slots: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDraining:
    """A worker stops claiming; `running` jobs get `wait_seconds` to end."""

    running: int
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStopped:
    """A worker has left, after `ended` attempts."""

    ended: int
    released: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """An attempt ended otherwise than well; `retry_seconds` is None when it was the last."""

    job: UUID
    task: str
    outcome: str
    error: str
    retry_seconds: float | None
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLate:
    """A task failed after its own transaction had completed the job, which stays succeeded."""

    job: UUID
    task: str
    error: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTooNew:
    """This worker leaves jobs of `task` to newer ones: their arguments are of `version`, and it
    knows them up to `known`. Told once for each task and version, with the first such job."""

    job: UUID
    task: str
    version: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsLost:
    """The store refused what these jobs had to say: they are no longer this worker's."""

    jobs: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded:
    """The lease of `node` ended while `running` jobs ran; they are told, the worker goes on."""

    node: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRescued:
    """The jobs of a dead worker were taken over: `returned` run again, `ended` do not."""

    worker: str
    reason: str
    returned: int
    ended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTrouble:
    """The store failed; the worker tries again after `retry_seconds`. None: it leaves without a
    word to the store, and others take over what it held."""

    error: str
    retry_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBack:
    """The store works again, after one trouble or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRetiring:
    """A job did not stop at its time limit: only the end of the process stops it, and the worker
    claims nothing more. `stack` is where the job was just then."""

    job: UUID
    task: str
    waited_seconds: float
    stack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecycling:
    """The worker's process is worn out: it drains, and a fresh one takes its place."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEmbedded:
    """A worker is about to run inside another program, whose process it does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFailed:
    """A worker inside another program has ended by itself, with this error."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStalled:
    """A turn of the worker's event loop lasts `seconds` already; told again when it is `over`, with
    its whole length. `job` and `task` are what it was doing: None and the name of an asyncio Task,
    or nothing, when that was no job's. `stack` is where it stood when it was first noticed."""

    seconds: float
    job: UUID | None
    task: str
    stack: str
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsParked:
    """Jobs whose task no live worker knows were set aside."""

    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsExpired:
    """The time to start of jobs was over: `jobs` are dead, `dropped` were deleted."""

    jobs: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPruned:
    """Jobs that had been kept as long as they should be were deleted, in one walk."""

    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLate:
    """A job of this queue has waited longer than the queue's objective. Told once, by one worker
    for all; `QueueInTime` tells the end. `paused`: nothing of the queue is started just now."""

    queue: str
    oldest_seconds: float
    objective_seconds: float
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInTime:
    """No job of this queue waits longer than its objective any more."""

    queue: str
    objective_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrioritiesRaised:
    """So many jobs of this queue have waited for its age, and have a higher priority now."""

    queue: str
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursUnreadable:
    """The opening hours of this queue cannot be read by this worker, so that it can only keep the
    queue closed until another one opens it. Told once by each worker that cannot."""

    queue: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilling:
    """This queue has reached four fifths of its capacity. Told once, by one worker for all;
    `QueueHasRoom` tells the end."""

    queue: str
    jobs: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHasRoom:
    """This queue is below seven tenths of its capacity again."""

    queue: str
    jobs: int
    capacity: int


E_ = TypeVar("E_")


class Events:
    """Subscribers by event type. A subscriber that raises is reported and never disturbs the
    code that emitted."""

    def __init__(self) -> None:
        self._subscribers: dict[type[Any], list[Callable[[Any], None]]] = {}

    def subscribe(self, kind: type[E_], subscriber: Callable[[E_], None]) -> None:
        """Call `subscriber` with each event of this type, in the thread that emits it."""
        self._subscribers.setdefault(kind, []).append(subscriber)

    def wants(self, kind: type[Any]) -> bool:
        """Whether anybody listens to this type."""
        return kind in self._subscribers

    def emit(self, event: object) -> None:
        """Tell all who listen."""
        for subscriber in self._subscribers.get(type(event), ()):
            try:
                subscriber(event)
            except Exception:  # noqa: BLE001 - a subscriber's fault is its own
                _log.exception("a subscriber of %s raised", type(event).__name__)


_log = logging.getLogger("jobhost")
