"""A figure, and the lines of the report that it fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.database import StoreName
from bench.stand import Measure

NO_GOAL: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result: a value of the figure.

    Args:
        key: Of the value in a sample.
        title: What it is, with its unit.
        goals: jobhost's goal on each store, in words.
        digits: Behind the point.
        stores: Where there is such a value.
    """

    key: str
    title: str
    goals: Mapping[StoreName, str] = field(default_factory=dict)
    digits: int = 0
    stores: tuple[StoreName, ...] = ("sqlite", "postgres")

    def goal(self, store: StoreName) -> str:
        """On this store."""
        return self.goals.get(store, NO_GOAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement and the rows that it fills.

    Args:
        name: As on the command line.
        measure: One run of it.
        rows: Its lines.
        stores: On which it is taken.
        peers: Whether other job queues are measured as well: those with a call for many jobs,
            if it is about that.
        many: Whether it is about such a call.
        runs: Its own number of runs; default: what the command line says.
        long: Whether it is left out unless asked for.
    """

    name: str
    measure: Measure
    rows: tuple[Row, ...]
    stores: tuple[StoreName, ...] = ("sqlite", "postgres")
    peers: bool = False
    many: bool = False
    runs: int | None = None
    long: bool = False
