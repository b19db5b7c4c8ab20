"""The page docs/from-sqlite-to-postgres.md, walked with the programs that it shows."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, blocks
from postgres_server import drop_schema, new_schema, store_url

from jobhost import JobHost, State
from jobhost.store.plans import look

PAGE = DOCS / "from-sqlite-to-postgres.md"
SHOWN_TO = "postgresql://shop@db.example/shop"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
GUARD_SECONDS = 60.0


@pytest.fixture
def address() -> Iterator[str]:
    schema = new_schema()
    yield store_url(schema)
    drop_schema(schema)


def shown(beginning: str) -> str:
    """The command of the page that begins so."""
    typed = [command for block in blocks(PAGE) for command in block.commands]
    typed += [  # those inside a list are indented
        line.strip().removeprefix("$ ")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("   $ ")
    ]
    return next(line for line in typed if line.startswith(beginning))


class Walk:
    """The folder of the page's programs, and the terminals in which they run."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self._started: list[subprocess.Popen[str]] = []
        for block in blocks(PAGE):
            if block.file_name is not None:
                (folder / block.file_name).write_text(block.text, encoding="utf-8")

    def start(self, command: str, url: str) -> "subprocess.Popen[str]":
        """Type a command where JOBHOST_URL is this address."""
        process = subprocess.Popen(
            shlex.split(command.replace(SHOWN_TO, self._address)),
            cwd=self._folder,
            env={**os.environ, "PATH": PATH, "JOBHOST_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def ended(process: "subprocess.Popen[str]", code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=GUARD_SECONDS)
    assert process.returncode == code, err
    return out, err


def stop(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    ended(process)


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + GUARD_SECONDS
    while not condition():
        assert time.monotonic() < end, "still not so"
        time.sleep(0.02)


def succeeded(host: JobHost) -> int:
    return host.store.read(look.tally).states.get(State.SUCCEEDED, 0)


def stored(host: JobHost) -> int:
    return sum(host.store.read(look.tally).states.values())


def stored_ids(host: JobHost) -> set[str]:
    """Of all pages: how many jobs there are depends on the machine."""
    ids: set[str] = set()
    wanted = look.Filter(limit=look.PAGE_MAX)
    while True:
        page = host.store.read(lambda wanted=wanted: look.list_jobs(wanted))
        ids.update(str(job.id) for job in page.jobs)
        if page.next is None:
            return ids
        wanted = look.Filter(limit=look.PAGE_MAX, before=page.next)


def test_a_live_workload_moves_as_the_page_says(tmp_path: Path, address: str) -> None:
    before = f"sqlite:///{tmp_path}/app.db"
    walk = Walk(tmp_path, address)
    with closing(walk), JobHost(before) as here, JobHost(address) as there:
        here.migrate()
        worker = walk.start(shown("jobhost worker"), before)
        producer = walk.start(shown("python produce.py 1"), before)
        until(lambda: succeeded(here) >= 20)
        survey, _ = ended(walk.start(shown("jobhost move"), before))
        assert "Before that, stop 1 worker: " in survey
        move = shown("jobhost move").removesuffix(" --dry-run")
        _, refused = ended(walk.start(move, before), 2)
        assert "1 worker of" in refused

        stop(worker)
        at = stored(here)
        until(lambda: stored(here) > at + 10)
        report, _ = ended(walk.start(move, before))
        assert "compared every row" in report
        accepted, error = ended(producer, 1)
        ids = accepted.split()
        assert error.startswith(f"photo {len(ids) + 1} was not accepted: ")
        assert f"its jobs were moved to {there.store.url}: set JOBHOST_URL" in error
        assert stored_ids(there) == set(ids)

        worker = walk.start(shown("jobhost worker"), address)
        walk.start(f"python produce.py {len(ids) + 1}", address)
        until(lambda: succeeded(there) >= len(ids) + 20)
        stop(worker)
        for number, job_id in enumerate(ids, 1):
            assert there.job(job_id).result(timeout="60s") == f"photo-{number}-256.png"
