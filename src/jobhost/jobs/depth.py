"""How long a line of waiting jobs is, without counting it: estimated from samples. Pure.

A line is what waits in one queue, priority and lane. Its places are whole numbers, each taken at
most once, between the first and the last one; jobs of other queues have the places in between.
The rows within a window of `width` places, laid at random, are counted in many windows, one in
each of as many equal parts of the line. Every place is in as many windows on average as any other,
so the estimate is right on average for every pattern: thinly mixed queues, floods of one queue
after floods of another, gaps. How far off a single estimate may be is read from how much
neighbouring windows differ.

A first survey with narrow windows finds out how wide the windows of the second must be to see
some 16,000 rows together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

EXACT_MAX: Final = 10_000
"""Lines up to here are counted: a walk along an index of some milliseconds."""

PILOT_WINDOWS: Final = 512
PILOT_WIDTH: Final = 16

WINDOWS: Final = 1024
ROWS_IN_WINDOW: Final = 16
"""On average; together the error of an evenly mixed line of any length is below 2 %."""

ERROR_MIN: Final = 0.005
"""Of the estimate: the ends of a line, where a window lies across its edge, are not the same as the
rest."""

SIGMAS: Final = 2.0
"""The error told is that of about 19 estimates in 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many jobs wait.

    Args:
        jobs: The number.
        error: It is off by no more than this in about 19 of 20 cases; 0: it was counted.
    """

    jobs: int
    error: int = 0

    @property
    def exact(self) -> bool:
        """Whether it was counted."""
        return self.error == 0

    def __add__(self, other: "Depth") -> "Depth":
        """Of both together; their errors are independent."""
        return Depth(
            jobs=self.jobs + other.jobs, error=math.ceil(math.hypot(self.error, other.error))
        )

    def __str__(self) -> str:
        """For people: `9,120`, or `about 1,020,000` to three digits."""
        return f"{self.jobs:,}" if self.exact else f"about {_rounded(self.jobs):,}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"jobs": self.jobs, "error": self.error, "exact": self.exact}


NOTHING: Final = Depth(jobs=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Windows laid over a line.

    Args:
        first, last: Its first and last place.
        windows: How many windows.
        width: How many places each covers.
    """

    first: int
    last: int
    windows: int
    width: int

    @property
    def span(self) -> int:
        """How many places a window may begin at: so many before the first one that it, too, can
        be in any part of a window."""
        return self.last - self.first + self.width

    def places(self, chance: Callable[[], float]) -> list[int]:
        """Where the windows begin, in rising order: one at random in each part of the line.

        Args:
            chance: Gives a number from 0 to below 1.
        """
        begin, part = self.first - self.width + 1, self.span / self.windows
        return [begin + int((at + chance()) * part) for at in range(self.windows)]

    def estimate(self, counts: Sequence[int]) -> Depth:
        """From the number of rows in each window, in order. At least 1 job, since a line without
        any is none; the error is at least 1, since this is no count."""
        factor = self.span / (self.windows * self.width)
        differences = sum((one - other) ** 2 for one, other in pairwise(counts))
        error = SIGMAS * factor * math.sqrt(differences / 2)
        jobs = factor * sum(counts)
        # Windows that are all alike, with or without rows, know nothing of what lies between them.
        error = max(error, ERROR_MIN * jobs, factor if jobs == 0 else 0.0)
        return Depth(jobs=max(1, round(jobs)), error=max(1, math.ceil(error)))


def pilot(first: int, last: int) -> Survey:
    """The first survey of a line."""
    return Survey(first=first, last=last, windows=PILOT_WINDOWS, width=PILOT_WIDTH)


def main_survey(pilot: Survey, counts: Sequence[int]) -> Survey:
    """The second one: as wide as what the first has counted asks for."""
    density = max(1, sum(counts)) / (pilot.windows * pilot.width)
    part = math.ceil((pilot.last - pilot.first + 1) / WINDOWS)
    width = max(1, min(int(ROWS_IN_WINDOW / density), part))
    return Survey(first=pilot.first, last=pilot.last, windows=WINDOWS, width=width)


def _rounded(number: int) -> int:
    digits = len(str(abs(number))) - 3
    return number if digits <= 0 else round(number, -digits)
