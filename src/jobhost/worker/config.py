"""What may be set for a worker."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from jobhost.durations import format_seconds, seconds
from jobhost.errors import InvalidOption, did_you_mean
from jobhost.host.kinds import MEMORY_BYTES_MIN, format_size, parse_size
from jobhost.jobs.options import check_name

CONCURRENCY_MAX: Final = 10_000
JOB_PROCESSES_MAX: Final = 1000
JOBS_PER_PROCESS_MAX: Final = 1_000_000
JOBS_MAX: Final = 1_000_000_000
WEIGHT_MAX: Final = 100
LEASE_SECONDS_MIN: Final = 0.05
"""A shorter one ends between two heartbeats on a machine that is merely busy."""

LOG_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""As `logging` has them."""

_COUNTS: Final = {
    "concurrency": CONCURRENCY_MAX,
    "job_processes": JOB_PROCESSES_MAX,
    "max_jobs_per_process": JOBS_PER_PROCESS_MAX,
}
"""Settings that are whole numbers from 1, with the most that each may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Settings of one worker.

    Args:
        queues: Names to serve: a list, or a mapping to weights from 1 to 100; a queue of
            weight 3 is asked first three times as often as one of weight 1. Default: the
            queues that the host's tasks name.
        concurrency: Slots: jobs at a time, 1 to 10,000; plain functions each take a thread.
            Default 20.
        lease: How long the store trusts this worker without a heartbeat. Default 30 s, at
            least 50 ms. Heartbeats come three times as often.
        poll: Longest sleep between looks at the store, should a wake-up be lost. Default 1 s;
            60 s where the store's server wakes its workers and heartbeats tell of jobs.
        stopping_wait_time: How long running jobs may go on after a first SIGTERM. Default 30 s.
        cancel_grace: How long a job may take to obey a time limit before the worker's
            process is given up to stop it. Default 5 s.
        burst: End when nothing is left to do.
        job_processes: Processes of jobs with `executor="process"` at a time, 1 to 1,000; further
            such jobs wait in their slots. Default: as many as there are processors.
        max_jobs_per_process: Jobs that one such process runs, one after the other, before a fresh
            one takes its place; 1 to 1,000,000. Default 1,000.

        max_jobs: Attempts after which this worker's process makes room for a fresh one, once its
            running jobs have ended; 1 to 1,000,000,000. Default: never.
        stall_after: How long one turn of the event loop may last before the log names the job that
            holds it up. Default 1 s. None: nobody watches.
        job_logs: The least level of log records that are kept with their jobs: "debug", "info",
            "warning" or "error"; and for "debug" and "info" what commands write. Default "info".
            None: nothing is kept.
        max_memory: The same for the memory that it holds, such as "512MB", 32 MB or more.
            Default: never.

    Raises InvalidOption for a value that is not allowed.
    """

    queues: list[str] | tuple[str, ...] | Mapping[str, int] | None = None
    concurrency: int = 20
    lease: Any = "30s"
    poll: Any = None
    stopping_wait_time: Any = "30s"
    cancel_grace: Any = "5s"
    burst: bool = False
    job_processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_jobs_per_process: int = 1000
    max_jobs: int | None = None
    max_memory: Any = None
    stall_after: Any = "1s"
    job_logs: str | None = "info"
    weights: dict[str, int] | None = field(init=False, default=None)
    lease_seconds: float = field(init=False, default=0.0)
    poll_seconds: float | None = field(init=False, default=None)
    stopping_wait_seconds: float = field(init=False, default=0.0)
    cancel_grace_seconds: float = field(init=False, default=0.0)
    memory_bytes: int | None = field(init=False, default=None)
    stall_seconds: float | None = field(init=False, default=None)
    job_log_level: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        for name, most in _COUNTS.items():
            _check_count(getattr(self, name), name, most)
        if self.max_jobs is not None:
            _check_count(self.max_jobs, "max_jobs", JOBS_MAX)
        if not isinstance(self.burst, bool):
            raise InvalidOption(f"burst must be True or False; got {self.burst!r}")
        derived: dict[str, Any] = {
            "weights": None if self.queues is None else _weights(self.queues),
            "lease_seconds": _lease(self.lease),
            "poll_seconds": None if self.poll is None else _positive(self.poll, "poll"),
            "stopping_wait_seconds": seconds(self.stopping_wait_time, "stopping_wait_time"),
            "cancel_grace_seconds": _positive(self.cancel_grace, "cancel_grace"),
        }
        if self.stall_after is not None:
            derived["stall_seconds"] = _positive(self.stall_after, "stall_after")
        if self.max_memory is not None:
            derived["memory_bytes"] = _memory(self.max_memory)
        if self.job_logs is not None:
            derived["job_log_level"] = _log_level(self.job_logs)
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def heartbeat_seconds(self) -> float:
        """Two heartbeats may be missed before the lease ends."""
        return self.lease_seconds / 3


def worker_config(given: Mapping[str, Any]) -> WorkerConfig:
    """The settings from keywords. Raises InvalidOption for a name that is no setting."""
    known = [item.name for item in fields(WorkerConfig) if item.init]
    for name in given:
        if name not in known:
            raise InvalidOption(f"{name!r} is no setting of a worker: {did_you_mean(name, known)}")
    return WorkerConfig(**given)


def _weights(queues: object) -> dict[str, int]:
    if isinstance(queues, str) or not isinstance(queues, Iterable) or not queues:
        raise InvalidOption(
            f"queues must be a list of names or map names to weights; got {queues!r}"
        )
    names = [check_name(name, "queue") for name in queues]
    given = dict(queues) if isinstance(queues, Mapping) else dict.fromkeys(names, 1)
    for name, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= WEIGHT_MAX:
            raise InvalidOption(
                f"the weight of queue {name!r} must be a whole number from 1 to {WEIGHT_MAX}; "
                f"got {weight!r}"
            )
    return given


def _check_count(wanted: object, name: str, most: int) -> None:
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise InvalidOption(f"{name} must be a whole number; got {wanted!r}")
    if not 1 <= wanted <= most:
        raise InvalidOption(f"{name} must be from 1 to {most}; got {wanted}")


def _positive(value: object, what: str) -> float:
    if (span := seconds(value, what)) <= 0:
        raise InvalidOption(f"{what} must be longer than zero; got {value!r}")
    return span


def _lease(value: object) -> float:
    if (span := _positive(value, "lease")) < LEASE_SECONDS_MIN:
        least = format_seconds(LEASE_SECONDS_MIN)
        raise InvalidOption(f"lease must be at least {least}; got {value!r}")
    return span


def _log_level(value: object) -> int:
    if value not in LOG_LEVELS:
        named = ", ".join(repr(name) for name in LOG_LEVELS)
        raise InvalidOption(f"job_logs must be {named} or None; got {value!r}")
    return LOG_LEVELS[str(value)]


def _memory(value: object) -> int:
    if (size := parse_size(value, "max_memory")) < MEMORY_BYTES_MIN:
        least = format_size(MEMORY_BYTES_MIN)
        raise InvalidOption(f"max_memory must be at least {least}; got {value!r}")
    return size
