"""`jobhost init`: what it writes is a program that works, by the commands that it prints."""

import ast
import configparser
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Call, Finished, environment
from postgres_server import drop_schema, new_schema, store_url

from jobhost import JobHost
from jobhost.cli import starter

BIN = Path(sys.executable).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty one."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """What is given as --store: nothing, or a server's."""
    if request.param == "sqlite":
        yield None
        return
    schema = new_schema()
    yield store_url(schema)
    drop_schema(schema)


def shell(script: str, folder: Path) -> Finished:
    """Type commands; they stop at the first that fails."""
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env={**environment(), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


def commands(shown: str) -> list[str]:
    """What is to be typed next."""
    return [line[2:] for line in shown.split("next:\n")[1].splitlines()]


def test_the_commands_that_it_prints_run_a_job(folder: Path, address: str | None) -> None:
    option = "" if address is None else f" --store '{address}'"
    made = shell(f"jobhost init 'my shop'{option}", folder)
    assert (made.code, made.err) == (0, "")
    typed = commands(made.out)
    assert typed[0] == "cd 'my shop'"
    assert len(typed) == (4 if address is None else 5)
    done = shell("\n".join(typed), folder)
    assert done.code == 0, done.err
    url = address or f"sqlite:///{folder}/my shop/jobhost.db"
    with JobHost(url) as host:
        (job,) = host.jobs()
        assert (job.task, job.state.value, job.result) == ("greet", "succeeded", '"Hello, Ada!"')


def test_the_plain_task_works_too(folder: Path) -> None:
    shell("jobhost init", folder)
    shown = shell("jobhost run jobs:host count_words --args '[\"one two\"]'", folder)
    assert (shown.code, shown.out) == (0, "2\n"), shown.err


def test_an_empty_folder_needs_no_cd(call: Call, folder: Path) -> None:
    os.chdir(folder)
    done = call("init")
    assert done.code == 0
    assert done.out.splitlines()[:2] == ["wrote jobs.py", "wrote jobhost.env"]
    assert commands(done.out) == [
        "jobhost migrate",
        "jobhost enqueue jobs:host greet --args '[\"Ada\"]'",
        "jobhost worker jobs:host --burst",
    ]
    assert {path.name for path in folder.iterdir()} == {"jobs.py", "jobhost.env"}


def test_a_project_keeps_what_it_has(call: Call, folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\n")
    assert call("init", str(folder), "--module", "background").code == 0
    assert (folder / "pyproject.toml").read_text() == "[project]\n"
    assert (folder / "background.py").read_text() == starter.PROGRAM


@pytest.mark.parametrize("name", ["jobs.py", "jobhost.env", "jobhost.service"])
def test_nothing_is_overwritten_and_nothing_half_written(
    call: Call, folder: Path, name: str
) -> None:
    (folder / name).write_text("mine")
    done = call("init", str(folder), "--systemd")
    assert (done.code, done.out) == (2, "")
    assert f"{folder / name} is there already, and nothing is overwritten: " in done.err
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, "mine")]


def test_a_package_that_would_hide_the_program_is_named(call: Call, folder: Path) -> None:
    (folder / "jobs").mkdir()
    done = call("init", str(folder))
    assert done.code == 2
    assert f"{folder / 'jobs'} is there already" in done.err
    assert "or another program with --module" in done.err


def test_a_link_that_leads_nowhere_is_not_written_through(call: Call, folder: Path) -> None:
    (folder / "jobs.py").symlink_to(folder / "elsewhere.py")
    assert call("init", str(folder)).code == 2
    assert not (folder / "elsewhere.py").exists()


def test_a_file_is_no_folder(call: Call, folder: Path) -> None:
    (folder / "shop").write_text("")
    done = call("init", str(folder / "shop"))
    assert done.code == 2
    assert "is a file, and a folder is expected" in done.err


@pytest.mark.parametrize("name", ["my-jobs", "jobs.py", "class", "queue", "jobhost", "", "jöbs"])
def test_a_module_that_could_not_be_imported_is_refused(
    call: Call, folder: Path, name: str
) -> None:
    done = call("init", str(folder), "--module", name)
    assert done.code == 2
    assert "--module" in done.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:///:memory:", "postgresql://h/d\nX=1"])
def test_an_address_that_no_store_has_is_refused(call: Call, folder: Path, url: str) -> None:
    done = call("init", str(folder), "--store", url)
    assert (done.code, done.out) == (2, "")
    assert list(folder.iterdir()) == []


def test_a_password_is_written_for_its_owner_alone_and_not_shown(call: Call, folder: Path) -> None:
    url = "postgresql://shop:pa$s'w%20rd@db.example/shop"
    done = call("init", str(folder), "--store", url)
    assert done.code == 0
    assert "pa$s" not in done.out + done.err
    assert "pa$s" not in (folder / "jobs.py").read_text()
    settings = folder / "jobhost.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    read = shell('set -a; . ./jobhost.env; set +a; echo "$JOBHOST_URL"', folder)
    assert read.out == url.replace("'", "%27") + "\n"


def test_the_unit_starts_a_node_in_the_folder(call: Call, folder: Path) -> None:
    place = folder / "50% off"
    assert call("init", str(place), "--systemd").code == 0
    unit = configparser.RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(place / "jobhost.service")
    service = unit["Service"]
    assert service["WorkingDirectory"] == f"{folder}/50%% off"
    assert service["EnvironmentFile"] == f"{folder}/50%% off/jobhost.env"
    program, *words = service["ExecStart"].split()
    assert Path(program).is_absolute()
    assert words[:4] == ["worker", "jobs:host", "--processes", "2"]


def test_the_unit_is_that_of_the_page_on_deploying() -> None:
    page = (Path(__file__).parents[2] / "docs/operations/deploy.md").read_text()
    shown = page.split("```ini\n")[1].split("```")[0]
    theirs, ours = configparser.RawConfigParser(), configparser.RawConfigParser()
    theirs.read_string(shown)
    ours.read_string(starter.UNIT)
    own = {"workingdirectory", "environmentfile", "execstart", "user"}
    for name in set(theirs["Service"]) - own:
        assert ours["Service"][name] == theirs["Service"][name]


def test_a_command_line_of_a_unit_keeps_odd_paths_whole() -> None:
    assert starter.unit_word(Path("/a b/c\\d/%e")) == "/a\\x20b/c\\\\d/%%e"


@pytest.mark.parametrize(
    "checker",
    [
        ["ruff", "check", "--isolated", "--select", "E,F,I,B,UP,ANN,D1,SIM,RUF"],
        ["ruff", "format", "--isolated", "--check"],
        ["mypy", "--strict", "--no-incremental"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_the_program_is_clean(folder: Path, checker: list[str]) -> None:
    (folder / "jobs.py").write_text(starter.PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", *checker, "jobs.py"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_has_nothing_superfluous() -> None:
    tree = ast.parse(starter.PROGRAM)
    functions = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [type(node).__name__ for node in functions] == ["AsyncFunctionDef", "FunctionDef"]
    assert not [node for node in tree.body if isinstance(node, ast.If)]
