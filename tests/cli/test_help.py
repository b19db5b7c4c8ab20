"""Help, version, and the one table of exit codes."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from commands import Call
from typer.main import get_command

import jobhost
from jobhost import errors
from jobhost.cli.exits import MEANINGS, Exit, exit_of, table
from jobhost.cli.main import app, execute
from jobhost.worker.config import WorkerConfig
from jobhost.worker.worker import EXIT_AT_ONCE


def _paths(command: Any, path: str = "") -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
    for name, one in (inner or {}).items():
        yield from _paths(one, f"{path} {name}".strip())


COMMANDS = sorted(_paths(get_command(app)))


def test_the_commands_are_found() -> None:
    assert {"init", "jobs explain", "queues set", "dead purge", "nodes drain"} < set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example(call: Call, command: str) -> None:
    done = call(*command.split(), "--help")
    assert done.code == 0
    assert "Examples:" in done.out
    assert f"jobhost {command}" in done.out.split("Examples:")[1]


def test_the_help_ends_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    shown = capsys.readouterr().out.split("Exit codes:")[1]
    assert [line.strip() for line in shown.splitlines() if line.strip()] == [
        line.strip() for line in table().splitlines()
    ]


def test_every_exit_code_is_explained() -> None:
    assert set(MEANINGS) == set(Exit)
    assert [code.value for code in Exit] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 130]
    assert Exit.AT_ONCE == EXIT_AT_ONCE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidPayload, Exit.WRONG_USE),
        (errors.IllegalMove, Exit.WRONG_USE),
        (errors.StoreBusy, Exit.STORE),
        (errors.SchemaMismatch, Exit.STORE),
        (errors.JobNotFound, Exit.NOT_FOUND),
        (errors.JobDead, Exit.JOB_DEAD),
        (errors.JobCancelled, Exit.CANCELLED),
        (errors.ResultTimeout, Exit.NOT_ENDED),
    ],
)
def test_an_error_of_the_library_has_its_exit_code(
    error: type[errors.JobhostError], code: Exit
) -> None:
    assert exit_of(error("x")) is code


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out == f"jobhost {jobhost.__version__}\n"


def test_the_worker_s_defaults_are_the_library_s(call: Call) -> None:
    shown = " ".join(call("worker", "--help").out.split())
    config = WorkerConfig()
    for value in (config.concurrency, config.stopping_wait_time, config.lease, config.cancel_grace):
        assert f"[default: {value}]" in shown


def test_help_loads_neither_the_store_nor_the_codec() -> None:
    heavy = ("pydantic", "sqlite3", "asyncio", "jobhost.worker", "rich.console")
    code = f"import sys, jobhost.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
