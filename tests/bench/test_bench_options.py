"""The command line of the bench."""

import pytest

from bench import options
from bench.options import read_options


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_POSTGRES", raising=False)


def test_without_options_all_stores_and_peers_are_measured_but_nothing_long() -> None:
    found = read_options([])

    assert found.stores == ["sqlite", "postgres"]
    assert found.peers == ("pgqueuer", "huey")
    assert found.postgres is None
    names = [figure.name for figure in found.figures]
    assert "snapshot" in names
    assert "snapshot-long" not in names


def test_sqlite_alone_is_measured_where_the_extra_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "find_spec", lambda name: None)

    assert read_options([]).stores == ["sqlite"]


def test_postgresql_without_its_packages_is_refused_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(options, "find_spec", lambda name: None)

    with pytest.raises(SystemExit):
        read_options(["--store", "postgres"])

    assert "psycopg" in capsys.readouterr().err


def test_a_server_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_POSTGRES", "postgresql://one/db")

    assert read_options([]).postgres == "postgresql://one/db"
    assert read_options(["--postgres", "postgresql://two/db"]).postgres == "postgresql://two/db"


@pytest.mark.parametrize(
    ("arguments", "peers"),
    [
        (["--no-peers"], ()),
        (["--peers", "huey"], ("huey",)),
        (["--peers", "huey, pgqueuer"], ("huey", "pgqueuer")),
    ],
)
def test_peers_are_chosen_by_name(arguments: list[str], peers: tuple[str, ...]) -> None:
    assert read_options(arguments).peers == peers


def test_an_unknown_peer_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        read_options(["--peers", "quick"])

    assert "expected some of pgqueuer, huey; got quick" in capsys.readouterr().err


def test_a_long_figure_is_measured_if_it_is_named() -> None:
    [figure] = read_options(["--only", "snapshot-long"]).figures

    assert figure.name == "snapshot-long"
    assert "snapshot-long" in [figure.name for figure in read_options(["--long"]).figures]


def test_a_figure_that_the_store_does_not_have_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        read_options(["--store", "sqlite", "--only", "snapshot"])

    assert "none of snapshot is measured on sqlite" in capsys.readouterr().err


def test_a_figure_has_its_own_number_of_runs_unless_it_is_to_be_quick() -> None:
    full = read_options(["--only", "kill", "--runs", "2"])
    quick = read_options(["--only", "kill", "--runs", "2", "--quick"])

    assert full.runs_of(full.figures[0]) == 10
    assert quick.runs_of(quick.figures[0]) == 2
