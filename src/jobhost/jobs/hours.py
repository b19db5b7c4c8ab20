"""Opening hours of a queue: the times of the week at which its jobs may start. Pure values.

    22:00-06:00                       every day; over midnight, until the next morning
    mon-fri 22:00-06:00               that begin on these days: Friday's ends on Saturday
    mon,wed 09:00-17:00, sat 00:00-24:00

A queue is open at every instant at which a clock in its zone shows a time within one of its
windows. So where clocks are put forward, a window that lies in the hour left out does not come that
day; where they are put back, the hour that comes twice counts twice.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from jobhost.errors import InvalidOption

HOURS_CHARS_MAX: Final = 500
"""Of the text: it is shown on one line."""

EXPECTED: Final = (
    "windows such as '22:00-06:00' or 'mon-fri 22:00-06:00, sat-sun 00:00-24:00', "
    "from 00:00 to 24:00"
)

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DAY_MINUTES: Final = 1440
WEEK_MINUTES: Final = 7 * DAY_MINUTES

_WINDOW: Final = re.compile(
    r"(?:(?P<days>[a-z-]+)\s+)?(?P<from>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<to>[0-9]{1,2}:[0-9]{2})"
)
_ONLY_DAYS: Final = re.compile(r"[a-z-]+")
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})")

_STEP: Final = timedelta(hours=6)
"""Between looks at a zone's offset: no zone changes it twice within that."""

_BACK: Final = timedelta(days=8)
"""A stretch of opening that is not for ever is shorter than that."""

