"""The one rising number: what a deleted row had is not given out again."""

import sqlite3
from contextlib import closing
from pathlib import Path

from jobhost.clock import ManualClock
from jobhost.ids import new_ids
from jobhost.store.plans.cycle import draw_numbers
from jobhost.store.plans.enqueue import Batch, NewJob, enqueue
from jobhost.store.sqlite.store import SqliteStore


def accept(store: SqliteStore, count: int) -> None:
    jobs = [NewJob(job_id, "{}", None) for job_id in new_ids(count)]
    store.write(lambda: enqueue(Batch(task="t", queue="q", priority=0, jobs=jobs)))


def test_numbers_of_jobs_and_of_all_else_rise_together_and_outlive_their_rows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "jobs.db"
    store = SqliteStore(path, ManualClock())
    accept(store, 3)
    assert store.write(lambda: draw_numbers(2)) == 4
    accept(store, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert [row[0] for row in connection.execute("SELECT number FROM jobhost_job")] == [
            1, 2, 3, 6,
        ]  # fmt: skip
        connection.execute("DELETE FROM jobhost_ready")
        connection.execute("DELETE FROM jobhost_job")
    assert store.write(lambda: draw_numbers(1)) == 7
    accept(store, 1)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT number FROM jobhost_job").fetchall() == [(8,)]
    store.close()
