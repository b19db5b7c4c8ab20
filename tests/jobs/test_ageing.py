"""Who has waited so long, by marks in a rising sequence."""

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.jobs.ageing import (
    BETWEEN_US_MIN,
    PARTS,
    Mark,
    between_us,
    last_place,
    marks_text,
    next_look_us,
    next_priority,
    read_marks,
    with_mark,
)

AGE_US = 80 * BETWEEN_US_MIN

ages = st.integers(BETWEEN_US_MIN, 10**12)
pauses = st.lists(st.integers(0, 10**11), min_size=1, max_size=60)


@given(
    age_us=ages,
    lag=st.floats(0, 2),
    lags=st.lists(st.floats(0, 1), min_size=1, max_size=9),
    arrival=st.floats(0, 3),
)
def test_nobody_is_raised_before_the_age_nor_much_later(
    age_us: int, lag: float, lags: list[float], arrival: float
) -> None:
    """Looks come when they are due or a while later; a job comes at some time between."""
    lag_us = int(lag * age_us)
    came = int(arrival * age_us)
    marks: list[Mark] = []
    now = number = 0
    for late in cycle(lags):
        number += 2
        place = number - 1 if now >= came else None  # drawn before this look
        marks = with_mark(marks, Mark(now, number), age_us)
        assert len(marks) <= PARTS + 2
        if place is not None:
            break
        now += next_look_us(marks, now, age_us) + int(late * lag_us)
    for late in cycle(lags):
        found = last_place(marks, now, age_us)
        if found is not None and found >= place:
            break
        now += next_look_us(marks, now, age_us) + int(late * lag_us)
        number += 2
        marks = with_mark(marks, Mark(now, number), age_us)
        assert len(marks) <= PARTS + 2
    assert age_us <= now - came <= age_us + between_us(age_us) + 3 * lag_us


@given(age_us=ages, gaps=pauses)
def test_who_looks_when_told_to_misses_no_mark(age_us: int, gaps: list[int]) -> None:
    marks: list[Mark] = []
    now = 0
    for number, _ in enumerate(gaps):
        marks = with_mark(marks, Mark(now, number), age_us)
        pause = next_look_us(marks, now, age_us)
        assert 0 < pause <= between_us(age_us)
        now += pause
    if len(gaps) > 2 * PARTS + 2:
        assert last_place(marks, now, age_us) is not None


def test_marks_are_kept_as_long_as_one_is_needed() -> None:
    part = between_us(AGE_US)
    marks: list[Mark] = []
    for step in range(30):
        marks = with_mark(marks, Mark(step * part, step), AGE_US)
    assert marks[0] == Mark(21 * part, 21)
    assert len(marks) == PARTS + 1
    assert last_place(marks, 29 * part, AGE_US) == 21
    assert last_place(marks, 29 * part, 100 * AGE_US) is None
    assert with_mark(marks, Mark(29 * part + 1, 99), AGE_US) == marks


def test_marks_of_a_clock_that_was_ahead_do_not_count() -> None:
    assert with_mark([Mark(500, 1)], Mark(100, 2), AGE_US) == [Mark(100, 2)]


def test_marks_are_read_as_they_were_written() -> None:
    marks = [Mark(1, 2), Mark(3, 4)]
    assert read_marks(marks_text(marks)) == marks
    assert read_marks(None) == []


@pytest.mark.parametrize("text", ["{", "5", '["x"]', "[[1]]", '{"a": 1}', "[[1, null]]"])
def test_marks_of_another_release_are_left_out(text: str) -> None:
    assert read_marks(text) == []


def test_the_next_priority_is_the_lowest_in_use_above() -> None:
    assert next_priority(0, {-5, 0, 3, 7}) == 3
    assert next_priority(7, {-5, 0, 3, 7}) is None
    assert next_priority(0, ()) is None
