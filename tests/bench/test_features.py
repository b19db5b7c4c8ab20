"""What features cost can be measured on both stores; tiny, so its values mean nothing."""

from collections.abc import Iterator

import pytest
from postgres_server import server_url

from bench.comparison import ROWS_BESIDE
from bench.database import Databases
from bench.options import read_options
from bench.postgres import postgres_server
from bench.products import Jobhost
from bench.sqlite import SqliteFiles
from bench.stand import Stand
from bench.table import FIGURES, GROUPS

PARTS = 1_000

NAMES = GROUPS["features"]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    if request.param == "sqlite":
        yield SqliteFiles()
        return
    with postgres_server(server_url()) as server:
        yield server


def _check(databases: Databases, name: str) -> None:
    [figure] = [figure for figure in FIGURES if figure.name == name]
    stand = Stand(product=Jobhost(), databases=databases, size=lambda full: full // PARTS)

    sample = figure.measure(stand)

    # Processor time cannot be told of a drain that is over before the first look at it.
    told = sample.values.keys() | {row.key for row in figure.rows if "_cost" in row.key}
    assert {row.key for row in figure.rows} <= told
    assert all(value >= 0 for value in sample.values.values())
    assert sample.tally.sent > 0
    assert (sample.tally.lost, sample.tally.duplicates) == (0, 0)


@pytest.mark.parametrize("name", ["features-enqueue-with", "features-enqueue-many-with"])
def test_jobs_enqueued_in_transactions_of_the_callers_are_all_there(
    databases: Databases, name: str
) -> None:
    _check(databases, name)


def test_old_jobs_are_seen_to_be_pruned_while_others_are_drained(databases: Databases) -> None:
    assert ROWS_BESIDE // PARTS > 1
    _check(databases, "features-retention")


def test_threads_processes_and_programs_leave_a_record_of_each_job() -> None:
    _check(SqliteFiles(), "features-executors")


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_figure_of_features_fills_its_rows_and_loses_nothing(
    databases: Databases, name: str
) -> None:
    _check(databases, name)


def test_groups_of_figures_have_one_name_on_the_command_line() -> None:
    def chosen(name: str) -> list[str]:
        return [figure.name for figure in read_options(["--only", name]).figures]

    assert chosen("features") == list(NAMES)
    assert chosen("unserved") == list(GROUPS["unserved"])
    assert not set(NAMES) & {figure.name for figure in read_options([]).figures}


def test_the_goal_of_a_drain_beside_a_million_others_stands_in_its_row() -> None:
    for figure in read_options(["--only", "unserved"]).figures:
        [row] = [row for row in figure.rows if row.key == "percent"]
        assert (row.goal("sqlite"), row.goal("postgres")) == (">= 80", ">= 80")
