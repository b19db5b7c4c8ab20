"""What the pages on operation show: the unit's settings fit each other, the example works."""

import configparser
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pages import DOCS, blocks
from typer.main import get_command

from jobhost import JobHost
from jobhost.cli.main import app
from jobhost.durations import seconds

DEPLOY = blocks(DOCS / "operations" / "deploy.md")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
LATE_SECONDS = 20
"""What a worker may need beyond its stopping wait time."""


def _text(language: str) -> str:
    [block] = [block for block in DEPLOY if block.language == language]
    return block.text


def _check_options(words: list[str]) -> dict[str, str]:
    """The options of a command line of `jobhost worker`, which exist."""
    command: Any = get_command(app)
    known = {name for option in command.commands["worker"].params for name in option.opts}
    given = {name: words[at + 1] for at, name in enumerate(words) if name.startswith("--")}
    assert set(given) <= known
    return given


def test_the_unit_waits_longer_than_the_node_and_speaks_its_protocol() -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(_text("ini"))
    service = unit["Service"]
    options = _check_options(shlex.split(service["ExecStart"])[3:])

    stopping = seconds(options["--stopping-wait-time"], "--stopping-wait-time")
    assert float(service["TimeoutStopSec"]) > stopping + LATE_SECONDS
    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    assert float(service["WatchdogSec"]) >= 10


def test_the_container_starts_the_node_without_a_shell() -> None:
    lines = dict(line.split(" ", 1) for line in _text("dockerfile").splitlines() if line)
    entry, command = json.loads(lines["ENTRYPOINT"]), json.loads(lines["CMD"])

    assert entry == ["jobhost", "worker", "app:host"]
    assert lines["STOPSIGNAL"] == "SIGTERM"
    assert "--processes" in _check_options(command)


def test_the_node_of_the_page_runs_jobs_and_drains(tmp_path: Path) -> None:
    [program] = [block for block in DEPLOY if block.file_name == "app.py"]
    [start] = [block for block in DEPLOY if block.language == "console"]
    (tmp_path / "app.py").write_text(program.text, encoding="utf-8")
    url = f"sqlite:///{tmp_path}/app.db"
    with JobHost(url) as host:
        host.migrate()

        def greet(name: str) -> str:
            return name

        job = host.task(name="greet")(greet).enqueue("Ada")
        node = subprocess.Popen(
            shlex.split(start.commands[0]),
            cwd=tmp_path,
            env={**os.environ, "PATH": PATH, "JOBHOST_URL": url},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert job.result("90s") == "hello Ada"
        finally:
            node.send_signal(signal.SIGTERM)
            _, log = node.communicate(timeout=90)
    assert node.returncode == 0, log
