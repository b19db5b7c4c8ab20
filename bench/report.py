"""From samples to one table, and to JSON."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.machine import Machine
from bench.records import Tally
from bench.sample import Sample
from bench.table import Figure, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All runs of one figure; `error` if one of them could not be measured."""

    figure: Figure
    samples: Sequence[Sample]
    error: str | None = None

    @property
    def tally(self) -> Tally:
        """Of all runs together."""
        return sum((sample.tally for sample in self.samples), Tally())

    def values(self, row: Row) -> list[float]:
        """The values of one row, run by run."""
        return [sample.values[row.key] for sample in self.samples]


def is_clean(results: Sequence[Result]) -> bool:
    """Whether all was measured, nothing was lost and nothing ran twice."""
    tallies = [result.tally for result in results]
    failed = any(result.error for result in results)
    return not failed and not any(tally.lost or tally.duplicates for tally in tallies)


def render(machine: Machine, results: Sequence[Result], *, quick: bool) -> str:
    """The table, with what became of the jobs and the machine below it."""
    lines = [("figure", "median", "min - max", "goal")]
    lines += [_line(result, row) for result in results for row in result.figure.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        f"{title:<{widths[0]}}  {median:>{widths[1]}}  {span:>{widths[2]}}  {goal:>{widths[3]}}"
        for title, median, span, goal in lines
    ]
    text.insert(1, "  ".join("-" * width for width in widths))
    total = sum((result.tally for result in results), Tally())
    text += ["", f"jobs: {total.sent:,} sent, {total.lost:,} lost, {total.duplicates:,} duplicates"]
    text += [_blame(result) for result in results if not is_clean([result])]
    text += [f"machine: {machine}"]
    if quick:
        text += ["quick: a tenth of the sizes, so compare no figure with its goal"]
    return "\n".join(text)


def write_json(path: Path, machine: Machine, results: Sequence[Result], *, quick: bool) -> None:
    """The raw values, run by run."""
    figures = {result.figure.name: _plain(result) for result in results}
    document = {"machine": asdict(machine), "quick": quick, "figures": figures}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _line(result: Result, row: Row) -> tuple[str, str, str, str]:
    values = result.values(row)
    if not values:
        return row.title, "failed", "", row.goal
    median, least, most = (
        f"{value:,.{row.digits}f}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return row.title, median, f"{least} - {most}", row.goal


def _blame(result: Result) -> str:
    tally = result.tally
    what = result.error or f"{tally.lost:,} lost, {tally.duplicates:,} duplicates"
    return f"  {result.figure.name}: {what}"


def _plain(result: Result) -> Mapping[str, Any]:
    return {
        "rows": {
            row.key: {"title": row.title.strip(), "goal": row.goal, "values": result.values(row)}
            for row in result.figure.rows
        },
        "jobs": asdict(result.tally),
        "error": result.error,
    }
