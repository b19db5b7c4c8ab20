"""Thousands of jobs that kill workers stand in front of good ones."""

import socket

import pytest
from sites import Site, until

from jobhost.store.plans.suspects import SET_ASIDE, set_aside

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


@pytest.mark.stores("sqlite", "postgres")
def test_what_a_former_node_has_set_aside_runs_with_the_others_on_the_next_one(site: Site):
    jobs = [site.toils.note.enqueue(f"note-{n}") for n in range(50)]
    site.host.store.write(lambda: set_aside(1, ["note"], ["default"]))
    assert {job.status().reason for job in jobs} == {SET_ASIDE}
    node = site.start().ready()
    for job in jobs:
        job.result(PATIENCE)
    alone = [job for job in jobs if job.attempts()[-1].worker not in names_of(node.workers)]
    assert len(alone) <= 3, "the lane may be quicker with some"


def names_of(workers: list[int]) -> set[str]:
    return {f"{socket.gethostname()}:{pid}" for pid in workers}


def test_the_lane_rests_when_no_suspect_is_left(site: Site):
    node = site.start("--lease", "6s", processes=1).ready()
    job = site.toils.segfault.enqueue("job")
    until(lambda: job.status().is_final, "it ends")
    until(lambda: "the lane" in node.log and "left after 0 attempts" in node.log, "a last look")
    runs = node.log.count("runs suspects")
    for n in range(20):
        site.toils.note.enqueue(f"note-{n}").result(PATIENCE)
    assert node.stop() == 0
    assert node.log.count("runs suspects") == runs
    assert runs <= 4
