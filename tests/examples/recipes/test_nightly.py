"""The nightly clean-up and the daily report, asked for as cron does, by a clock of the tests."""

import csv
import gzip
import os
import re
import shlex
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobhost import State
from jobhost.clock import ManualClock

README = Path(__file__).resolve().parents[3] / "examples" / "recipes" / "README.md"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "examples.md"
TONIGHT = datetime(2030, 5, 17, 2, 30, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Sales of some days, and sessions, in the tables that the README shows."""
    file = tmp_path / "shop.db"
    [tables] = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(tables)
        db.executemany(
            "INSERT INTO sales VALUES (?, ?, ?)",
            [
                ("tea", 300, "2030-05-15T23:59:59+00:00"),
                ("tea", 400, "2030-05-16T00:00:00+00:00"),
                ("tea", 500, "2030-05-16T23:59:59+00:00"),
                ("cups", 900, "2030-05-16T12:00:00+00:00"),
                ("cups", 100, "2030-05-17T00:00:00+00:00"),
            ],
        )
        seen = [(TONIGHT - timedelta(days=days, hours=3)).isoformat() for days in range(15)]
        db.executemany("INSERT INTO sessions (seen_at) VALUES (?)", [(at,) for at in seen * 100])
    return file


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """Files of 0, 10, 20 to 90 days before this night, in two folders."""
    folder = tmp_path / "uploads"
    (folder / "more").mkdir(parents=True)
    for days in range(0, 100, 10):
        file = folder / ("more" if days % 20 else "") / f"{days}.txt"
        file.touch()
        written = (TONIGHT - timedelta(days=days)).timestamp()
        os.utime(file, (written, written))
    return folder


def left(uploads: Path) -> list[int]:
    return sorted(int(path.stem) for path in uploads.rglob("*.txt"))


def sessions(shop: Path) -> int:
    with closing(sqlite3.connect(shop)) as db:
        [(count,)] = db.execute("SELECT count(*) FROM sessions")
    return count


def night_after_night(host, clock: ManualClock, task: str, nights: int) -> list:
    """What the crons of two machines ask for, and a worker each night; the jobs."""
    jobs = []
    for _ in range(nights):
        night = datetime.fromtimestamp(clock.now() / 1e6, UTC).date()
        asking = host.tasks.get(task).using(idempotency_key=str(night), idempotency_window="2d")
        first, second = asking.enqueue(night), asking.enqueue(night)
        assert (first.is_new, second.is_new) == (True, False)
        host.worker(burst=True).run()
        jobs.append(first)
        clock.move(timedelta(days=1))
    return jobs


@pytest.mark.requirement("R-SCHED-8")
def test_each_night_removes_what_is_too_old_by_then_and_runs_once(load, shop, uploads):
    clock = ManualClock(TONIGHT)
    with load("cleanup").on_clock(clock) as host:
        jobs = night_after_night(host, clock, "clean_up", 3)
        removed = [job.result() for job in jobs]
        assert len(host.jobs()) == 3
    assert removed == [
        {"sessions": 800, "files": 6},
        {"sessions": 100, "files": 1},
        {"sessions": 100, "files": 0},
    ]
    assert left(uploads) == [0, 10, 20]
    assert sessions(shop) == 500


def test_a_clean_up_that_comes_late_removes_what_its_night_would_have(load, shop, uploads):
    clock = ManualClock(TONIGHT + timedelta(days=365))
    with load("cleanup").on_clock(clock) as host:
        job = host.tasks.get("clean_up").enqueue(TONIGHT.date())
        host.worker(burst=True).run()
        assert job.result() == {"sessions": 800, "files": 6}
    assert left(uploads) == [0, 10, 20, 30]


def test_a_file_that_stays_holds_up_no_other_and_the_job_tries_again(
    load, shop, uploads, monkeypatch
):
    clock, unlink = ManualClock(TONIGHT), Path.unlink

    def refuse_one(path: Path, missing_ok: bool = False) -> None:
        if path.stem == "60":
            raise PermissionError(1, "Operation not permitted")  # the file system, not we
        unlink(path, missing_ok)

    with load("cleanup").on_clock(clock) as host:
        job = host.tasks.get("clean_up").enqueue(TONIGHT.date())
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse_one)
            host.worker(burst=True).run()
        assert job.status().state is State.SCHEDULED
        [attempt] = job.attempts()
        assert attempt.error.message == "1 of 6 old files could not be removed, such as 60.txt"
        assert left(uploads) == [0, 10, 20, 30, 60]
        clock.move(timedelta(hours=1))
        host.worker(burst=True).run()
        assert job.result() == {"sessions": 0, "files": 1}


@pytest.mark.requirement("R-SCHED-8")
def test_each_night_reports_on_the_day_before(load, shop, tmp_path):
    clock = ManualClock(TONIGHT)
    with load("daily_report").on_clock(clock) as host:
        night_after_night(host, clock, "report", 2)
    text = (tmp_path / "reports" / "sales-2030-05-16.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    assert rows == [["product", "sales", "cents"], ["cups", "1", "900"], ["tea", "2", "900"]]
    assert sorted(path.name for path in (tmp_path / "reports").glob("*.csv")) == [
        "sales-2030-05-16.csv",
        "sales-2030-05-17.csv",
    ]


@pytest.mark.stores("sqlite", "postgres")
def test_a_report_is_compressed_by_a_program_in_a_job_of_its_own(load, shop, tmp_path):
    example = load("daily_report")
    report = example.module.report.enqueue(TONIGHT.date())
    example.work()
    [compressing] = example.host.jobs(task="compress")
    assert (compressing.state, compressing.parent) == (State.SUCCEEDED, report.id)
    plain = Path(report.result())
    assert gzip.decompress(Path(f"{plain}.gz").read_bytes()) == plain.read_bytes()
    assert sorted(path.name for path in plain.parent.iterdir()) == [plain.name, f"{plain.name}.gz"]
    again = example.module.report.enqueue(TONIGHT.date())
    example.work()
    assert again.result() == plain
    assert {job.state for job in example.host.jobs()} == {State.SUCCEEDED}


@pytest.mark.requirement("R-SCHED-8")
def test_the_page_names_typical_work_of_the_night() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for use in ("refreshing lists", "updating indexes", "adding up results", "daily reports"):
        assert use in text
    assert "removing what is too old, and comparing what should be the same" in text


def cron_line(name: str) -> str:
    """What cron runs, without its five fields; a percent sign is written with a backslash there."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if f"{name}:host" in line and line.count(" * ") >= 1)
    return line.split(maxsplit=5)[5].replace(r"\%", "%").replace("cd /srv/shop && ", "")


@pytest.mark.parametrize("name", ["cleanup", "daily_report"])
def test_the_lines_of_cron_that_the_page_shows_make_one_job_on_two_machines(load, name, tmp_path):
    example = load(name)
    line = cron_line(name)
    assert "--idempotency-key" in shlex.split(line)
    calendar = tmp_path / "date"
    calendar.write_text("#!/bin/sh\necho 2030-05-17\n")
    calendar.chmod(0o755)
    first, second = (example.type(line, programs=tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout != ""
    [job] = example.host.jobs()
    assert str(job.id) == first.stdout.strip()
    assert "2030-05-17" in job.payload
