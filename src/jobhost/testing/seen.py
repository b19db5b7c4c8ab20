"""A job as a test sees it: as it stood in the store when it was looked at."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobhost.errors import InvalidPayload
from jobhost.host.job import Job
from jobhost.host.registry import Registry
from jobhost.host.wiring import Wiring
from jobhost.ids import parse_id
from jobhost.jobs.outcomes import ErrorInfo
from jobhost.jobs.records import JobRecord
from jobhost.jobs.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """One job.

    Args:
        record: All that the store has of it, except for its result.
        arguments: Its arguments by parameter, defaults included, of the types that the task gets.
        handle: The job from outside, as `enqueue` gives it: its result, attempts, logs, cancel.
    """

    record: JobRecord
    arguments: Mapping[str, Any]
    handle: Job[Any]

    @property
    def id(self) -> UUID:
        """Its id."""
        return self.record.id

    @property
    def task(self) -> str:
        """Name of its task."""
        return self.record.task

    @property
    def queue(self) -> str:
        """Name of its queue."""
        return self.record.queue

    @property
    def state(self) -> State:
        """Its state, which equals its name: `job.state == "succeeded"`."""
        return self.record.state

    @property
    def reason(self) -> str | None:
        """Why it is in that state, where that needs a word."""
        return self.record.reason

    @property
    def due_at(self) -> datetime | None:
        """When it is due, while it is scheduled."""
        return self.record.due_at

    @property
    def deliveries(self) -> int:
        """How often it was handed to its task."""
        return self.record.deliveries

    @property
    def failures(self) -> int:
        """How many attempts have failed."""
        return self.record.failures

    @property
    def error(self) -> ErrorInfo | None:
        """What it died of."""
        return self.record.error

    @property
    def result(self) -> Any:
        """What its task has returned. Raises JobDead, JobCancelled, ResultTimeout if it has not."""
        return self.handle.result(timeout="0s")


def see(record: JobRecord, tasks: Registry, wiring: Wiring) -> SeenJob:
    """The job of a record."""
    task = tasks.find(record.task)
    decode = json.loads if task is None else task.signature.decode_result
    return SeenJob(
        record=record,
        arguments=_arguments(record, tasks),
        handle=Job(parse_id(record.id), wiring, decode),
    )


def _arguments(record: JobRecord, tasks: Registry) -> dict[str, Any]:
    """By parameter; as they are stored if no task here can read them."""
    task = tasks.find(record.task)
    try:
        if task is None:
            raise InvalidPayload(f"no task is named {record.task!r}")
        args, kwargs = task.signature.decode(record.payload)
    except InvalidPayload:
        stored = json.loads(record.payload)
        return stored if isinstance(stored, dict) else {}
    signature = inspect.signature(task.function)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    given = dict(bound.arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= given.pop(parameter.name)
    return given
