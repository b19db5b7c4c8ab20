"""Time as an input.

Instants are whole microseconds since 1970 in UTC: exact, ordered, and the same
in Python and in the store. Only the two clocks below read the machine's time.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import NewType, Protocol

from jobhost.errors import InvalidOption

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What a store asks for the time."""

    def now(self) -> Instant:
        """The present instant."""
        ...


class SystemClock:
    """The machine's clock. On SQLite all processes share it, so it is the store's clock."""

    def now(self) -> Instant:
        """The present instant."""
        return Instant(time.time_ns() // 1000)


class ManualClock:
    """A clock that stands still until it is moved; for tests."""

    def __init__(self, now: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = to_instant(now)

    def now(self) -> Instant:
        """The instant it was last moved to."""
        return self._now

    def move(self, by: timedelta) -> None:
        """Move by a span, which may be negative."""
        self._now = Instant(self._now + by // _MICROSECOND)


def to_instant(moment: datetime, what: str = "run_at") -> Instant:
    """An aware datetime as an instant. Raises InvalidOption for a naive one."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidOption(
            f"{what} must be an aware datetime, since a naive one names no instant; "
            f"got {moment!r}: add tzinfo=datetime.UTC or a ZoneInfo"
        )
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise InvalidOption(
            f"{what} must lie in the years 1 to 9999 of UTC; got {moment}"
        ) from None
    return Instant((moment - _EPOCH) // _MICROSECOND)


def to_datetime(instant: int) -> datetime:
    """An instant as an aware UTC datetime; one before year 1 or after 9999, which only SQL can have
    written, as the nearest that there is."""
    try:
        return _EPOCH + timedelta(microseconds=instant)
    except OverflowError:
        return _FIRST if instant < 0 else _LAST


def microseconds(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * 1_000_000)
