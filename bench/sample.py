"""What one run of a figure gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.records import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The values of one run by the keys of the figure's rows, and what became of its jobs."""

    values: Mapping[str, float]
    tally: Tally


Size = Callable[[int], int]
"""From a full size to the size of this run: the same, or a tenth."""

Measure = Callable[[Size], Sample]
"""One run of a figure."""
