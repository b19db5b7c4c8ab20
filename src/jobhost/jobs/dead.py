"""Which dead letters an operator means, and what groups of them look like. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobhost.clock import Instant, to_instant
from jobhost.errors import InvalidOption
from jobhost.jobs.options import check_name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Which dead jobs; what is left out does not matter.

    Args:
        task, queue: Their names.
        error: Class name of their last error: "TimeoutError" means that of every module,
            "shop.errors.Declined" only this one.
        reason: A text that their reason contains, such as "expired".
        since, until: They died at or after the one, and before the other: aware datetimes.

    Raises InvalidOption for what cannot be meant.
    """

    task: str | None = None
    queue: str | None = None
    error: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name, what in (("task", self.task), ("queue", self.queue), ("error", self.error)):
            if what is not None:
                check_name(what, name)
        if self.reason is not None and not _is_text(self.reason):
            raise InvalidOption(f"reason must be a part of the reason; got {self.reason!r}")
        since, until = self.instants()
        if since is not None and until is not None and since >= until:
            raise InvalidOption(
                f"nothing dies since {self.since} and before {self.until}: exchange the two"
            )

    def instants(self) -> tuple[Instant | None, Instant | None]:
        """Since and until, as the store counts. Raises InvalidOption for naive datetimes."""
        return (
            None if self.since is None else to_instant(self.since, "since"),
            None if self.until is None else to_instant(self.until, "until"),
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """Dead jobs that died alike: of one task, by errors of one class or for one reason.

    Args:
        task: Name of the task.
        cause: Class name of the last error; the reason where there was no error.
        count: How many.
        first_at, last_at: When the first and the last of them died.
        newest: Id of the newest, and `message` of its error, or its reason.
    """

    task: str
    cause: str
    count: int
    first_at: datetime
    last_at: datetime
    newest: UUID
    message: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; instants in ISO 8601."""
        return {
            "task": self.task,
            "cause": self.cause,
            "count": self.count,
            "first_at": self.first_at.isoformat(),
            "last_at": self.last_at.isoformat(),
            "newest": str(self.newest),
            "message": self.message,
        }
