"""A file shrinks again, by and by, when most of its jobs were deleted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.clock import ManualClock
from jobhost.ids import new_ids
from jobhost.jobs.states import State
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.operate import cancel
from jobhost.store.plans.retention import Slice, prune
from jobhost.store.sqlite.room import PAGES_MAX, give_back
from jobhost.store.sqlite.store import SqliteStore

JOBS = 400


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    made = SqliteStore(tmp_path / "jobs.db", ManualClock(), synchronous="OFF")
    made.migrate()
    return made


def pages(store: SqliteStore) -> int:
    with closing(sqlite3.connect(store.target.path)) as raw:
        (count,) = raw.execute("PRAGMA page_count").fetchone()
    return int(count)


def fill_and_empty(store: SqliteStore) -> None:
    """Ten kilobytes a job, then all of them are gone."""
    ids = [bytes(one) for one in new_ids(JOBS)]
    jobs = [NewJob(one, '"' + "x" * 10_000 + '"', None) for one in ids]
    for at in range(0, JOBS, 100):
        batch = Batch(task="work", queue="default", priority=0, jobs=jobs[at : at + 100])
        store.write(lambda batch=batch: store.hot.enqueue(batch))
    for one in ids:
        store.write(lambda one=one: cancel(one, "not wanted"))
    report = store.write(lambda: prune(Slice(state=State.CANCELLED, keep_us=0)))
    assert report.pruned == JOBS


def test_room_goes_back_a_part_at_a_time_and_a_tenth_is_kept(store: SqliteStore) -> None:
    before = pages(store)
    fill_and_empty(store)
    full = pages(store)
    assert full > before + JOBS * 2

    given = store.write(give_back)
    assert 0 < given <= PAGES_MAX
    assert pages(store) <= full - given  # and pages of the map of those
    while store.write(give_back):
        pass
    left = pages(store)
    assert left < full // 4
    assert store.write(give_back) == 0
    store.close()


def test_an_older_file_keeps_its_pages(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as raw:
        raw.execute("PRAGMA journal_mode = WAL")  # the file exists, and is not made to shrink
    store = SqliteStore(tmp_path / "jobs.db", ManualClock(), synchronous="OFF")
    store.migrate()
    fill_and_empty(store)
    full = pages(store)
    assert store.write(give_back) == 0
    assert pages(store) == full
    store.close()


def test_a_session_gives_back_what_is_free(store: SqliteStore) -> None:
    fill_and_empty(store)
    full = pages(store)
    with closing(store.session()) as session:
        session.tidy()
    assert pages(store) < full
    store.close()
