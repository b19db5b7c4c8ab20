"""Which jobs a test means, and in words what is different about the others."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jobhost.durations import format_seconds, parse_duration
from jobhost.errors import UsageError, did_you_mean
from jobhost.host.task import Task
from jobhost.plurals import counted
from jobhost.testing.seen import SeenJob

SHOWN_MAX: Final = 5
"""Jobs that a message shows: the nearest."""

_VALUE_CHARS_MAX: Final = 200


def _delay(job: SeenJob) -> str | None:
    due, accepted = job.record.due_at, job.record.created_at
    return None if due is None else format_seconds((due - accepted).total_seconds())


_SAID: Final[Mapping[str, Callable[[SeenJob], Any]]] = {
    "queue": lambda job: job.queue,
    "priority": lambda job: job.record.priority,
    "state": lambda job: job.state.value,
    "delay": _delay,
    "run_at": lambda job: job.due_at,
    "tags": lambda job: set(job.record.envelope.tags),
    "headers": lambda job: dict(job.record.envelope.headers),
}
"""What may be said of a job beside its arguments, and how it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What jobs are meant: those of a task, or all, of which all this holds.

    Args:
        task: The task.
        arguments: Values by parameter; each need only be equal to the job's.
        options: What is said of the job itself, by the names of `_SAID`.
    """

    task: Task[..., Any, Any] | None
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        words = "any task"
        if self.task is not None:
            words = _call(self.task.name, self.arguments) if self.arguments else self.task.name
        said = ", ".join(f"{name}={_short(value)}" for name, value in self.options.items())
        return f"{words} with {said}" if said else words

    def differences(self, job: SeenJob) -> list[str]:
        """What is different about a job of the task."""
        found = [
            f"{name} is {_short(job.arguments[name])}" if name in job.arguments else f"no {name}"
            for name, value in self.arguments.items()
            if name not in job.arguments or value != job.arguments[name]
        ]
        for name, value in self.options.items():
            if value != (has := _SAID[name](job)):
                found.append(f"{name} is {_short(has)}" if has is not None else f"no {name}")
        return found

    def fits(self, job: SeenJob) -> bool:
        """Whether it is meant."""
        if self.task is not None and job.task != self.task.name:
            return False
        return not self.differences(job)

    def complaint(self, jobs: Sequence[SeenJob], *, found: int, wanted: str) -> str:
        """Why a test fails: what was expected, and what there is, nearest first."""
        count = f"are {found}" if found > 1 else f"is {'one' if found else 'none'}"
        head = f"expected {wanted} of {self}, and there {count}"
        if not jobs:
            return f"{head}; no job was enqueued at all"
        nearest = sorted(jobs, key=self._distance)
        lines = [self._line(job) for job in nearest[:SHOWN_MAX]]
        if len(nearest) > SHOWN_MAX:
            lines.append(f"… and {counted(len(nearest) - SHOWN_MAX, 'job')} less like it")
        return "\n  ".join([f"{head}; these were enqueued:", *lines])

    def _distance(self, job: SeenJob) -> tuple[bool, int]:
        other = self.task is not None and job.task != self.task.name
        return other, 0 if other else len(self.differences(job))

    def _line(self, job: SeenJob) -> str:
        words = f"{_call(job.task, job.arguments)} in {job.queue!r}, {job.state}"
        if delay := _delay(job):
            words += f", due {delay} after it was enqueued"
        if self._distance(job)[0]:
            return words
        different = self.differences(job)
        return f"{words}   <- {'; '.join(different)}" if different else f"{words}   <- fits"


def expect(
    task: Task[..., Any, Any] | None, args: Sequence[Any], given: Mapping[str, Any]
) -> Expectation:
    """What a test has said. A name is the parameter of the task, if it has one of that name, else
    what is said of the job itself.

    Raises UsageError for a name that is neither, InvalidOption for a span or instant that is none.
    """
    parameters = {} if task is None else dict(inspect.signature(task.function).parameters)
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    arguments = _by_position(task, args, parameters.values())
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name in arguments:
            raise UsageError(f"{name!r} is given by position and by name")
        if name in parameters:
            arguments[name] = value
        elif name in _SAID:
            options[name] = _comparable(name, value)
        elif open_ended:
            arguments[name] = value
        else:
            hint = did_you_mean(name, [*parameters, *_SAID])
            whose = "jobs" if task is None else f"task {task.name!r} or its jobs"
            raise UsageError(f"{name!r} is nothing that can be said of {whose}: {hint}")
    return Expectation(task=task, arguments=arguments, options=options)


def _by_position(
    task: Task[..., Any, Any] | None,
    args: Sequence[Any],
    parameters: Iterable[inspect.Parameter],
) -> dict[str, Any]:
    if not args:
        return {}
    if task is None:
        raise UsageError("arguments by position need the task that they are for")
    named: dict[str, Any] = {}
    rest = list(args)
    for parameter in parameters:
        if not rest:
            break
        if parameter.kind is parameter.VAR_POSITIONAL:
            named[parameter.name], rest = tuple(rest), []
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            named[parameter.name] = rest.pop(0)
    if rest:
        raise UsageError(f"task {task.name!r} does not take {len(args)} arguments by position")
    return named


def _comparable(name: str, value: Any) -> Any:
    """As `_SAID` reads it."""
    if name == "delay" and value is not None:
        return format_seconds(parse_duration(value, "delay").total_seconds())
    if name == "run_at" and isinstance(value, datetime) and value.tzinfo is None:
        raise UsageError(f"run_at must be an aware datetime; got {value!r}")
    return set(value) if name == "tags" else value


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={_short(value)}' for key, value in arguments.items())})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[: _VALUE_CHARS_MAX - 1]}…"
