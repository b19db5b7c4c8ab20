"""Real workers of two releases on one store: each runs what it knows, and leaves the rest."""

from collections.abc import Iterator
from typing import Any

import pytest
from programs.releases import Release

from jobhost import JobHost

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
"""Only ends a test that hangs."""


@pytest.fixture
def releases(yard: Any) -> Iterator[tuple[Release, Release]]:
    """Producers of both releases."""
    with JobHost(yard.url) as first, JobHost(yard.url) as second:
        yield Release(1, first, yard.folder), Release(2, second, yard.folder)


def test_jobs_under_the_old_name_run_everywhere_and_under_the_new_one_in_new_workers(
    yard: Any, releases: tuple[Release, Release], until: Any
) -> None:
    old, new = releases
    pids = {number: yard.start(release=number, concurrency=1).pid for number in (1, 2)}

    # One slot each: when both hold, each worker has one of them.
    held = [old.mail.enqueue(name) for name in ("a", "b")]
    holders = [yard.folder / f"mail-{name}" for name in ("a", "b")]
    until(lambda: all(file.exists() and file.read_text() for file in holders))
    assert {int(file.read_text()) for file in holders} == set(pids.values())
    yard.go("a", "b")
    assert sorted(job.result(PATIENCE)[0] for job in held) == [1, 2]

    newer = [new.mail.enqueue(f"c-{number}") for number in range(3)]
    yard.go("c-0", "c-1", "c-2")
    assert [job.result(PATIENCE) for job in newer] == [[2, f"c-{number}"] for number in range(3)]


def test_an_old_worker_leaves_newer_arguments_to_new_ones_which_read_older_ones(
    yard: Any, releases: tuple[Release, Release], until: Any
) -> None:
    old, new = releases
    elder = yard.start(release=1, concurrency=1)
    job = new.resize.enqueue(80)
    until(lambda: job.attempts(), "the old worker has met it")
    assert {attempt.outcome for attempt in job.attempts()} == {"too new"}
    assert old.resize.enqueue("40px").result(PATIENCE) == [1, "40px"]

    # While its slot is taken the old worker does not put the job off time and again.
    held = old.mail.enqueue("a")
    until((yard.folder / "mail-a").exists)
    yard.start(release=2)
    assert job.result(PATIENCE) == [2, 80]
    assert (job.status().failures, job.status().crashes) == (0, 0)
    assert old.resize.enqueue("40px").result(PATIENCE) == [2, 40]
    yard.go("a")
    assert held.result(PATIENCE) == [1, "a"]
    assert elder.lives
