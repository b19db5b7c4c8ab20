"""What an exception of a task means, given why the task may have been asked to stop."""

import traceback
from enum import StrEnum
from typing import Final

from jobhost.errors import InvalidPayload, NotUpgraded, UnknownArgument
from jobhost.jobs.outcomes import (
    UNREADABLE,
    BeyondMe,
    Cancelled,
    DeadLettered,
    Deferred,
    Discarded,
    ErrorInfo,
    Failed,
    Outcome,
    Released,
    Snoozed,
    storable,
)
from jobhost.jobs.retries import Retry, class_names
from jobhost.jobs.verdicts import DeadLetter, Defer, Discard, Snooze

MESSAGE_CHARS_MAX: Final = 4_000
TRACEBACK_CHARS_MAX: Final = 16_000
"""An attempt's error is for reading; twenty megabytes of text would hide it."""


class Stop(StrEnum):
    """Why a running job was asked to stop."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    RELEASE = "release"
    LOST = "lost"


def outcome_of(
    error: BaseException, stop: Stop | None, reason: str, *, began: bool = True
) -> Outcome:
    """The outcome of an attempt that raised.

    Args:
        error: What it raised, whatever that was: also KeyboardInterrupt, SystemExit, or a
            CancelledError of its own making, which are failures like any other.
        stop: Why it had been asked to stop, if it had.
        reason: That in words.
        began: Whether the task was called; if not, its arguments could not be read.
    """
    if stop is Stop.CANCEL:
        return Cancelled(reason=reason)
    if stop is Stop.RELEASE:
        return Released()
    if stop is Stop.TIMEOUT:
        return timed_out(reason, error)
    if isinstance(error, NotUpgraded) and not began:
        cause = error.__cause__ or error
        return DeadLettered(reason="its arguments cannot be upgraded", error=describe(cause))
    if isinstance(error, UnknownArgument) and not began:
        return BeyondMe(error=describe(error))
    if isinstance(error, InvalidPayload) and not began:
        return DeadLettered(reason=UNREADABLE, error=describe(error))
    try:
        return _said(error)
    except Exception as second:  # noqa: BLE001 - a user's subclass may lack what its base promises
        return Failed(error=describe(second), names=class_names(type(second)))


def _said(error: BaseException) -> Outcome:
    """What the exception itself says."""
    match error:
        case Snooze():
            return Snoozed(delay_seconds=error.delay.total_seconds())
        case Defer():
            return Deferred(reason=_storable(error.reason, MESSAGE_CHARS_MAX))
        case DeadLetter():
            reason = _storable(error.reason, MESSAGE_CHARS_MAX)
            return DeadLettered(reason=reason, error=describe(error))
        case Discard():
            return Discarded(reason=_storable(error.reason, MESSAGE_CHARS_MAX))
        case Retry():
            after = None if error.after is None else error.after.total_seconds()
            names = class_names(type(error))
            return Failed(error=describe(error), names=names, after_seconds=after)
        case _:
            return Failed(error=describe(error), names=class_names(type(error)))


def outcome_of_stuck(stop: Stop | None, reason: str) -> Outcome:
    """The outcome of an attempt that had not ended when its worker left."""
    if stop is Stop.TIMEOUT:
        return timed_out(reason)
    return Cancelled(reason=reason) if stop is Stop.CANCEL else Released()


def timed_out(reason: str, error: BaseException | None = None) -> Failed:
    """The outcome of an attempt that ran out of time."""
    trace = "" if error is None else describe(error).traceback
    info = ErrorInfo(type="TimeLimit", message=reason, traceback=trace)
    return Failed(error=info, names=("builtins.TimeLimit", "builtins.TimeoutError"), timed_out=True)


def describe(error: BaseException) -> ErrorInfo:
    """An exception as bounded, storable text; never raises, whatever its `__str__` does."""
    return ErrorInfo(
        type=_storable(_class_name(type(error)), MESSAGE_CHARS_MAX),
        message=_storable(_message(error), MESSAGE_CHARS_MAX),
        traceback=_storable(_traceback(error), TRACEBACK_CHARS_MAX),
    )


def _class_name(kind: type[BaseException]) -> str:
    try:
        name: str = kind.__qualname__
        return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"
    except Exception:  # noqa: BLE001 - a metaclass may raise anything
        return "(the name of the class cannot be read)"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"(the message cannot be printed: its __str__ raised {type(second).__qualname__})"


def _traceback(error: BaseException) -> str:
    try:
        own_frame = error.__traceback__
        inner = own_frame.tb_next if own_frame is not None else None
        return "".join(
            traceback.format_exception(type(error), error, inner or own_frame, limit=-50)
        )
    except BaseException as second:  # noqa: BLE001 - as above, and memory may be short
        return f"(the traceback cannot be printed: {type(second).__qualname__})"


def _storable(text: str, chars_max: int) -> str:
    """Cut in the middle, where it is least interesting; no NUL, no lone surrogates."""
    if len(text) > chars_max:
        half = chars_max // 2
        text = f"{text[:half]}\n… {len(text) - chars_max:,} characters left out …\n{text[-half:]}"
    return storable(text)
