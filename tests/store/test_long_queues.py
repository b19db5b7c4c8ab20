"""A million waiting jobs: looking at their queue costs what it costs for a few."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postgres_server import ask, drop_schema, new_schema, store_url

from jobhost import JobHost
from jobhost.jobs.depth import EXACT_MAX, main_survey, pilot
from jobhost.store.plans import queue_stats
from jobhost.store.sqlite.catalogue import statements

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

JOBS = 1_020_000
AGE_SECONDS = 3600

SQLITE_FILL = """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {last})
INSERT INTO jobhost_job (number, id, task, queue, priority, payload, created_at)
SELECT n, CAST(printf('%016d', n) AS BLOB), 'work', iif(n % 3 = 0, 'other', 'mail'), 0, '[]',
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) - {age} * 1000000 + n FROM n;
INSERT INTO jobhost_ready SELECT queue, priority, 1, number, number, task, 0, 0, 0, 0
FROM jobhost_job;
"""

POSTGRES_FILL = """
INSERT INTO {s}.job (number, id, task, queue, priority, payload, created_at)
SELECT n, gen_random_uuid(), 'work', CASE WHEN n % 3 = 0 THEN 'other' ELSE 'mail' END, 0, '[]',
    {s}.clock() - {age} * 1000000::bigint FROM generate_series(1, {last}) n;
INSERT INTO {s}.ready SELECT queue, priority, 1, number, number, task, 0, 0, 0, 0 FROM {s}.job;
SELECT setval('{s}.number', {last});
"""

LAST = JOBS * 3 // 2


@pytest.fixture(params=["sqlite", "postgres"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobHost]:
    """A million jobs in `mail`, and half as many in `other` in between."""
    if request.param == "sqlite":
        with JobHost(f"sqlite:///{tmp_path}/jobs.db") as host:
            host.migrate()
            with closing(sqlite3.connect(tmp_path / "jobs.db")) as raw:
                raw.executescript(SQLITE_FILL.format(last=LAST, age=AGE_SECONDS))
            yield host
        return
    schema = new_schema()
    with JobHost(store_url(schema)) as host:
        host.migrate()
        for statement in POSTGRES_FILL.format(s=schema, last=LAST, age=AGE_SECONDS).split(";\n"):
            if statement.strip():
                ask(statement)
        yield host
    drop_schema(schema)


@pytest.mark.requirement("R-PART-3")
def test_a_million_waiting_jobs_are_estimated_and_their_age_is_known(host: JobHost) -> None:
    for _ in range(5):
        found = host.queue("mail").stats()
        assert not found.depth.exact
        assert found.depth.error <= 0.03 * JOBS
        assert abs(found.depth.jobs - JOBS) <= 3 * found.depth.error
        assert found.oldest is not None
        assert found.oldest.at_least >= AGE_SECONDS
    assert {queue.name for queue in host.queues()} == {"mail", "other"}


def test_the_looks_at_a_million_jobs_take_as_many_steps_as_those_at_a_tenth(
    tmp_path: Path,
) -> None:
    """In instructions of SQLite's machine, which are the same on every computer."""
    few, many = (steps(tmp_path / f"{last}.db", last) for last in (LAST // 10, LAST))
    assert many <= 1.5 * few


def steps(path: Path, last: int) -> int:
    """What all looks at `mail` take."""
    with JobHost(f"sqlite:///{path}") as host:
        host.migrate()
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(SQLITE_FILL.format(last=last, age=AGE_SECONDS))
        raw.set_progress_handler(count, 100)

        def ask_sqlite(name: str, **params: object) -> list[tuple[int, ...]]:
            bound = {"now": 2**52, **params}
            return raw.execute(statements()[name].text, bound).fetchall()

        head = ask_sqlite("queue_lines", queues='["mail"]', counted=EXACT_MAX + 1, limit=10)[0]
        ask_sqlite("arrivals", limit=queue_stats.ARRIVALS_MAX, window_us=60_000_000)
        line = {"queue": "mail", "priority": 0, "lane": 1, "rows": queue_stats.WINDOW_ROWS_MAX}
        dice = random.Random(1)
        survey = pilot(head[3], head[4])
        for again in (True, False):
            places = json.dumps(survey.places(dice.random))
            rows = ask_sqlite("sample_line", places=places, width=survey.width, **line)
            if again:
                survey = main_survey(survey, [seen for (seen,) in rows])
    return counted
