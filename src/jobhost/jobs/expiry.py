"""Until when a job may start: how it is said, and which instant that is.

A span counts from the moment at which the job could have started: when it was accepted, or when it
was due if that is later. That moment is the store's, so a span stays one until then.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from jobhost.clock import Instant, microseconds, to_instant
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption

EXPIRED: Final = "expired"
"""Why such a job is dead."""

ON_EXPIRY: Final = ("dead", "drop")
"""What becomes of it: a dead letter, or nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """The end of a job's time to start: the first of what is given.

    Args:
        at: An instant.
        after_us: A span from its acceptance, or from `since` if that is later.
        since: When it is due, for a job that was given an instant.
        dropped: It is deleted then, and not dead.
    """

    at: Instant | None = None
    after_us: int | None = None
    since: Instant | None = None
    dropped: bool = False

    def instant(self, accepted_at: int) -> Instant:
        """The instant, for a job accepted at this one."""
        ends = [] if self.at is None else [self.at]
        if self.after_us is not None:
            ends.append(Instant(max(accepted_at, self.since or 0) + self.after_us))
        return min(ends)

    def to_json(self) -> dict[str, Any]:
        """Plain values, only of what is given."""
        plain = {"at": self.at, "after": self.after_us, "since": self.since}
        given: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
        return {**given, "drop": True} if self.dropped else given

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Expiry":
        """The inverse of `to_json`."""
        return cls(
            at=plain.get("at"),
            after_us=plain.get("after"),
            since=plain.get("since"),
            dropped=plain.get("drop", False),
        )


def expiry_of(
    wanted: timedelta | datetime | None,
    cap: timedelta | datetime | None,
    *,
    delay_us: int | None = None,
    run_at: Instant | None = None,
    dropped: bool = False,
) -> Expiry | None:
    """What a job's own word and its queue's come to; None when neither says anything.

    Args:
        wanted: The job's own.
        cap: Its queue's: the earlier of the two counts.
        delay_us, run_at: When it is due.
        dropped: What becomes of it.
    """
    spans = [one for one in (wanted, cap) if isinstance(one, timedelta)]
    instants = [to_instant(one, "expires") for one in (wanted, cap) if isinstance(one, datetime)]
    if not spans and not instants:
        return None
    span = microseconds(min(spans).total_seconds()) + (delay_us or 0) if spans else None
    return Expiry(
        at=min(instants, default=None),
        after_us=span,
        since=run_at if spans else None,
        dropped=dropped,
    )


def capped(
    expiry: Expiry | None,
    limit_us: int,
    delay_us: int | None,
    run_at: Instant | None,
    *,
    dropped: bool,
) -> Expiry:
    """An expiry under the limit that a queue has in the store.

    Args:
        expiry: The job's own, with what the program itself has declared; its word on `dropped`
            counts.
        limit_us: The queue's span.
        delay_us, run_at: When the job is due.
        dropped: What the queue does with a job that brings no expiry of its own.
    """
    limit = limit_us + (delay_us or 0)
    if expiry is None:
        return Expiry(after_us=limit, since=run_at, dropped=dropped)
    if expiry.after_us is not None and expiry.after_us <= limit:
        return expiry
    return replace(expiry, after_us=limit, since=run_at)


def check_expires(value: object) -> timedelta | datetime | None:
    """A span above zero, an aware datetime, or None for a job that never expires by itself.

    Raises InvalidOption.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        to_instant(value, "expires")
        return value
    span = parse_duration(value, "expires")
    if not span:
        raise InvalidOption("expires must be longer than zero; None means never")
    return span


def check_on_expiry(value: object) -> str:
    """One of ON_EXPIRY. Raises InvalidOption."""
    if value not in ON_EXPIRY:
        raise InvalidOption(
            f"on_expiry must be 'dead' (kept as a dead letter) or 'drop' (deleted); got {value!r}"
        )
    return str(value)
