"""Nodes that are asked to stop while they still import."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sites import NodeProcess, Site, until

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
GATE = """
import sys
import time
from pathlib import Path

FOLDER = Path({folder!r})


class Gate:
    def find_spec(self, name, path=None, target=None):
        if name == "typer" and "--processes" in sys.argv:
            (FOLDER / "imports").touch()
            while not (FOLDER / "go").exists():
                time.sleep(0.01)


sys.meta_path.insert(0, Gate())
"""
Start = Callable[..., NodeProcess]


@pytest.fixture
def importing(site: Site, tmp_path: Path) -> Start:
    """Start a node that stays in its imports, until `_go_on`."""
    (tmp_path / "sitecustomize.py").write_text(GATE.format(folder=str(tmp_path)))

    def start(prefix: list[str] | None = None) -> NodeProcess:
        node = site.start(prefix=prefix or [], env={"PYTHONPATH": str(tmp_path)})
        until((tmp_path / "imports").exists, "it imports")
        return node

    return start


def _go_on(site: Site) -> None:
    (site.folder / "go").touch()


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGTERM],
        [signal.SIGINT],
        [signal.SIGHUP],
        [signal.SIGTERM, signal.SIGINT],
        [signal.SIGHUP, signal.SIGTERM],
    ],
    ids=lambda signals: "-".join(one.name for one in signals),
)
def test_a_node_that_is_asked_to_stop_while_it_imports_starts_nobody_and_ends_in_order(
    site: Site, importing: Start, signals: list[signal.Signals]
):
    node = importing()
    for number in signals:
        node.send(number)
    _go_on(site)

    assert node.wait() == 0
    assert " serves " not in node.log


def test_nohup_holds_while_a_node_imports(site: Site, importing: Start):
    node = importing(["nohup"])
    node.send(signal.SIGHUP)
    _go_on(site)

    node.ready()
    assert node.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has namespaces of processes")
def test_the_first_process_of_a_container_loses_no_stop_while_it_imports(
    site: Site, importing: Start
):
    try:
        subprocess.run([*UNSHARE, "true"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs the right to make a namespace of processes (unshare --pid)")
    node = importing(UNSHARE)
    [first] = psutil.Process(node.pid).children()
    first.terminate()
    _go_on(site)

    assert node.wait() == 0
    assert " serves " not in node.log
