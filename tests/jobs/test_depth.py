"""The length of a line, estimated from samples, for every pattern in which places may be taken."""

import random
from bisect import bisect_left
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.jobs.depth import (
    PILOT_WINDOWS,
    ROWS_IN_WINDOW,
    WINDOWS,
    Depth,
    Survey,
    main_survey,
    pilot,
)

JOBS = 60_000


def thinned(density: float) -> list[int]:
    dice, place, places = random.Random(1), 0, []
    for _ in range(JOBS):
        place += int(dice.expovariate(density)) + 1
        places.append(place)
    return places


def clumps(size: int, gap: int) -> list[int]:
    count = -(-JOBS // size)
    places = [at * (size + gap) + each for at in range(count) for each in range(size)]
    return places[:JOBS]


PATTERNS: dict[str, Callable[[], list[int]]] = {
    "alone": lambda: list(range(1, JOBS + 1)),
    "one of three": lambda: list(range(0, 3 * JOBS, 3)),
    "half": lambda: thinned(0.5),
    "one of 500": lambda: thinned(0.002),
    "small floods": lambda: clumps(10, 90),
    "floods": lambda: clumps(1000, 9000),
    "large floods": lambda: clumps(10_000, 90_000),
    "two floods far apart": lambda: clumps(JOBS // 2, 100 * JOBS),
}


def count(places: list[int], survey: Survey, dice: random.Random) -> Iterator[int]:
    for begin in survey.places(dice.random):
        yield bisect_left(places, begin + survey.width) - bisect_left(places, begin)


def estimate(places: list[int], dice: random.Random) -> tuple[Depth, int]:
    """As a store does it; with the number of rows looked at."""
    first = pilot(places[0], places[-1])
    seen = list(count(places, first, dice))
    second = main_survey(first, seen)
    counts = list(count(places, second, dice))
    return second.estimate(counts), sum(seen) + sum(counts)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_estimate_is_right_on_average_and_its_error_is_honest(pattern: str) -> None:
    places, dice = PATTERNS[pattern](), random.Random(5)
    found = [estimate(places, dice)[0] for _ in range(20)]
    mean = sum(depth.jobs for depth in found) / len(found)
    typical = sum(depth.error for depth in found) / len(found)
    assert abs(mean - JOBS) <= max(typical, 0.005 * JOBS)
    within = [depth for depth in found if abs(depth.jobs - JOBS) <= depth.error]
    # 95 % are; what 20 tries can show of that without ever being wrong, on these fixed dice.
    assert len(within) >= 17


@pytest.mark.parametrize("pattern", ["alone", "one of three", "half", "one of 500"])
def test_an_evenly_mixed_line_is_estimated_to_a_few_percent(pattern: str) -> None:
    places, dice = PATTERNS[pattern](), random.Random(7)
    for _ in range(8):
        depth, _ = estimate(places, dice)
        assert abs(depth.jobs - JOBS) <= 0.05 * JOBS


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_rows_looked_at_do_not_grow_with_the_line(pattern: str) -> None:
    places, dice = PATTERNS[pattern](), random.Random(9)
    for _ in range(3):
        _, rows = estimate(places, dice)
        assert rows <= 4 * WINDOWS * ROWS_IN_WINDOW


@given(
    first=st.integers(1, 2**40),
    span=st.integers(0, 2**40),
    width=st.integers(1, 10_000),
    windows=st.integers(1, 200),
    seed=st.integers(0, 1000),
)
def test_one_window_begins_in_each_part_and_reaches_into_the_line(
    first: int, span: int, width: int, windows: int, seed: int
) -> None:
    survey = Survey(first=first, last=first + span, windows=windows, width=width)
    places = survey.places(random.Random(seed).random)
    assert len(places) == windows
    assert places == sorted(places)
    assert first - width < places[0]
    assert places[-1] <= first + span


@given(places=st.sets(st.integers(1, 400), min_size=1))
def test_all_windows_together_count_every_place_equally_often(places: set[int]) -> None:
    """Over all places where a window may begin, each row is in as many windows as it is wide."""
    survey = Survey(first=min(places), last=max(places), windows=1, width=7)
    begins = range(survey.first - survey.width + 1, survey.last + 1)
    assert len(begins) == survey.span
    seen = [len(places & set(range(at, at + survey.width))) for at in begins]
    everywhere = Survey(
        first=survey.first, last=survey.last, windows=survey.span, width=survey.width
    )
    assert everywhere.estimate(seen).jobs == len(places)


def test_nothing_seen_is_no_certainty() -> None:
    survey = main_survey(pilot(1, 10**9), [0] * PILOT_WINDOWS)
    depth = survey.estimate([0] * WINDOWS)
    assert depth.jobs == 1
    assert depth.error > 1


@pytest.mark.parametrize(
    ("depth", "text"),
    [
        (Depth(jobs=0), "0"),
        (Depth(jobs=9120), "9,120"),
        (Depth(jobs=1_019_734, error=12_000), "about 1,020,000"),
        (Depth(jobs=10_523, error=3), "about 10,500"),
        (Depth(jobs=12, error=3), "about 12"),
    ],
    ids=str,
)
def test_people_read_an_estimate_as_one(depth: Depth, text: str) -> None:
    assert str(depth) == text


def test_errors_of_several_lines_add_up_as_independent_ones() -> None:
    both = Depth(jobs=100, error=3) + Depth(jobs=50, error=4)
    assert (both.jobs, both.error, both.exact) == (150, 5, False)
    assert (Depth(jobs=1) + Depth(jobs=2)).exact
