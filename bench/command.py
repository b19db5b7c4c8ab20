"""The command line of the bench."""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.machine import load, this_machine
from bench.processes import BenchError
from bench.report import Result, is_clean, render, write_json
from bench.sample import Size
from bench.table import FIGURES, Figure

QUICK_DIVISOR: Final = 10


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 if anything was lost, ran twice or could not be measured."""
    wanted = _parser().parse_args(arguments)
    # Unwinding ends the processes and removes the folder.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    machine = this_machine()
    chosen = [figure for figure in FIGURES if not wanted.only or figure.name in wanted.only]
    results = _measure(chosen, wanted.runs, quick=wanted.quick)
    machine = replace(machine, load_after=load())
    print(render(machine, results, quick=wanted.quick))
    if wanted.json is not None:
        write_json(wanted.json, machine, results, quick=wanted.quick)
    return 0 if is_clean(results) else 1


def _measure(figures: Sequence[Figure], wanted_runs: int, *, quick: bool) -> list[Result]:
    """In rounds, one run of each figure at a time: what else the machine does in a while then
    falls on all figures, and shows as their spread instead of as a difference between them."""
    size: Size = _a_part if quick else _whole
    runs = {
        figure.name: wanted_runs if figure.runs is None or quick else figure.runs
        for figure in figures
    }
    results = [Result(figure=figure, samples=[]) for figure in figures]
    for number in range(1, max(runs.values()) + 1):
        results = [
            _one_more(result, size, f"run {number} of {runs[result.figure.name]}")
            if number <= runs[result.figure.name] and result.error is None
            else result
            for result in results
        ]
    return results


def _one_more(result: Result, size: Size, which: str) -> Result:
    figure = result.figure
    print(f"{figure.name}: {which}", file=sys.stderr)
    try:
        return replace(result, samples=[*result.samples, figure.measure(size)])
    except BenchError as error:
        return replace(result, error=str(error))


def _whole(full: int) -> int:
    return full


def _a_part(full: int) -> int:
    return full // QUICK_DIVISOR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure jobhost on the disk of the temporary folder (see TMPDIR).",
    )
    parser.add_argument(
        "--runs",
        type=_positive,
        default=3,
        help="runs of each figure (default 3; kill has its own 10)",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[figure.name for figure in FIGURES],
        metavar="FIGURE",
        help="only this figure; may be repeated: %(choices)s",
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw values there")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {text}")
    return number
