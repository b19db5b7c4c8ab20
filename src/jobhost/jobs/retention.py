"""How long jobs that have ended are kept. Pure values."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final
from uuid import UUID

from jobhost.clock import Instant, microseconds
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption
from jobhost.jobs.states import State

_MILLISECONDS_AT: Final = 80
"""Where the milliseconds since 1970 begin in an id of version 7, in bits from its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a job is kept after its end, by the state in which it ended; None is for ever.

    Args:
        succeeded: With its result. Default 7 days.
        cancelled: Cancelled and discarded jobs. Default 7 days.
        dead: Dead letters: work that nobody has done. Default 90 days.

    Raises InvalidOption.
    """

    succeeded: timedelta | str | None = "7d"
    cancelled: timedelta | str | None = "7d"
    dead: timedelta | str | None = "90d"

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None:
                continue
            span = parse_duration(value, item.name)
            if not span:
                raise InvalidOption(
                    f"{item.name} must be longer than zero, or None to keep jobs for ever; "
                    f"got {value!r}"
                )
            object.__setattr__(self, item.name, span)

    def spans(self) -> dict[State, int]:
        """How long each state is kept, in microseconds; what is kept for ever is left out."""
        given = {
            State.SUCCEEDED: self.succeeded,
            State.CANCELLED: self.cancelled,
            State.DEAD: self.dead,
        }
        return {
            state: microseconds(span.total_seconds())
            for state, span in given.items()
            if isinstance(span, timedelta)
        }

    def has_outlived(self, job_id: UUID, now: Instant) -> bool:
        """Whether a job of this id, which is not there, may have been deleted for its age: it was
        made longer ago than the shortest time that jobs are kept. Only ids of version 7 tell."""
        spans = self.spans()
        if job_id.version != 7 or not spans:
            return False
        made = (job_id.int >> _MILLISECONDS_AT) * 1000
        return made <= now - min(spans.values())


def check_retention(value: object) -> Retention:
    """A Retention. Raises InvalidOption."""
    if not isinstance(value, Retention):
        raise InvalidOption(
            f"retention must be a Retention, such as Retention(succeeded='30d'); got {value!r}"
        )
    return value
