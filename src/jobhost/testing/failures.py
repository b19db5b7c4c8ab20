"""Attempts that did not end well while a test ran jobs, and how the test hears of them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jobhost.durations import format_seconds
from jobhost.events import AttemptFailed
from jobhost.plurals import counted


class TaskFailed(AssertionError):  # noqa: N818 - named for what happened, as all others
    """An attempt failed without an exception that could be raised again: it ran out of time, a
    command ended with another exit code, or the task wanted to end the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that failed.

    Args:
        job: Id of its job, and `task` the name of that one's task.
        outcome: As attempts have it, such as "failed" or "timed out".
        error: Type and message.
        exception: What the task raised, with its traceback; None where there is none to raise.
        retry_seconds: When it is tried again; None if that was the last attempt.
    """

    job: UUID
    task: str
    outcome: str
    error: str
    exception: Exception | None
    retry_seconds: float | None

    @property
    def is_final(self) -> bool:
        """Whether the job is dead now."""
        return self.retry_seconds is None

    @property
    def words(self) -> str:
        """Which job, and what becomes of it."""
        again = "it is dead now"
        if self.retry_seconds is not None:
            again = f"it is tried again in {format_seconds(self.retry_seconds)}"
        return f"job {self.job} of {self.task!r} {self.outcome}; {again}"


class FailureLog:
    """Notes failures as the events of a worker tell of them."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def note(self, event: AttemptFailed) -> None:
        """Called in the thread of the job, while what it raised is being handled."""
        error = sys.exception()
        self.failures.append(
            Failure(
                job=event.job,
                task=event.task,
                outcome=event.outcome,
                error=event.error,
                exception=error if _is_told(error, event.error) else None,  # type: ignore[arg-type]
                retry_seconds=event.retry_seconds,
            )
        )


def raise_failures(failures: Sequence[Failure]) -> None:
    """Raise what one task raised as it is, what several did as an ExceptionGroup. Nothing for
    none."""
    errors = [_error_of(failure) for failure in failures]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{counted(len(errors), 'attempt')} failed", errors)


def _error_of(failure: Failure) -> Exception:
    error = failure.exception
    if error is None:
        return TaskFailed(f"{failure.words}: {failure.error}")
    error.add_note(failure.words)
    return error


def _is_told(error: BaseException | None, told: str) -> bool:
    """Whether it is what the attempt failed of: one that ran out of time raises something else, and
    what would end the program must not end the tests."""
    if not isinstance(error, Exception):
        return False
    kind = type(error)
    return told.startswith((f"{kind.__module__}.{kind.__qualname__}: ", f"{kind.__qualname__}: "))
