"""What the demo counts: it must see what it says did not happen."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobhost.cli.demo_crew import Killed
from jobhost.cli.demo_report import Measured, measure


class World:
    """Three files, indexed without any trouble; then the test makes some."""

    def __init__(self, tasks: ModuleType, files: list[Path], ledger: Path) -> None:
        self._tasks = tasks
        self._files = files
        self._ledger = ledger
        self.jobs = tasks.index_file.enqueue_many([(file,) for file in files])
        tasks.host.worker(burst=True).run()

    def change(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self._ledger)) as db, db:
            db.execute(sql, values)

    def start_again(self, job: Any) -> None:
        run = sys.modules["index"].Run(path="again", job=str(job.id), delivery=2, pid=1)
        self._tasks.index.start(run)

    def measure(self, killed: Killed | None = None) -> Measured:
        return measure(self._tasks.index, self._files, self.jobs, killed)


@pytest.fixture
def world(tasks: ModuleType, tmp_path: Path) -> World:
    files = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for file in files:
        file.write_bytes(b"some \xff words")
    return World(tasks, files, tmp_path / "index.db")


def test_without_trouble_all_is_as_promised(world: World) -> None:
    measured = world.measure()
    assert measured.problems == []
    assert (measured.files, measured.damaged) == (3, 3)
    assert (measured.started_again, measured.finished_twice, measured.lost) == (0, 0, 0)
    assert measured.rate > 0


def test_a_job_that_finished_twice_is_seen(world: World) -> None:
    world.change(
        "INSERT INTO ledger SELECT * FROM ledger WHERE event = 'finished' AND job = ?",
        str(world.jobs[0].id),
    )
    measured = world.measure()
    assert measured.finished_twice == 1
    assert measured.problems == ["1 of the jobs finished twice"]


@pytest.mark.parametrize("table", ["files", "ledger"])
def test_a_file_that_is_missing_is_lost(world: World, table: str) -> None:
    world.change(f"DELETE FROM {table} WHERE path LIKE '%b.txt'")
    measured = world.measure()
    assert measured.lost == 1
    assert measured.problems == ["1 of the jobs lost"]


def test_a_file_whose_job_did_not_succeed_is_lost(
    world: World, tasks: ModuleType, tmp_path: Path
) -> None:
    world.jobs[2] = tasks.index_file.enqueue(tmp_path / "c.txt")
    assert world.measure().lost == 1


def test_a_job_that_started_again_without_a_kill_is_seen(world: World) -> None:
    world.start_again(world.jobs[1])
    measured = world.measure()
    assert measured.started_again == 1
    assert measured.problems == ["1 of the jobs started again, but did not run at the kill"]


def test_a_job_that_ran_at_the_kill_must_start_again_and_the_store_must_know(
    world: World,
) -> None:
    killed = Killed(number=1, pid=0, jobs=frozenset({str(world.jobs[0].id)}))
    assert world.measure(killed).problems == [
        "1 of the jobs ran at the kill and did not start again",
        "1 of the jobs ran at the kill, and the store does not know that",
    ]
