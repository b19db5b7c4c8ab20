"""What real workers do for their store beside jobs: end what has expired, delete what is old."""

from typing import Any

import pytest

from jobhost import JobNotFound, State

pytestmark = pytest.mark.stores("sqlite", "postgres")
LEASE = "6s"
"""Long beside whatever a busy machine does to a heartbeat, which tells of jobs that expire."""


def is_gone(job: Any) -> bool:
    try:
        job.status()
    except JobNotFound:
        return True
    return False


@pytest.mark.requirement("R-MSG-24")
def test_a_worker_ends_jobs_that_expire_in_queues_that_nobody_serves(yard: Any, until: Any) -> None:
    note = yard.chores.note
    before = note.using(queue="nobody", expires="1ms").enqueue("before")
    worker = yard.start(lease=LEASE)
    until(lambda: before.status().is_final, "it had expired when the worker came")

    late = note.using(queue="nobody", expires="100ms").enqueue("late")
    gone = note.using(queue="nobody", expires="100ms", on_expiry="drop").enqueue("gone")
    good = note.using(queue="nobody", expires="1h").enqueue("good")
    until(lambda: late.status().is_final and is_gone(gone), "they have expired under its eyes")

    for job in (before, late):
        assert (job.status().state, job.status().reason) == (State.DEAD, "expired")
    assert good.status().state is State.READY
    assert worker.lives
    assert yard.ledger.lines() == []


@pytest.mark.requirement("R-RES-7")
def test_one_worker_deletes_what_is_old_and_another_takes_that_over_from_a_killed_one(
    yard: Any, until: Any
) -> None:
    note = yard.chores.note
    first = yard.start(lease=LEASE, keep="1ms")
    old = note.enqueue("old")
    until(lambda: is_gone(old), "the first has deleted it")

    yard.start(lease=LEASE, keep="1ms")
    dead = note.using(queue="nobody").enqueue("dead")
    dead.cancel()
    first.kill()
    more = note.enqueue("more")
    until(lambda: is_gone(more), "the second has deleted it")
    assert dead.status().state is State.CANCELLED, "it is kept for longer"
    assert yard.ledger.names("end") == ["old", "more"]
