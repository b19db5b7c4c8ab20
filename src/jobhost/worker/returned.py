"""What the value that a task returned means."""

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from jobhost.errors import InvalidPayload
from jobhost.jobs.outcomes import ErrorInfo, Succeeded, Unstorable
from jobhost.jobs.payload import Signature
from jobhost.jobs.retries import Retry
from jobhost.jobs.verdicts import DeadLetter, Defer, Discard, Snooze

_NOT_RUN: Final = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""What a call gives instead of running: such a job has not done its work."""

_RAISED_NOT_RETURNED: Final = (Snooze, Defer, DeadLetter, Discard, Retry)


def require_run(value: Any) -> None:
    """Raise TypeError for what a call gives instead of running."""
    if type(value) in _NOT_RUN:
        kind = type(value).__name__
        raise TypeError(f"the task returned a {kind} that nobody runs: make it an async def")


def outcome_of_value(value: Any, signature: Signature, bytes_max: int) -> Succeeded | Unstorable:
    """The outcome of an attempt that returned. Raises TypeError for a verdict that was meant to
    be raised."""
    try:
        return Succeeded(signature.encode_result(value, bytes_max))
    except InvalidPayload as error:
        if isinstance(value, _RAISED_NOT_RETURNED):
            name = type(value).__name__
            raise TypeError(f"the task returned {name}(...): raise it instead") from None
        return Unstorable(error=ErrorInfo(type="ResultUnstorable", message=str(error)))
