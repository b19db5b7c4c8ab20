"""Each figure can be measured on PostgreSQL; tiny, so its values mean nothing."""

from collections.abc import Iterator

import pytest
from postgres_server import server_url

from bench.figure import Figure
from bench.postgres import Server, postgres_server
from bench.processes import SkippedError
from bench.products import Jobhost
from bench.stand import Stand
from bench.table import FIGURES

CHOSEN = (
    "drain-2",
    "enqueue-bulk",
    "latency",
    "beside-finished",
    "beside-unserved-task",
    "beside-paused-queue",
    "snapshot-long",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server(server_url()) as server:
        yield server


def _figure(name: str) -> Figure:
    [figure] = [figure for figure in FIGURES if figure.name == name]
    return figure


def _stand(server: Server) -> Stand:
    return Stand(product=Jobhost(), databases=server, size=lambda full: max(full // 1000, 5))


@pytest.mark.parametrize("name", CHOSEN)
def test_a_figure_fills_its_rows_and_loses_nothing(server: Server, name: str) -> None:
    figure = _figure(name)

    sample = figure.measure(_stand(server))

    # Costs cannot be told of a drain that is over before the first look at it.
    told = {"workers_us", "server_us", "wal"} | sample.values.keys()
    assert {row.key for row in figure.rows} <= told
    assert all(value >= 0 for value in sample.values.values())
    assert sample.tally.sent > 0
    assert (sample.tally.lost, sample.tally.duplicates) == (0, 0)


def test_no_database_is_left(server: Server) -> None:
    with _stand(server).new_site() as site:
        name = site.database.url.partition("?")[0].rpartition("/")[2]
        known = "SELECT count(*) FROM pg_database WHERE datname = %s"
        assert server.ask(known, name) == 1

    assert server.ask(known, name) == 0


def test_statements_are_not_guessed_where_the_log_cannot_be_read(server: Server) -> None:
    with pytest.raises(SkippedError, match="own server"):
        _figure("idle").measure(_stand(server))


def test_names_of_figures_are_unique() -> None:
    names = [figure.name for figure in FIGURES]
    assert len(names) == len(set(names))
