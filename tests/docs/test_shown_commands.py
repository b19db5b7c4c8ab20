"""What the pages show at a prompt: the commands exist, and the README's do what it says."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, WRITTEN, blocks, name_of, prose
from typer.main import get_command

from jobhost.cli.main import app

README = ROOT / "README.md"
BLOCKS = blocks(README)
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def shown_commands() -> list[tuple[str, str]]:
    """Page and command line for everything that begins with `jobhost`."""
    found = []
    for page in WRITTEN:
        typed = [line for block in blocks(page) for line in block.commands]
        inline = re.findall(r"`(jobhost [^`]+)`", prose(page))
        found += [(name_of(page), line) for line in [*typed, *inline] if line.startswith("jobhost")]
    return found


def unknown_part(words: list[str]) -> str | None:
    """The first word that is no command or option, if there is one."""
    command: Any = get_command(app)
    for word in words:
        if word.startswith("--"):
            known = {name for option in command.params for name in option.opts}
            if word not in known | {"--help"}:
                return word
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


@pytest.mark.parametrize(("page", "line"), shown_commands())
def test_a_command_shown_in_a_page_exists(page: str, line: str) -> None:
    assert unknown_part(shlex.split(line)[1:]) is None, f"{page}: {line}"


def test_commands_named_in_messages_of_the_code_exist() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        for line in re.findall(r"'jobhost ([a-z -]+)", file.read_text(encoding="utf-8")):
            assert unknown_part(line.split()) is None, f"{name_of(file)}: {line}"


def test_the_example_of_the_readme_does_what_it_shows(tmp_path: Path) -> None:
    [program] = [block for block in BLOCKS if block.file_name == "app.py"]
    [worker] = [block for block in BLOCKS if "jobhost worker" in block.text]
    [caller] = [block for block in BLOCKS if "python app.py" in block.text]
    (tmp_path / "app.py").write_text(program.text, encoding="utf-8")
    where: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "PATH": PATH}, "text": True}

    [start] = worker.commands
    working = subprocess.Popen(shlex.split(start), stderr=subprocess.PIPE, **where)
    try:
        [call] = caller.commands
        called = subprocess.run(shlex.split(call), capture_output=True, **where)
        assert called.stderr == ""
        assert called.stdout == caller.output
    finally:
        working.send_signal(signal.SIGTERM)
        _, log = working.communicate()
    assert working.returncode == 0, log
    assert "Traceback" not in log


def test_the_example_of_the_readme_is_short() -> None:
    [program] = [block for block in BLOCKS if block.file_name == "app.py"]
    assert sum(bool(line.strip()) for line in program.text.splitlines()) <= 20
