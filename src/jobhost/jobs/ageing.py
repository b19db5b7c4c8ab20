"""Ageing: jobs that wait for long get a higher priority; here is who has. Pure values.

Places in a queue are numbers of one rising sequence, and have no time. A mark says at which number
that sequence stood at an instant: whoever waits at a place up to there has waited since then at
least. Marks are facts about the sequence, whatever the age that somebody wants.
"""

import json
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

PARTS: Final = 8
"""Marks within one age: a job is raised at most an eighth of the age late."""

BETWEEN_US_MIN: Final = 1_000_000
"""Shortest time between marks: each costs a transaction."""

AGE_SECONDS_MIN: Final = 1.0
"""Shorter ages would cost more than they bring."""


class Mark(NamedTuple):
    """At the instant `at`, in microseconds, the sequence stood at `number`."""

    at: int
    number: int


def read_marks(text: str | None) -> list[Mark]:
    """Marks as they are stored, the oldest first; none, if the text is not of this release."""
    try:
        found = [Mark(int(at), int(number)) for at, number in json.loads(text or "[]")]
    except (TypeError, ValueError):
        return []
    return sorted(found)


def marks_text(marks: Sequence[Mark]) -> str:
    """Marks as they are stored."""
    return json.dumps([list(mark) for mark in marks])


def between_us(age_us: int) -> int:
    """The time between marks."""
    return max(BETWEEN_US_MIN, age_us // PARTS)


def with_mark(marks: Sequence[Mark], now: Mark, age_us: int) -> list[Mark]:
    """The marks that are still needed, with one of now if the last is old enough."""
    kept = [mark for mark in marks if mark.at <= now.at]  # others are of a clock that was ahead
    if not kept or now.at - kept[-1].at >= between_us(age_us):
        kept.append(now)
    ripe = [mark for mark in kept if now.at - mark.at >= age_us]
    return [*ripe[-1:], *kept[len(ripe) :]]


def last_place(marks: Sequence[Mark], now_us: int, age_us: int) -> int | None:
    """The last place at which a job has certainly waited for the age; None: nobody knows of one."""
    ripe = [mark.number for mark in marks if now_us - mark.at >= age_us]
    return max(ripe, default=None)


def next_look_us(marks: Sequence[Mark], now_us: int, age_us: int) -> int:
    """In how many microseconds a mark must be made, or one of these is as old as the age."""
    looks = [marks[-1].at + between_us(age_us)] if marks else [now_us]
    looks += [mark.at + age_us for mark in marks if now_us - mark.at < age_us]
    return max(0, min(looks) - now_us)


def next_priority(priority: int, in_use: Collection[int]) -> int | None:
    """The next higher priority in use; None where nothing stands above: then it is not in anybody's
    way."""
    return min((other for other in in_use if other > priority), default=None)
