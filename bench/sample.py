"""What one run of a figure gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.records import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The values of one run by the keys of the figure's rows, without those that could not be
    told here, and what became of its jobs."""

    values: Mapping[str, float]
    tally: Tally
