"""What a store knows of why a job is where it is, in every state that a job can be brought into."""

import pytest

from jobhost.clock import to_datetime
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.explain import PLACE_MAX, Cause, Situation, explain
from jobhost.jobs.outcomes import DeadLettered, Discarded, Outcome, Released, Snoozed, Succeeded
from jobhost.store.plan import drive
from jobhost.store.plans import queues
from jobhost.store.plans.explain import situation
from jobhost.store.plans.nodes import live_nodes

from ..world import FAILED, World, ended


def seen(world: World, job_id: bytes) -> Situation:
    found = looked(world, job_id)
    assert found is not None
    return found


def looked(world: World, job_id: bytes) -> Situation | None:
    return drive(world.read, situation(job_id, to_datetime(world.clock.now())))


def cause(world: World, job_id: bytes) -> Cause:
    return explain(seen(world, job_id)).cause


def test_nobody_knows_why_a_job_is_not_there(world: World) -> None:
    assert looked(world, bytes(16)) is None


def test_a_ready_job_s_place_is_that_of_its_claim(world: World) -> None:
    jobs = world.enqueue(3)
    (urgent,) = world.enqueue(priority=1)
    world.enqueue(queue="another")
    assert [seen(world, one).place for one in (urgent, *jobs)] == [1, 2, 3, 4]
    node = world.node()
    assert cause(world, urgent) is Cause.NEXT
    assert cause(world, jobs[0]) is Cause.IN_LINE
    (delivery,) = world.claim(node, slots=1)
    assert delivery.id == urgent
    assert cause(world, jobs[0]) is Cause.BUSY
    assert cause(world, urgent) is Cause.RUNNING


def test_a_job_that_was_handed_back_stands_before_the_others(world: World) -> None:
    first, second = world.enqueue(2)
    node = world.node()
    (delivery, _) = world.claim(node)
    world.cycle(node, ended(delivery, Released()))
    (third,) = world.enqueue()
    assert (seen(world, first).place, seen(world, third).place) == (1, 2)
    assert cause(world, second) is Cause.RUNNING


@pytest.mark.long
def test_the_place_of_one_far_back_is_not_counted(world: World) -> None:
    world.enqueue(PLACE_MAX)
    (last,) = world.enqueue()
    assert seen(world, last).place is None


def test_a_pause_comes_before_missing_workers(world: World) -> None:
    (job_id,) = world.enqueue()
    assert cause(world, job_id) is Cause.NO_WORKER
    world.write(lambda: queues.pause_queue("default", "the bank is down"))
    why = explain(seen(world, job_id))
    assert why.cause is Cause.PAUSED
    assert "the bank is down" in why.sentence
    world.write(lambda: queues.resume_queue("default"))
    world.node("strange")
    assert cause(world, job_id) is Cause.TASK_UNKNOWN
    world.stage()
    assert cause(world, job_id) is Cause.TASK_UNKNOWN, "also once it is set aside"
    (elsewhere,) = world.enqueue(queue="another")
    assert cause(world, elsewhere) is Cause.QUEUE_UNSERVED


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (FAILED, Cause.RETRYING),
        (Snoozed(delay_seconds=60.0), Cause.SNOOZED),
        (Succeeded("1"), Cause.SUCCEEDED),
        (DeadLettered(reason="no"), Cause.DEAD),
        (Discarded(reason="sent"), Cause.CANCELLED),
    ],
)
def test_an_attempt_s_end_explains_what_follows(
    world: World, outcome: Outcome, expected: Cause
) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, outcome))
    assert cause(world, job_id) is expected


def test_a_delay_and_a_due_time_that_nobody_keeps(world: World) -> None:
    (job_id,) = world.enqueue(delay_us=60_000_000)
    assert cause(world, job_id) is Cause.DELAYED
    world.move(minutes=2)
    assert cause(world, job_id) is Cause.OVERDUE


def test_a_suspect_and_a_lost_lease(world: World) -> None:
    node, rescuer = world.node(), world.node()
    job_id, _ = world.running(node)
    world.rescue(node, rescuer, died=True, own_doing=True)
    assert cause(world, job_id) is Cause.SUSPECT
    other, _ = world.running(rescuer)
    world.move(minutes=5)
    assert cause(world, other) is Cause.LEASE_LAPSED
    world.cancel(other)
    assert cause(world, other) is Cause.LEASE_LAPSED


def test_a_suspect_of_a_paused_queue_or_without_a_worker(world: World) -> None:
    node, rescuer = world.node(), world.node()
    job_id, _ = world.running(node)
    world.rescue(node, rescuer, died=True, own_doing=True)
    world.write(lambda: queues.pause_queue("default", "the bank is down"))
    assert cause(world, job_id) is Cause.PAUSED
    world.write(lambda: queues.resume_queue("default"))
    assert explain(seen(world, job_id)).next_step is None
    world.move(minutes=5)
    why = explain(seen(world, job_id))
    assert why.cause is Cause.SUSPECT
    assert "no worker runs" in why.sentence


def test_a_worker_that_is_proven_to_be_dead_is_not_said_to_run_anything(world: World) -> None:
    node = world.node()
    job_id, _ = world.running(node)
    (waiting,) = world.enqueue()
    assert cause(world, job_id) is Cause.RUNNING
    (died,) = {living.id for living in world.read(live_nodes)}
    now = to_datetime(world.clock.now())

    def known(job: bytes) -> Cause:
        found = drive(world.read, situation(job, now, [died, "somebody else"]))
        assert found is not None
        return explain(found).cause

    assert known(job_id) is Cause.WORKER_DIED
    assert known(waiting) is Cause.NO_WORKER


def test_a_job_whose_time_to_start_is_over(world: World) -> None:
    (job_id,) = world.enqueue(expiry=Expiry(after_us=60_000_000))
    assert cause(world, job_id) is Cause.NO_WORKER
    world.move(minutes=2)
    assert cause(world, job_id) is Cause.EXPIRED
    world.write(lambda: queues.pause_queue("default", "the bank is down"))
    assert cause(world, job_id) is Cause.EXPIRED, "a pause does not keep it"
