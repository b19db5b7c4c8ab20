"""Thousands of jobs that kill workers stand in front of good ones."""

import pytest
from sites import Site, until

PATIENCE = "90s"

DELIVERED_MAX = 200
"""Poison jobs that may start before the last good one. Three deaths beside others set the task
aside; each takes what two workers have claimed, and what they claim until they hear of it."""


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.requirement("R-MSG-8")
@pytest.mark.parametrize(
    ("poison", "good"),
    [(300, 20), pytest.param(10_000, 100, marks=[pytest.mark.long, pytest.mark.timeout(300)])],
)
def test_good_jobs_start_after_a_few_deaths_and_not_after_all(site: Site, poison: int, good: int):
    site.toils.segfault.enqueue_many([(f"bad-{n}",) for n in range(poison)])
    jobs = [site.toils.note.enqueue(f"good-{n}") for n in range(good)]
    node = site.start("--concurrency", "10", "--lease", "10m")
    for job in jobs:
        job.result("280s")

    starts = site.ledger.names("start")
    last = max(at for at, name in enumerate(starts) if name.startswith("good"))
    bad = [name for name in starts[:last] if name.startswith("bad")]
    assert len(bad) <= DELIVERED_MAX, f"{len(bad)} of {poison}"
    assert {job.status().crashes for job in jobs} == {0}
    assert "task 'segfault' kills workers" in node.log


def test_the_lane_rests_when_no_suspect_is_left(site: Site):
    node = site.start("--lease", "1s", processes=1).ready()
    job = site.toils.segfault.enqueue("job")
    until(lambda: job.status().is_final, "it ends")
    until(lambda: "the lane" in node.log and "left after 0 attempts" in node.log, "a last look")
    runs = node.log.count("runs suspects")
    for n in range(20):
        site.toils.note.enqueue(f"note-{n}").result(PATIENCE)
    assert node.stop() == 0
    assert node.log.count("runs suspects") == runs
    assert runs <= 4
