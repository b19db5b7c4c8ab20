"""From results to one table for each store, and to JSON."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.database import TITLES, StoreName
from bench.figure import Row
from bench.machine import Machine
from bench.processes import BenchError
from bench.records import Tally
from bench.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a run of the bench gives.

    Args:
        machine: Where it ran.
        results: In the order of the table.
        quick: Whether the sizes were a tenth.
    """

    machine: Machine
    results: Sequence[Result]
    quick: bool

    def is_clean(self) -> bool:
        """Whether jobhost's figures were all measured, and nobody lost a job or ran one twice."""
        return all(result.is_clean for result in self.results)

    def render(self, *, markdown: bool = False) -> str:
        """The tables, with what became of the jobs and the machine below them."""
        blocks = []
        for store in _stores(self.results):
            table = _table([r for r in self.results if r.stand.databases.store == store], store)
            blocks.append(_markdown(store, table) if markdown else _aligned(store, table))
        closing = [_jobs(self.results), *map(_blame, self.results), f"machine: {self.machine}"]
        if self.quick:
            closing.append("quick: a tenth of the sizes, so compare no figure with its goal")
        separator = "\n\n" if markdown else "\n"
        return "\n\n".join([*blocks, separator.join(line for line in closing if line)])

    def write_json(self, path: Path) -> None:
        """The raw values, run by run."""
        stores: dict[str, dict[str, dict[str, Any]]] = {}
        for result in self.results:
            products = stores.setdefault(result.stand.databases.store, {})
            figures = products.setdefault(result.stand.product.name, {})
            figures[result.figure.name] = _plain(result)
        document = {"machine": asdict(self.machine), "quick": self.quick, "stores": stores}
        try:
            path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise BenchError(f"the values cannot be written: {error}") from error


def _stores(results: Sequence[Result]) -> list[StoreName]:
    return list(dict.fromkeys(result.stand.databases.store for result in results))


def _table(results: Sequence[Result], store: StoreName) -> list[tuple[str, ...]]:
    """Lines of cells; a column for each product."""
    titles = list(dict.fromkeys(result.stand.product.title for result in results))
    lines = [("figure", *titles, "goal")]
    by_figure: dict[str, dict[str, Result]] = {}
    for result in results:
        by_figure.setdefault(result.figure.name, {})[result.stand.product.title] = result
    for found in by_figure.values():
        for row in next(iter(found.values())).rows:
            cells = (_cell(found.get(title), row) for title in titles)
            lines.append((row.title, *cells, row.goal(store)))
    return lines


def _cell(result: Result | None, row: Row) -> str:
    if result is None:
        return "-"
    if not (values := result.values(row)):
        return "failed" if result.error and not result.skipped else "not measured"
    median, least, most = (
        f"{value:,.{row.digits}f}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({least} - {most})"


def _aligned(store: StoreName, lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([f"{TITLES[store]}: median (min - max)", *text])


def _markdown(store: StoreName, lines: Sequence[tuple[str, ...]]) -> str:
    text = ["| " + " | ".join(cell.strip() for cell in line) + " |" for line in lines]
    text.insert(1, "|---" + "|---:" * (len(lines[0]) - 1) + "|")
    return "\n".join([f"### {TITLES[store]}: median (min - max)", "", *text])


def _jobs(results: Sequence[Result]) -> str:
    names = list(dict.fromkeys(result.stand.product.name for result in results))
    parts = []
    for name in names:
        tallies = [result.tally for result in results if result.stand.product.name == name]
        total = sum(tallies, Tally())
        parts.append(
            f"{name} {total.sent:,} sent, {total.lost:,} lost, {total.duplicates:,} duplicates"
        )
    return "jobs: " + "; ".join(parts)


def _blame(result: Result) -> str:
    """What went wrong, or nothing."""
    if result.is_clean and not result.error:
        return ""
    tally = result.tally
    what = result.error or f"{tally.lost:,} lost, {tally.duplicates:,} duplicates"
    store, name = TITLES[result.stand.databases.store], result.stand.product.name
    return f"  {name}, {store}, {result.figure.name}: {what}"


def _plain(result: Result) -> Mapping[str, Any]:
    store = result.stand.databases.store
    return {
        "rows": {
            row.key: {
                "title": row.title.strip(),
                "goal": row.goal(store),
                "values": result.values(row),
            }
            for row in result.rows
        },
        "jobs": asdict(result.tally),
        "error": result.error,
        "skipped": result.skipped,
    }
