"""What a task may raise to say how its own attempt ends.

Each is raised, never returned, so that a task's return type stays its result.
`Retry` (in `retries.py`) is the fifth: raised, it asks for another attempt.
"""

from datetime import timedelta

from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption


class Snooze(Exception):  # noqa: N818 - reads as what the task says
    """`raise Snooze("5m")`: run this job again later; nothing failed, nothing is charged.

    Args:
        delay: How long to wait, from now.
    """

    def __init__(self, delay: timedelta | str) -> None:
        super().__init__(f"snoozed for {delay}")
        self.delay = parse_duration(delay, "the delay of Snooze")


class Defer(Exception):  # noqa: N818
    """`raise Defer("waiting for the invoice")`: set this job aside; it runs again when somebody
    resumes it by its number or id, and not before. Nothing failed, nothing is charged.

    Args:
        reason: What it waits for, for whoever resumes it. Not empty.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_reason(reason, "Defer"))
        self.reason = reason


class DeadLetter(Exception):  # noqa: N818
    """`raise DeadLetter("no such customer")`: end as `dead` at once, whatever attempts are left.

    Args:
        reason: Why, for whoever looks at the dead letters. Not empty.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_reason(reason, "DeadLetter"))
        self.reason = reason


class Discard(Exception):  # noqa: N818
    """`raise Discard("already sent")`: end as `cancelled`; the work is not wanted any more.

    Args:
        reason: Why. Not empty.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_reason(reason, "Discard"))
        self.reason = reason


def _reason(reason: object, what: str) -> str:
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidOption(f"{what} needs a reason in words; got {reason!r}")
    return reason
