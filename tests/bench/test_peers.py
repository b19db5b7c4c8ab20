"""What can be said of the peers without installing them."""

import subprocess
from pathlib import Path

import pytest

from bench.order import Order
from bench.peers import install
from bench.peers.huey_peer import Huey
from bench.peers.install import Installer
from bench.peers.pgqueuer_peer import PgQueuer
from bench.processes import SkippedError
from bench.sqlite import SqliteFile

ORDER = Order(way="bulk", count=2_500, first=10)


def test_an_order_travels_as_text_and_falls_into_calls() -> None:
    assert Order.from_text(ORDER.to_text()) == ORDER
    assert list(ORDER.calls()) == [range(10, 1010), range(1010, 2010), range(2010, 2510)]
    assert len(list(Order(way="one_by_one", count=3).calls())) == 3


def test_huey_has_one_consumer_for_all_workers_and_pgqueuer_a_process_each(tmp_path: Path) -> None:
    database, installer = SqliteFile(tmp_path, "full"), Installer(tmp_path / "peers")

    [consumer] = Huey(installer).workers(database, 2, 500)
    assert consumer[0] == str(tmp_path / "peers" / "bin" / "huey_consumer")
    assert consumer[consumer.index("--workers") + 1] == "2"
    assert len(PgQueuer(installer).workers(database, 2, 500)) == 2
    for peer in (Huey(installer), PgQueuer(installer)):
        assert peer.producer(database, ORDER)[-1] == ORDER.to_text()


def test_without_a_package_index_a_peer_is_skipped_and_pip_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def offline(command: tuple[str, ...], **_: object) -> None:
        asked.append(command)
        raise subprocess.CalledProcessError(1, command, stderr="Retrying\nERROR: no network\n")

    monkeypatch.setattr(install.subprocess, "run", offline)
    installer = Installer(tmp_path)

    for _ in range(2):
        with pytest.raises(SkippedError, match="huey is not installed: ERROR: no network"):
            installer.require("huey", ["huey==1"])
    assert len(asked) == 1


def test_what_is_installed_is_not_installed_again_until_its_versions_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(install.subprocess, "run", lambda command, **_: asked.append(command))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()

    for requirement in ("huey==1", "huey==1", "huey==2"):
        Installer(tmp_path).require("huey", [requirement])

    assert [command[-1] for command in asked] == ["huey==1", "huey==2"]


def test_the_peers_programs_need_nothing_but_their_own_packages() -> None:
    """They run without jobhost and psutil: of the bench they may import two modules."""
    folder = Path(install.__file__).parent
    imported = {
        line.split()[1]
        for program in folder.glob("*_app.py")
        for line in program.read_text(encoding="utf-8").splitlines()
        if line.startswith("from bench")
    }
    assert imported == {"bench.order", "bench.records"}
