"""From samples to tables."""

import json
from pathlib import Path

import pytest

from bench.figure import Figure, Row
from bench.machine import Machine
from bench.peers.huey_peer import Huey
from bench.peers.install import Installer
from bench.processes import BenchError, SkippedError
from bench.products import Jobhost, Product
from bench.records import Tally
from bench.report import Report
from bench.result import Result
from bench.sample import Sample
from bench.sqlite import SqliteFiles
from bench.stand import Stand

MACHINE = Machine(
    cpus=2, python="3", sqlite="3", jobhost="0", fsync_ms=0.1, load_before=0, load_after=1
)
ROWS = (
    Row(key="rate", title="drain, jobs/s", goals={"sqlite": ">= 9", "postgres": ">= 5"}),
    Row(key="wal", title="  WAL, bytes/job", stores=("postgres",)),
)


def _result(product: Product, *rates: float, tally: Tally | None = None) -> Result:
    samples = [Sample(values={"rate": rate}, tally=tally or Tally(10)) for rate in rates]
    figure = Figure(name="drain", measure=lambda stand: samples[0], rows=ROWS)
    stand = Stand(product=product, databases=SqliteFiles(), size=lambda full: full)
    return Result(figure=figure, stand=stand, samples=samples)


def _huey() -> Huey:
    return Huey(Installer(Path("nowhere")))


def _report(*results: Result) -> Report:
    return Report(machine=MACHINE, results=results, quick=False)


def test_products_stand_side_by_side_with_median_spread_and_goal() -> None:
    report = _report(_result(Jobhost(), 1000, 3000, 2000), _result(_huey(), 7))

    markdown = report.render(markdown=True).splitlines()

    assert markdown[0] == "### SQLite: median (min - max)"
    assert markdown[2:5] == [
        "| figure | jobhost | Huey 3.5.4 | goal |",
        "|---|---:|---:|---:|",
        "| drain, jobs/s | 2,000 (1,000 - 3,000) | 7 (7 - 7) | >= 9 |",
    ]
    aligned = report.render().splitlines()
    assert aligned[3].split("  ") == [
        "drain, jobs/s",
        "2,000 (1,000 - 3,000)",
        " 7 (7 - 7)",
        ">= 9",
    ]
    assert "WAL" not in report.render()
    assert "jobs: jobhost 30 sent, 0 lost, 0 duplicates; huey 10 sent, 0 lost" in report.render()


def test_what_is_not_installed_says_so_and_does_not_count_as_a_failure() -> None:
    skipped = Result(
        figure=Figure(name="drain", measure=_not_here, rows=ROWS),
        stand=_result(_huey()).stand,
    ).one_more()
    report = _report(_result(Jobhost(), 5), skipped)

    assert report.is_clean()
    assert "| drain, jobs/s | 5 (5 - 5) | not measured | >= 9 |" in report.render(markdown=True)
    assert "  huey, SQLite, drain: huey is not installed: no network" in report.render()


def test_a_figure_that_failed_says_why_and_is_not_tried_again() -> None:
    failed = Result(
        figure=Figure(name="drain", measure=_broken, rows=ROWS), stand=_result(Jobhost()).stand
    ).one_more()

    assert failed.one_more() is failed
    assert not _report(failed).is_clean()
    assert "failed" in _report(failed).render()
    assert "  jobhost, SQLite, drain: it broke" in _report(failed).render()


@pytest.mark.parametrize("tally", [Tally(5, lost=1), Tally(5, duplicates=1)])
def test_a_loss_and_a_duplicate_are_not_clean(tally: Tally) -> None:
    report = _report(_result(Jobhost(), 5, tally=tally))

    assert not report.is_clean()
    assert f"drain: {tally.lost} lost, {tally.duplicates} duplicates" in report.render()


def test_raw_values_are_written_by_store_product_and_figure(tmp_path: Path) -> None:
    file = tmp_path / "values.json"

    _report(_result(Jobhost(), 1, 2)).write_json(file)

    row = json.loads(file.read_text())["stores"]["sqlite"]["jobhost"]["drain"]["rows"]["rate"]
    assert row == {"title": "drain, jobs/s", "goal": ">= 9", "values": [1, 2]}


def _not_here(stand: Stand) -> Sample:
    raise SkippedError("huey is not installed: no network")


def _broken(stand: Stand) -> Sample:
    raise BenchError("it broke")
