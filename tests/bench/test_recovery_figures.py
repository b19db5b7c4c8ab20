"""Each figure of recovery can be measured on both stores; tiny, so its values mean nothing."""

import sys
from collections.abc import Iterator

import psutil
import pytest
from postgres_server import server_url

from bench.database import Databases
from bench.node_cost import memory_of
from bench.nodes import Nodes, lives, under_nodes
from bench.options import read_options
from bench.postgres import postgres_server
from bench.products import Jobhost
from bench.sqlite import SqliteFiles
from bench.stand import Stand
from bench.table import FIGURES, GROUPS

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

BOTH = ("recovery-backlog", "recovery-node")
ONE = ("recovery-worker", "recovery-lease", "recovery-cost", "recovery-executor")
"""On one store only: what differs between the stores is in the others, and each takes its time."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    if request.param == "sqlite":
        yield SqliteFiles()
        return
    with postgres_server(server_url()) as server:
        yield server


def _tiny(databases: Databases) -> Stand:
    return Stand(product=Jobhost(), databases=databases, size=lambda full: full // 200)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _check(databases: Databases, name: str) -> None:
    [figure] = [figure for figure in FIGURES if figure.name == name]
    before = _children()

    sample = figure.measure(_tiny(databases))

    # Costs cannot be told of a drain that is over before the first look at it.
    told = {"workers_us", "threads_us"} | sample.values.keys()
    assert {row.key for row in figure.rows} <= told
    assert all(value >= 0 for value in sample.values.values())
    assert sample.tally.sent > 0
    assert (sample.tally.lost, sample.tally.duplicates) == (0, 0)
    assert _children() <= before


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.requirement("R-PART-7")
def test_a_figure_of_recovery_fills_its_rows_and_loses_nothing(
    databases: Databases, name: str
) -> None:
    _check(databases, name)


@pytest.mark.parametrize("name", ONE)
def test_a_further_figure_of_recovery_fills_its_rows_and_loses_nothing(name: str) -> None:
    _check(SqliteFiles(), name)


def test_a_buried_node_leaves_no_worker_behind() -> None:
    with under_nodes(_tiny(SqliteFiles()), processes=2).new_site() as site:
        nodes = Nodes(site, processes=2, concurrency=1)
        nodes.start(1)
        [node] = nodes.living
        workers = nodes.workers_of(node)

        nodes.bury(node)

        assert len(workers) == 2
        assert not any(lives(worker) for worker in workers)
        assert nodes.living == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no keepers")
def test_a_keeper_stands_between_a_node_and_each_worker_and_is_counted_apart() -> None:
    with under_nodes(_tiny(SqliteFiles()), processes=2).new_site() as site:
        nodes = Nodes(site, processes=2, concurrency=1)
        nodes.start(1)
        [node] = nodes.living

        keepers = nodes.keepers_of(node)
        memory = memory_of(nodes, node, "idle")
        parents = {worker.ppid() for worker in nodes.workers_of(node)}
        nodes.stop()

    assert {keeper.pid for keeper in keepers} == parents
    assert (len(keepers), len(parents)) == (2, 2)
    parts = memory["pss_idle"] + memory["keepers_pss_idle"]
    assert 0 < memory["keepers_pss_idle"] < memory["whole_pss_idle"]
    assert memory["whole_pss_idle"] == pytest.approx(parts, rel=0.2)


def test_all_figures_of_recovery_have_one_name_on_the_command_line() -> None:
    asked = ["--store", "sqlite", "--only", "recovery", "--only", "kill"]

    names = [figure.name for figure in read_options(asked).figures]

    assert names == ["kill", *GROUPS["recovery"]]
    assert not set(GROUPS["recovery"]) & {f.name for f in read_options([]).figures}
