"""jobhost: background jobs for Python.

    from jobhost import JobHost, Retry

    host = JobHost()

    @host.task(retry=Retry(max_attempts=5), timeout="10m")
    def thumbnail(source: Path, width: int = 256) -> Path: ...

    job = thumbnail.enqueue(Path("cat.jpg"))

Only names are here. Start reading at `app.py`, or with the tour in docs/ARCHITECTURE.md.
"""

from typing import TYPE_CHECKING

from jobhost.app import JobHost
from jobhost.errors import (
    DuplicateTask,
    IdempotencyConflict,
    IllegalMove,
    InvalidOption,
    InvalidPayload,
    JobCancelled,
    JobDead,
    JobExpired,
    JobFailed,
    JobhostError,
    JobNotFound,
    KeyConflict,
    LeaseLost,
    NotUpgraded,
    QueueFull,
    ResultTimeout,
    ResultUnstorable,
    SchemaMismatch,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreGone,
    StoreMoved,
    StoreReadOnly,
    StoreRefusedData,
    StoreUnavailable,
    TransactionTooLong,
    UniqueKeyTaken,
    UnknownArgument,
    UnknownTask,
    UsageError,
)
from jobhost.host.current import CancelToken, RunningJob, current_job
from jobhost.host.items import ItemsFailed, aeach, each
from jobhost.jobs.notes import ItemFailure, ItemReport, LogLine, Progress
from jobhost.jobs.options import Options
from jobhost.jobs.retention import Retention
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.jobs.verdicts import DeadLetter, Defer, Discard, Snooze
from jobhost.version import VERSION

if TYPE_CHECKING:
    from jobhost.host.job import Job as Job
    from jobhost.host.queue import Queue as Queue
    from jobhost.host.task import Task as Task

__version__ = VERSION

__all__ = [
    "CancelToken",
    "DeadLetter",
    "Defer",
    "Discard",
    "DuplicateTask",
    "IdempotencyConflict",
    "IllegalMove",
    "InvalidOption",
    "InvalidPayload",
    "ItemFailure",
    "ItemReport",
    "ItemsFailed",
    "Job",
    "JobCancelled",
    "JobDead",
    "JobExpired",
    "JobFailed",
    "JobHost",
    "JobNotFound",
    "JobhostError",
    "KeyConflict",
    "LeaseLost",
    "LogLine",
    "NotUpgraded",
    "Options",
    "Progress",
    "Queue",
    "QueueFull",
    "ResultTimeout",
    "ResultUnstorable",
    "Retention",
    "Retry",
    "RunningJob",
    "SchemaMismatch",
    "Snooze",
    "State",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreGone",
    "StoreMoved",
    "StoreReadOnly",
    "StoreRefusedData",
    "StoreUnavailable",
    "Task",
    "TransactionTooLong",
    "UniqueKeyTaken",
    "UnknownArgument",
    "UnknownTask",
    "UsageError",
    "aeach",
    "current_job",
    "each",
]


def __getattr__(name: str) -> object:
    """Job, Queue and Task need pydantic; loaded when asked for, the import stays fast."""
    if name == "Job":
        from jobhost.host.job import Job

        return Job
    if name == "Queue":
        from jobhost.host.queue import Queue

        return Queue
    if name == "Task":
        from jobhost.host.task import Task

        return Task
    raise AttributeError(f"module 'jobhost' has no attribute {name!r}")
