"""Opening hours: how they are read, and when a queue is open by them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobhost.errors import InvalidOption
from jobhost.jobs.hours import DAYS, Hours, Opening, opening, parse_hours, stretch

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/St_Johns", "Africa/Casablanca", "Pacific/Apia", "Pacific/Chatham", "America/Santiago",
]  # fmt: skip
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def berlin(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


# --- reading

clocks = st.integers(0, 1440).map(lambda minute: (minute, f"{minute // 60:02}:{minute % 60:02}"))


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, ...], int, int, str]:
    """One window: its days, from and to in minutes of the day, and how it is written."""
    begin, said_begin = draw(clocks.filter(lambda clock: clock[0] < 1440))
    end, said_end = draw(clocks.filter(lambda clock: clock[0] != begin))
    kind = draw(st.sampled_from(["every", "days", "range"]))
    if kind == "every":
        return tuple(range(7)), begin, end, f"{said_begin}-{said_end}"
    if kind == "days":
        days = draw(st.sets(st.integers(0, 6), min_size=1))
        said = ",".join(DAYS[day] for day in sorted(days))
        return tuple(sorted(days)), begin, end, f"{said} {said_begin}-{said_end}"
    first, last = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    days = {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    said = f"{DAYS[first]}-{DAYS[last]}"
    return tuple(sorted(days)), begin, end, f"{said} {said_begin}-{said_end}"


plans = st.lists(windows(), min_size=1, max_size=4)
zones = st.sampled_from(ZONES).map(ZoneInfo)
EPOCH = datetime(2011, 12, 1, tzinfo=UTC)
instants = st.integers(0, 30 * 366 * 86_400_000_000).map(
    lambda since_us: EPOCH + timedelta(microseconds=since_us)
)


def text_of(plan: list[tuple[tuple[int, ...], int, int, str]]) -> str:
    return ", ".join(said for *_, said in plan)


def shows_open(
    plan: list[tuple[tuple[int, ...], int, int, str]], zone: ZoneInfo, at: datetime
) -> bool:
    """What a clock on the wall says."""
    shown = at.astimezone(zone)
    minute, day = shown.hour * 60 + shown.minute, shown.weekday()
    for days, begin, end, _ in plan:
        if begin < end:
            if day in days and begin <= minute < end:
                return True
        elif (day in days and minute >= begin) or ((day - 1) % 7 in days and minute < end):
            return True
    return False


@given(plan=plans, zone=zones, now=instants)
@example(
    plan=[((6,), 120, 180, "sun 02:00-03:00")],
    zone=ZoneInfo("Europe/Berlin"),
    now=utc("2030-03-25T12:00"),
)
@example(
    plan=[((4,), 0, 1440, "fri 00:00-24:00")],
    zone=ZoneInfo("Pacific/Apia"),
    now=utc("2011-12-28T12:00"),
)
def test_a_queue_is_open_when_a_clock_on_the_wall_says_so(plan, zone, now):
    hours = parse_hours(text_of(plan))
    begin, end = stretch(hours, zone, now)
    assert (begin <= now) is shows_open(plan, zone, now)
    assert end > max(begin, now)
    if hours.always:
        return
    assert shows_open(plan, zone, max(begin, now))
    assert shows_open(plan, zone, end - SECOND)
    assert not shows_open(plan, zone, end)
    assert not shows_open(plan, zone, begin - SECOND)
    between = max(begin, now) - now
    for part in range(1, 20):  # nothing is left out before it
        assert not between or not shows_open(plan, zone, now + between * part / 20)
    for part in range(20):
        assert shows_open(plan, zone, begin + (end - begin) * part / 20)


@given(plan=plans)
def test_what_is_stored_reads_as_what_was_said(plan):
    hours = parse_hours(text_of(plan))
    assert parse_hours(hours.text) == hours
    assert all(first < last for first, last in hours.spans)
    assert all(one[1] < other[0] for one, other in pairwise(hours.spans))


@given(text=st.text(alphabet="monfri0123:-, 9", max_size=40))
def test_whatever_is_said_is_read_or_refused_in_words(text):
    try:
        hours = parse_hours(text)
    except InvalidOption as error:
        assert "hours" in str(error)
    else:
        assert hours.spans


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("22:00-06:00", "22:00-06:00"),
        (" Mon-Fri  9:00 - 17:30 ", "mon-fri 09:00-17:30"),
        ("mon,WED, fri 8:00-9:00,10:00-24:00", "mon,wed,fri 08:00-09:00, 10:00-24:00"),
        ("sat-mon 00:00-24:00", "sat-mon 00:00-24:00"),
        ("12:00-00:00", "12:00-00:00"),
    ],
)
def test_hours_are_kept_in_one_way_of_writing(said: str, text: str) -> None:
    assert parse_hours(said).text == text


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "such as"),
        (22, "such as"),
        ("", "such as"),
        ("x" * 501, "such as"),
        ("22-6", "such as"),
        ("22:00", "such as"),
        ("22:00-06:00;", "such as"),
        ("22:00-06:00,", "such as"),
        ("22:00-25:00", "'25:00' is no time of a day"),
        ("22:60-23:00", "'22:60' is no time of a day"),
        ("24:00-06:00", "begins at 00:00"),
        ("08:00-08:00", "'00:00-24:00'"),
        ("monday 08:00-09:00", "'monday' is no day"),
        ("mon-fry 08:00-09:00", "'mon-fry' is no day"),
        ("mon-wed-fri 08:00-09:00", "is no day"),
        ("mon", "no time follows 'mon'"),
        ("08:00-09:00, sat", "no time follows 'sat'"),
        ("mon, 08:00-09:00", "no time follows 'mon'"),
        ("٠٨:٠٠-٠٩:٠٠", "such as"),
    ],
    ids=str,
)
def test_what_are_no_hours_is_refused_with_a_hint(wrong: object, told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        parse_hours(wrong)


# --- when


def open_between(hours: str, begin: datetime, end: datetime) -> list[tuple[str, str]]:
    """All stretches of opening from `begin` until `end`, as clocks in UTC."""
    found, at = [], begin
    while at < end:
        opens, closes = stretch(parse_hours(hours), BERLIN, at)
        if opens >= end:
            break
        found.append((f"{opens:%d %H:%M}", f"{closes:%d %H:%M}"))
        at = closes
    return found


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = parse_hours("fri 22:00-06:00")
    assert stretch(friday, BERLIN, berlin("2030-01-02T12:00").astimezone(UTC)) == (
        berlin("2030-01-04T22:00"),
        berlin("2030-01-05T06:00"),
    )
    assert opening(friday, BERLIN, berlin("2030-01-05T05:59:59").astimezone(UTC)).open
    assert not opening(friday, BERLIN, berlin("2030-01-05T06:00").astimezone(UTC)).open


def test_a_window_may_go_over_the_end_of_the_week() -> None:
    sunday = parse_hours("sun 22:00-06:00")
    assert stretch(sunday, BERLIN, berlin("2030-01-07T01:00").astimezone(UTC)) == (
        berlin("2030-01-06T22:00"),
        berlin("2030-01-07T06:00"),
    )


def test_an_hour_that_is_left_out_does_not_come_that_day() -> None:
    """On 31 March 2030 clocks in Berlin go from 02:00 to 03:00, which is 01:00 UTC."""
    days = utc("2030-03-30T00:00"), utc("2030-04-02T00:00")
    assert open_between("02:00-03:00", *days) == [
        ("30 01:00", "30 02:00"),
        ("01 00:00", "01 01:00"),
    ]
    assert open_between("02:30-03:30", *days) == [
        ("30 01:30", "30 02:30"),
        ("31 01:00", "31 01:30"),
        ("01 00:30", "01 01:30"),
    ]
    assert open_between("01:00-02:30", *days)[1] == ("31 00:00", "31 01:00")
    assert open_between("22:00-06:00", *days)[1] == ("30 21:00", "31 04:00")  # an hour less


def test_an_hour_that_comes_twice_counts_twice() -> None:
    """On 27 October 2030 clocks in Berlin go from 03:00 back to 02:00, which is 01:00 UTC."""
    days = utc("2030-10-26T12:00"), utc("2030-10-27T12:00")
    assert open_between("02:00-03:00", *days) == [("27 00:00", "27 02:00")]
    assert open_between("02:15-02:45", *days) == [
        ("27 00:15", "27 00:45"),
        ("27 01:15", "27 01:45"),
    ]
    assert open_between("22:00-06:00", *days) == [("26 20:00", "27 05:00")]  # an hour more


def test_a_day_that_a_zone_leaves_out_is_made_up_for_a_week_later() -> None:
    """Samoa had no 30 December 2011, a Friday."""
    apia = ZoneInfo("Pacific/Apia")
    begin, _ = stretch(parse_hours("fri 12:00-13:00"), apia, utc("2011-12-28T00:00"))
    assert begin.astimezone(apia) == datetime(2012, 1, 6, 12, tzinfo=apia)


@pytest.mark.parametrize("always", ["00:00-24:00", "mon-sun 00:00-12:00, 12:00-24:00"])
def test_hours_that_leave_nothing_out_never_end(always: str) -> None:
    hours = parse_hours(always)
    now = utc("2030-03-31T01:00")
    assert hours.always
    assert opening(hours, BERLIN, now) == Opening(at=now, open=True)
    begin, end = stretch(hours, BERLIN, now)
    assert begin < now < end
    assert str(opening(hours, BERLIN, now)) == "open"


def test_days_that_follow_one_another_are_one_stretch() -> None:
    begin, end = stretch(parse_hours("sat-sun 00:00-24:00"), BERLIN, utc("2030-01-06T12:00"))
    assert (begin, end) == (berlin("2030-01-05T00:00"), berlin("2030-01-07T00:00"))


# --- how it is told


def at(hours: str, moment: datetime) -> Opening:
    return opening(parse_hours(hours), BERLIN, moment.astimezone(UTC))


def test_the_next_change_is_told_by_the_clocks_of_the_zone() -> None:
    tuesday = berlin("2030-01-01T19:00")
    assert str(at("22:00-06:00", tuesday)) == "closed until 22:00 Europe/Berlin"
    assert str(at("sat 10:00-11:00", tuesday)) == "closed until sat 10:00 Europe/Berlin"
    assert str(at("18:00-20:00", tuesday)) == "open until 20:00 Europe/Berlin"
    assert str(opening(parse_hours("22:00-06:00"), UTC, tuesday.astimezone(UTC))) == (
        "closed until 22:00 UTC"
    )
    left_out = berlin("2030-03-30T12:00")
    assert str(at("sun 02:00-03:00", left_out)) == "closed until 2030-04-07 02:00 Europe/Berlin"


def test_what_a_job_waits_while_its_queue_is_closed_is_not_counted() -> None:
    closed = at("22:00-06:00", berlin("2030-01-01T19:00"))
    assert closed.counted(7200.0) == 0.0
    fresh = at("18:00-20:00", berlin("2030-01-01T18:10"))
    assert (fresh.counted(7200.0), fresh.counted(60.0)) == (600.0, 60.0)
    assert at("00:00-24:00", berlin("2030-01-01T18:10")).counted(7200.0) == 7200.0


def test_hours_that_never_come_are_refused() -> None:
    with pytest.raises(InvalidOption, match="never come"):
        stretch(Hours(text="never", spans=()), BERLIN, utc("2030-01-01T00:00"))
