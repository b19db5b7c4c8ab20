"""Spans of time as people write them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.durations import LONGEST, format_seconds, parse_duration, seconds
from jobhost.errors import InvalidOption

UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", timedelta(0)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5s", timedelta(seconds=1.5)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("2d", timedelta(days=2)),
        ("1w1d1h1m1s1ms", timedelta(8, hours=1, minutes=1, seconds=1, milliseconds=1)),
        (" 10M ", timedelta(minutes=10)),
        ("3660d", LONGEST),
    ],
)
def test_a_span_is_read_as_people_write_it(text: str, expected: timedelta) -> None:
    assert parse_duration(text, "delay") == expected
    assert seconds(text, "delay") == expected.total_seconds()


@given(st.timedeltas(timedelta(0), LONGEST))
def test_a_timedelta_in_range_is_taken_as_it_is(span: timedelta) -> None:
    assert parse_duration(span, "delay") == span


@given(st.integers(0, 3659), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59_999))
def test_a_span_survives_being_written(days: int, hours: int, minutes: int, millis: int) -> None:
    span = timedelta(days=days, hours=hours, minutes=minutes, milliseconds=millis)
    assert parse_duration(f"{days}d{hours}h{minutes}m{millis}ms", "delay") == span


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "ten minutes",
        "10 m",
        "-5s",
        "5s-",
        "1h 30m",
        "1e3s",
        ".5s",
        "1.s",
        "5y",
        "\n5s\n5s",
        5,
        5.0,
        None,
        True,
        b"5s",
        ["5s"],
    ],
)
def test_what_is_no_span_is_refused_with_its_name_and_itself(value: object) -> None:
    with pytest.raises(InvalidOption, match="lease must be a timedelta or text") as caught:
        parse_duration(value, "lease")
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        timedelta(microseconds=-1),
        LONGEST + timedelta(microseconds=1),
        "3661d",
        "99999999999w",
        "9" * 400 + "w",
        timedelta.max,
    ],
)
def test_a_span_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption, match="lease must be between 0 and 3660 days; got"):
        parse_duration(value, "lease")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0ms"),
        (0.25, "250ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.4, "59.4s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (3661, "1h1m"),
        (86399.9, "1d"),
        (90061, "1d1h"),
        (604800, "1w"),
        (691200, "1w1d"),
    ],
)
def test_a_span_is_shown_with_its_two_largest_units(value: float, text: str) -> None:
    assert format_seconds(value) == text


@given(st.floats(0, LONGEST.total_seconds()))
def test_what_is_shown_can_be_read_again_and_is_near(value: float) -> None:
    shown = format_seconds(value)
    assert len(re.findall(r"[a-z]+", shown)) <= 2
    smallest = UNIT_SECONDS[re.findall(r"[a-z]+", shown)[-1]]
    assert abs(seconds(shown, "delay") - value) <= max(smallest, value * 0.01)
