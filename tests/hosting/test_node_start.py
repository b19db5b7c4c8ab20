"""Workers that do not start, that start with other code, and that make room for fresh ones."""

import os
import signal

import pytest
from sites import Site, until

from jobhost import State

PATIENCE = "90s"
both = pytest.mark.stores("sqlite", "postgres")


def test_an_error_in_the_user_s_code_ends_the_node_and_is_shown_once(site: Site):
    (site.folder / "raise-at-import").touch()
    node = site.start(processes=4)

    assert node.wait() != 0
    assert node.log.count("RuntimeError: the shop is closed") == 1, node.log


def test_a_worker_with_other_tasks_is_refused_with_the_difference(site: Site):
    (site.folder / "extra").write_text("first gone")
    node = site.start().ready()
    [one, other] = node.workers
    (site.folder / "extra").write_text("first added")

    os.kill(one, signal.SIGKILL)
    node.said("is refused: its host has other tasks: +added -gone; was the code changed?")
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    assert other in node.workers
    (site.folder / "extra").write_text("gone first")
    node.said(" serves ", times=3)
    assert node.stop() == 0


def test_workers_that_die_before_they_are_ready_are_tried_again_until_they_live(site: Site):
    (site.folder / "die-at-import").touch()
    node = site.start()
    until(lambda: len(list(site.folder.glob("died-*"))) >= 2, "two deaths")
    (site.folder / "die-at-import").unlink()
    node.ready()

    assert "exited with 9 before it was ready" in node.log
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"


@both
@pytest.mark.parametrize("limit", [("--max-jobs", "20"), ("--max-memory", "150MB")])
def test_worn_out_workers_are_replaced_and_every_job_runs_once(site: Site, limit):
    node = site.start("--concurrency", "4", *limit).ready()
    first = node.workers
    kind = site.toils.bloat if limit[0] == "--max-memory" else site.toils.note
    count = 20 if limit[0] == "--max-memory" else 60
    jobs = [kind.enqueue(f"job-{n}") for n in range(count)]

    for job in jobs:
        job.result(PATIENCE)
    if limit[0] == "--max-memory":
        until(lambda: set(node.workers) - set(first), "a fresh one")
    else:
        assert len({pid for n in range(count) for pid in site.ledger.pids("start", f"job-{n}")}) > 2
    assert set(site.ledger.count("start").values()) == {1}
    assert {job.status().state for job in jobs} == {State.SUCCEEDED}
    assert {job.status().deliveries for job in jobs} == {1}
    assert "jobs handed back:" not in node.log


@both
@pytest.mark.requirement("R-VM-10")
def test_memory_and_load_are_told_before_the_first_heartbeat(site: Site):
    site.start("--lease", "10m").ready()
    node, *workers = site.host.nodes()

    assert node.vitals.memory_bytes
    assert node.vitals.load
    assert node.vitals.memory_free_bytes
    assert len(workers) == 2
    assert all(worker.vitals.memory_bytes for worker in workers)
