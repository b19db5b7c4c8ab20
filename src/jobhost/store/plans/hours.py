"""The opening hours of queues.

Claims look at one window of each, which is in the store: from when to when it is open now, or next.
When that is over the next one is worked out, by whoever comes first; until then it is closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from jobhost.clock import to_datetime, to_instant
from jobhost.errors import InvalidOption
from jobhost.jobs.hours import Opening, opening, parse_hours, stretch
from jobhost.store.plan import Plan, Statement
from jobhost.zones import find_zone

HOURS_MAX: Final = 10_000
"""Queues with hours that are looked at: people have named them."""


class Kept(NamedTuple):
    """A queue's hours as they are kept, and its window in microseconds; `now` is the store's."""

    queue: str
    hours: str
    zone: str
    open_from: int
    open_until: int
    now: int

    @property
    def over(self) -> bool:
        """Whether its window is over."""
        return self.open_until <= self.now

    @property
    def is_open(self) -> bool:
        """Whether its jobs may start."""
        return self.open_from <= self.now < self.open_until


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursReport:
    """What is known of the queues with hours.

    Args:
        open: Names of those whose jobs may start.
        moved: How many windows were over and are the next ones now.
        change_in_us: Microseconds until one of them opens, or its window is over; None: none does.
        unreadable: Those whose hours this program cannot read, with the reason: they stay closed.
    """

    open: frozenset[str] = frozenset()
    moved: int = 0
    change_in_us: int | None = None
    unreadable: tuple[tuple[str, str], ...] = ()


def opening_hours() -> Plan[list[Kept]]:
    """The queues with hours, by name."""
    found = yield Statement("opening_hours", {"limit": HOURS_MAX})
    return [Kept._make(row) for row in found.rows]


def keep_hours(queue: str | None = None) -> Plan[HoursReport]:
    """Work out the next window of each queue whose last one is over.

    Args:
        queue: Of this one only: for who holds its row already, and must not wait for others. Rows
            are taken in the order of names.
    """
    kept = [one for one in (yield from opening_hours()) if queue is None or one.queue == queue]
    moved, unreadable = 0, []
    for at, one in enumerate(kept):
        if not one.over:
            continue
        try:
            begin, end = next_window(one.hours, one.zone, to_datetime(one.now))
        except InvalidOption as error:
            unreadable.append((one.queue, str(error)))
            continue
        kept[at] = one._replace(open_from=begin, open_until=end)
        moved += (
            yield Statement(
                "move_opening",
                {
                    "queue": one.queue,
                    "hours": one.hours,
                    "zone": one.zone,
                    "open_from": begin,
                    "open_until": end,
                },
            )
        ).changed
    return report(kept, moved=moved, unreadable=tuple(unreadable))


def report(
    kept: Sequence[Kept], *, moved: int = 0, unreadable: tuple[tuple[str, str], ...] = ()
) -> HoursReport:
    """What these windows come to."""
    changes = [
        (one.open_from if one.open_from > one.now else one.open_until) - one.now
        for one in kept
        if not one.over
    ]
    return HoursReport(
        open=frozenset(one.queue for one in kept if one.is_open),
        moved=moved,
        change_in_us=min(changes, default=None),
        unreadable=unreadable,
    )


def next_window(hours: str, zone: str, now: datetime) -> tuple[int, int]:
    """The window that is open at `now`, or else the next one, in microseconds.

    Raises InvalidOption for hours or a zone that cannot be read here.
    """
    begin, end = stretch(parse_hours(hours), find_zone(zone), now)
    return to_instant(begin), to_instant(end)


def standing(hours: str, zone: str, window: tuple[int, int], now: int) -> Opening:
    """How a queue stands by its hours; where they cannot be read, by its window.

    Args:
        window: From when to when it is open, as the store has it.
        now: The store's, in microseconds.
    """
    at = to_datetime(now)
    try:
        return opening(parse_hours(hours), find_zone(zone), at)
    except InvalidOption:
        begin, end = window
        return Opening(
            at=at,
            open=begin <= now < end,
            since=to_datetime(begin) if begin <= now < end else None,
            until=None if end <= now else to_datetime(end if begin <= now else begin),
        )
