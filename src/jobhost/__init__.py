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
    IllegalMove,
    InvalidOption,
    InvalidPayload,
    JobCancelled,
    JobDead,
    JobFailed,
    JobhostError,
    JobNotFound,
    LeaseLost,
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
    UnknownTask,
    UsageError,
)
from jobhost.host.current import CancelToken, RunningJob, current_job
from jobhost.jobs.options import Options
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.jobs.verdicts import DeadLetter, Discard, Snooze
from jobhost.version import VERSION

if TYPE_CHECKING:
    from jobhost.host.job import Job as Job
    from jobhost.host.task import Task as Task

__version__ = VERSION

__all__ = [
    "CancelToken",
    "DeadLetter",
    "Discard",
    "DuplicateTask",
    "IllegalMove",
    "InvalidOption",
    "InvalidPayload",
    "Job",
    "JobCancelled",
    "JobDead",
    "JobFailed",
    "JobHost",
    "JobNotFound",
    "JobhostError",
    "LeaseLost",
    "Options",
    "ResultTimeout",
    "ResultUnstorable",
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
    "UnknownTask",
    "UsageError",
    "current_job",
]


def __getattr__(name: str) -> object:
    """Job and Task need pydantic; they are loaded when somebody asks, to keep the import fast."""
    if name == "Job":
        from jobhost.host.job import Job

        return Job
    if name == "Task":
        from jobhost.host.task import Task

        return Task
    raise AttributeError(f"module 'jobhost' has no attribute {name!r}")