_AHEAD: Final = timedelta(days=400)
"""An hour that is left out comes again the next week; a year is more than enough."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours as they were read.

    Args:
        text: As they are stored and shown.
        spans: Minutes of the week, from Monday 00:00: from, to. In order, apart, within the week.
    """

    text: str
    spans: tuple[tuple[int, int], ...]

    @property
    def always(self) -> bool:
        """Whether they leave no time of the week out."""
        return self.spans == ((0, WEEK_MINUTES),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a queue with hours stands at an instant.

    Args:
        at: The instant.
        open: Whether its jobs may start.
        since: Since when it has been open; None: it is closed, or always open.
        until: When that changes, in the zone of the queue; None: never, or nobody can tell here.
    """

    at: datetime
    open: bool
    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        word = "open" if self.open else "closed"
        return word if self.until is None else f"{word} until {self.change}"

    def counted(self, waited_seconds: float) -> float:
        """For how much of the time that a job has waited its queue could have started it: what it
        waits while the queue is closed, or did before it opened, is not held against anybody."""
        if not self.open:
            return 0.0
        if self.since is None:
            return waited_seconds
        return min(waited_seconds, (self.at - self.since).total_seconds())

    @property
    def change(self) -> str:
        """When that changes, by the clocks of the zone: `06:00 Europe/Berlin`, with the day where
        that is not within a day. Empty if it does not."""
        if self.until is None:
            return ""
        left = self.until - self.at
        if left < timedelta(days=1):
            day = ""
        elif left < timedelta(days=7):
            day = f"{DAYS[self.until.weekday()]} "
        else:
            day = f"{self.until:%Y-%m-%d} "
        zone = self.until.tzinfo
        return f"{day}{self.until:%H:%M} {getattr(zone, 'key', 'UTC')}"


def parse_hours(value: object) -> Hours:
    """Read opening hours. Raises InvalidOption, which says what is wrong with them."""
    if not isinstance(value, str) or not value.strip() or len(value) > HOURS_CHARS_MAX:
        raise InvalidOption(f"hours must be {EXPECTED}; got {value!r}")
    days: list[str] = []
    said: list[str] = []
    spans: list[tuple[int, int]] = []
    for part in (part.strip() for part in value.lower().split(",")):
        if _ONLY_DAYS.fullmatch(part):  # the times come with a later part
            days.append(part)
            continue
        found = _WINDOW.fullmatch(part)
        if found is None:
            raise InvalidOption(f"hours must be {EXPECTED}; got {part!r} in {value!r}")
        if found["days"]:
            days.append(found["days"])
        elif days:
            raise InvalidOption(f"hours {value!r}: no time follows {days[-1]!r}")
        begin, end = _minute(found["from"], value), _minute(found["to"], value)
        _check_window(begin, end, value)
        for day in _days(days, value):
            spans += _in_week(day * DAY_MINUTES + begin, (end - begin) % DAY_MINUTES or DAY_MINUTES)
        said.append(f"{','.join(days)} {_clock(begin)}-{_clock(end)}".strip())
        days = []
    if days:
        raise InvalidOption(f"hours {value!r}: no time follows {days[-1]!r}")
    return Hours(text=", ".join(said), spans=tuple(_joined(sorted(spans))))


def opening(hours: Hours, zone: tzinfo, now: datetime) -> Opening:
    """How a queue with these hours stands.

    Args:
        now: The instant, in UTC.

    Raises InvalidOption if they never come in that zone.
    """
    if hours.always:
        return Opening(at=now, open=True)
    begin, end = stretch(hours, zone, now)
    if begin <= now:
        return Opening(at=now, open=True, since=begin, until=end.astimezone(zone))
    return Opening(at=now, open=False, until=begin.astimezone(zone))


def stretch(hours: Hours, zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """From when to when it is open without a break: now, or else next. In UTC; the end is not part
    of it. Of hours that leave nothing out, from the first to the last instant there is.

    Raises InvalidOption if they never come in that zone.
    """
    if hours.always:
        return datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    start = (now - _BACK).replace(microsecond=0)
    for begin, end in _merged(_pieces(hours, zone, start)):
        if end > now:
            return begin, end
    raise InvalidOption(f"the hours {hours.text!r} never come in the zone {zone}")


def _pieces(hours: Hours, zone: tzinfo, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """What is open, in order, cut where the zone's offset may change."""
    for begin, end, offset in _steady(zone, start):
        shown = (begin + offset).replace(tzinfo=None)
        midnight = shown.replace(hour=0, minute=0, second=0, microsecond=0)
        monday = (midnight - timedelta(days=shown.weekday())).replace(tzinfo=UTC) - offset
        for week in (monday, monday + timedelta(days=7)):
            for first, last in hours.spans:
                opens = max(begin, week + timedelta(minutes=first))
                closes = min(end, week + timedelta(minutes=last))
                if opens < closes:
                    yield opens, closes


def _steady(zone: tzinfo, start: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The time from `start` on, in pieces with one offset each."""
    begin, offset = start, _offset(zone, start)
    while begin < start + _AHEAD:
        end = begin + _STEP
        after = _offset(zone, end)
        if after != offset:
            end = _change(zone, begin, end)
            after = _offset(zone, end)
        yield begin, end, offset
        begin, offset = end, after


def _change(zone: tzinfo, begin: datetime, end: datetime) -> datetime:
    """The first second after `begin` with another offset."""
    former = _offset(zone, begin)
    same, seconds = 0, int((end - begin).total_seconds())
    while seconds - same > 1:
        middle = (same + seconds) // 2
        if _offset(zone, begin + timedelta(seconds=middle)) == former:
            same = middle
        else:
            seconds = middle
    return begin + timedelta(seconds=seconds)


def _offset(zone: tzinfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _merged(pieces: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Pieces that touch as one."""
    current: tuple[datetime, datetime] | None = None
    for begin, end in pieces:
        if current is not None and begin == current[1]:
            current = current[0], end
            continue
        if current is not None:
            yield current
        current = begin, end
    if current is not None:
        yield current


def _minute(text: str, value: str) -> int:
    """A time of day in minutes, 24:00 included."""
    found = _CLOCK.fullmatch(text)
    assert found is not None
    hour, minute = int(found[1]), int(found[2])
    if minute > 59 or hour * 60 + minute > DAY_MINUTES:
        raise InvalidOption(f"hours {value!r}: {text!r} is no time of a day, from 00:00 to 24:00")
    return hour * 60 + minute


def _check_window(begin: int, end: int, value: str) -> None:
    if begin == DAY_MINUTES:
        raise InvalidOption(f"hours {value!r}: a window that begins at 24:00 begins at 00:00")
    if begin == end:
        raise InvalidOption(
            f"hours {value!r}: a window from {_clock(begin)} to {_clock(end)} may mean nothing or "
            "a day; a whole day is '00:00-24:00'"
        )


def _days(said: list[str], value: str) -> list[int]:
    """Numbers of days, Monday is 0; all, if none was said."""
    if not said:
        return list(range(7))
    found: set[int] = set()
    for part in said:
        first, dash, last = part.partition("-")
        begin = _day(first, part, value)
        end = _day(last, part, value) if dash else begin
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return sorted(found)


def _day(name: str, part: str, value: str) -> int:
    if name not in DAYS:
        raise InvalidOption(
            f"hours {value!r}: {part!r} is no day: say {', '.join(DAYS)}, or two of them with a "
            "dash between"
        )
    return DAYS.index(name)


def _in_week(begin: int, length: int) -> list[tuple[int, int]]:
    """A span of minutes, in two where it goes over the end of the week."""
    end = begin + length
    if end <= WEEK_MINUTES:
        return [(begin, end)]
    return [(begin, WEEK_MINUTES), (0, end - WEEK_MINUTES)]


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted spans, those that touch or overlap as one."""
    current: tuple[int, int] | None = None
    for begin, end in spans:
        if current is not None and begin <= current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = begin, end
    if current is not None:
        yield current


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
