"""Instants and the clocks that tell them."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.clock import ManualClock, SystemClock, microseconds, to_datetime, to_instant
from jobhost.errors import InvalidOption

zones = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
moments = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zone is drawn
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - likewise
    timezones=zones,
)


class Nowhere(tzinfo):
    """A zone that does not know its offset, so its datetimes are naive after all."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None


@given(moments)
def test_an_instant_is_exact_and_comes_back_in_utc(moment: datetime) -> None:
    back = to_datetime(to_instant(moment))
    assert back == moment
    assert back.tzinfo is UTC


@given(moments, moments)
def test_instants_are_ordered_as_the_moments_are(one: datetime, other: datetime) -> None:
    assert (to_instant(one) < to_instant(other)) == (one < other)


def test_instants_count_from_1970() -> None:
    assert to_instant(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert to_instant(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


@pytest.mark.parametrize("zone", [None, Nowhere()])
def test_a_naive_datetime_is_refused_with_its_name_and_a_way_out(zone: tzinfo | None) -> None:
    with pytest.raises(InvalidOption, match=r"started must be an aware .* add tzinfo=datetime.UTC"):
        to_instant(datetime(2030, 1, 1, tzinfo=zone), "started")


@given(st.timedeltas(timedelta(days=-1000), timedelta(days=1000)))
def test_a_manual_clock_stands_still_until_it_is_moved(by: timedelta) -> None:
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now() == to_instant(datetime(2030, 1, 1, tzinfo=UTC))
    clock.move(by)
    assert to_datetime(clock.now()) == datetime(2030, 1, 1, tzinfo=UTC) + by


def test_the_system_clock_tells_the_machines_time() -> None:
    before = datetime.now(UTC)
    now = to_datetime(SystemClock().now())
    assert before <= now + timedelta(microseconds=1)
    assert now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("span", "expected"), [(0, 0), (1, 1_000_000), (0.0000015, 2), (-1, -1_000_000)]
)
def test_seconds_are_rounded_to_microseconds(span: float, expected: int) -> None:
    assert microseconds(span) == expected


def test_an_instant_outside_the_years_of_utc_is_refused() -> None:
    from datetime import timedelta, timezone

    far = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
    with pytest.raises(InvalidOption, match="years 1 to 9999"):
        to_instant(far)


@pytest.mark.parametrize(
    ("instant", "year"), [(9 * 10**18, 9999), (-9 * 10**18, 1), (2**63 - 1, 9999), (-(2**63), 1)]
)
def test_an_instant_beyond_all_years_is_shown_as_the_nearest(instant: int, year: int) -> None:
    assert to_datetime(instant).year == year
    assert to_datetime(instant).tzinfo is UTC
