"""What is said of a queue: its settings, and how they are changed. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from jobhost.clock import microseconds
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption, did_you_mean
from jobhost.jobs.ageing import AGE_SECONDS_MIN
from jobhost.jobs.hours import Opening, parse_hours
from jobhost.jobs.options import check_name
from jobhost.zones import DEFAULT_ZONE, find_zone

REASON_CHARS_MAX: Final = 500
"""Of a pause: it is shown on one line."""

CAPACITY_MAX: Final = 1_000_000_000
"""More than any store holds: a larger one is a typing error."""


class WhenFull(StrEnum):
    """What an enqueue into a full queue comes to."""

    REJECT = "reject"
    WAIT = "wait"
    DROP_OLDEST = "drop_oldest"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What operators and programs have said of a queue.

    Args:
        name: Its name.
        paused_at: Since when nothing of it is started; None: it is not paused.
        pause_reason: Why, if somebody said so.
        capacity: How many jobs may wait at most; None: no bound.
        when_full: What an enqueue into a full queue comes to.
        wait: The longest wait of an enqueue for a place, with `WhenFull.WAIT`.
        expires: The longest that a job may wait, whatever it says itself.
        dropped: Whether expired jobs are deleted, and not kept as dead.
        objective: The longest that a job should wait; longer is told as an event.
        raise_priority_after: A job that has waited for so long is raised to the next higher
            priority in use, and so on after each further such time; None: none is raised.
        hours: When its jobs may start, as `jobs.hours` reads it; None: at any time.
        zone: Whose clocks these hours go by.
        opening: How it stood by these hours when this was read; None without hours.
    """

    name: str
    paused_at: datetime | None = None
    pause_reason: str | None = None
    capacity: int | None = None
    when_full: WhenFull = WhenFull.REJECT
    wait: timedelta | None = None
    expires: timedelta | None = None
    dropped: bool = False
    objective: timedelta | None = None
    raise_priority_after: timedelta | None = None
    hours: str | None = None
    zone: str = DEFAULT_ZONE
    opening: Opening | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing of it starts by its hours."""
        return self.opening is not None and not self.opening.open

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`: spans in seconds, instants in ISO 8601."""
        return {
            "paused_at": None if self.paused_at is None else self.paused_at.isoformat(),
            "pause_reason": self.pause_reason,
            "capacity": self.capacity,
            "when_full": self.when_full.value,
            "wait_seconds": _seconds(self.wait),
            "expires_seconds": _seconds(self.expires),
            "dropped": self.dropped,
            "objective_seconds": _seconds(self.objective),
            "raise_priority_after_seconds": _seconds(self.raise_priority_after),
            "hours": self.hours,
            "zone": self.zone,
            "open": None if self.opening is None else self.opening.open,
            "changes_at": _changes_at(self.opening),
        }


def stored_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the store keeps them, by the name of their column.

    Args:
        changes: Some of `capacity`, `when_full`, `wait`, `expires`, `dropped`, `objective`,
            `raise_priority_after`, `hours` and `zone`; None takes a setting back. What is not
            named stays as it is.

    Raises InvalidOption for an unknown name or a value that is not allowed.
    """
    for name in changes:
        if name not in _COLUMNS:
            raise InvalidOption(
                f"{name!r} is no setting of a queue: {did_you_mean(name, _COLUMNS)}"
            )
    return {_COLUMNS[name]: _CHECKS[name](value) for name, value in changes.items()}


def check_reason(reason: object) -> str | None:
    """Why a queue is paused: up to 500 printable characters; None, or nothing, for no reason.

    Raises InvalidOption.
    """
    if reason is None or reason == "":
        return None
    if not isinstance(reason, str) or not reason.isprintable() or len(reason) > REASON_CHARS_MAX:
        raise InvalidOption(
            f"reason must be printable text of up to {REASON_CHARS_MAX} characters; got {reason!r}"
        )
    return reason


def check_queue(name: object) -> str:
    """A queue's name. Raises InvalidOption."""
    return check_name(name, "queue")


def _capacity(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= CAPACITY_MAX:
        raise InvalidOption(
            f"capacity must be a whole number from 1 to {CAPACITY_MAX:,}, or None; got {value!r}"
        )
    return value


def _when_full(value: object) -> str:
    if value is None:
        return WhenFull.REJECT.value
    known = [way.value for way in WhenFull]
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(str(value), known)
        raise InvalidOption(f"when_full must be one of {', '.join(known)}; got {value!r}: {hint}")
    return WhenFull(value).value


def _span(name: str, value: object) -> int | None:
    if value is None:
        return None
    span = parse_duration(value, name)
    if not span:
        raise InvalidOption(f"{name} must be longer than zero; None takes it back")
    return microseconds(span.total_seconds())


def _dropped(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidOption(f"dropped must be True or False; got {value!r}")
    return value


def _age(value: object) -> int | None:
    age_us = _span("raise_priority_after", value)
    if age_us is not None and age_us < microseconds(AGE_SECONDS_MIN):
        raise InvalidOption(
            f"raise_priority_after must be at least {AGE_SECONDS_MIN:g} s; got {value!r}"
        )
    return age_us


def _hours(value: object) -> str | None:
    return None if value is None else parse_hours(value).text


def _zone(value: object) -> str:
    if value is None:
        return DEFAULT_ZONE
    find_zone(value)
    return str(value)


_COLUMNS: Final = {
    "capacity": "capacity",
    "when_full": "when_full",
    "wait": "wait_us",
    "expires": "expires_us",
    "dropped": "dropped",
    "objective": "objective_us",
    "raise_priority_after": "raise_after_us",
    "hours": "hours",
    "zone": "zone",
}

_CHECKS: Final[Mapping[str, Any]] = {
    "capacity": _capacity,
    "when_full": _when_full,
    "wait": lambda value: _span("wait", value),
    "expires": lambda value: _span("expires", value),
    "dropped": _dropped,
    "objective": lambda value: _span("objective", value),
    "raise_priority_after": _age,
    "hours": _hours,
    "zone": _zone,
}


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _changes_at(opening: Opening | None) -> str | None:
    return None if opening is None or opening.until is None else opening.until.isoformat()
