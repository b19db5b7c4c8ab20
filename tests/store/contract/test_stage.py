"""What becomes ready, or stops being so, without a worker's doing."""

from datetime import timedelta

import pytest

from jobhost.clock import Instant
from jobhost.jobs.outcomes import Released
from jobhost.jobs.states import State
from jobhost.store.plans.nodes import leave
from jobhost.store.plans.stage import NO_WORKER, STAGE_BATCH

from ..conservation import Standing
from ..world import FAILED, World, ended


@pytest.mark.requirement("R-MSG-23")
def test_a_job_is_due_at_its_exact_instant_and_not_before(world: World) -> None:
    world.node()
    (job_id,) = world.enqueue(delay_us=1_000_000)
    world.move(microseconds=999_999)
    report = world.stage()
    assert (report.staged, report.due_in_us) == (0, 1)
    world.move(microseconds=1)
    report = world.stage()
    assert (report.staged, report.due_in_us) == (1, None)
    assert world.state(job_id) is State.READY


def test_due_jobs_become_ready_by_due_time_then_priority_then_number(world: World) -> None:
    node = world.node()
    at = world.clock.now() + 1000
    wishes = [(at + 2, 0), (at, 0), (at + 1, 0), (at, 0), (at, 5)]
    made = [
        (due, -priority, position, world.enqueue(run_at=Instant(due), priority=priority)[0])
        for position, (due, priority) in enumerate(wishes)
    ]
    world.move(seconds=1)
    assert world.stage().staged == 5
    expected = [job_id for *_, job_id in sorted(made, key=lambda one: (one[1], one[0], one[2]))]
    assert [taken.id for taken in world.claim(node)] == expected


def test_staging_keeps_the_counts_of_a_job(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, FAILED))
    world.move(seconds=5)
    world.stage()
    assert world.standing(job_id) == Standing(State.READY, 1, 1, 1, 0)


def test_the_next_due_instant_is_told_as_a_wait(world: World) -> None:
    world.node()
    assert world.stage().due_in_us is None
    world.enqueue(delay_us=5_000_000)
    world.enqueue(delay_us=3_000_000)
    world.move(seconds=1)
    assert world.stage().due_in_us == 2_000_000


def test_a_full_batch_asks_for_another_pass(world: World) -> None:
    world.node()
    ids = world.enqueue(STAGE_BATCH, delay_us=1) + world.enqueue(1, delay_us=2)
    world.move(seconds=1)
    first = world.stage()
    assert (first.staged, first.more) == (STAGE_BATCH, True)
    second = world.stage()
    assert (second.staged, second.more) == (1, False)
    assert world.state(ids[-1]) is State.READY


def test_jobs_whose_task_nobody_knows_are_set_aside_with_a_reason(world: World) -> None:
    world.node("known")
    known = world.enqueue(task="known")[0]
    strange = world.enqueue(task="strange")[0]
    assert world.stage().parked == 1
    record = world.show(strange)
    assert (record.state, record.reason) == (State.BLOCKED, NO_WORKER)
    assert world.state(known) is State.READY
    assert world.stage().parked == 0


def test_parked_jobs_keep_their_place_when_somebody_serves_them(world: World) -> None:
    world.node("known")
    order = [
        world.enqueue(task=task, priority=priority)[0]
        for task, priority in [("strange", 1), ("known", 1), ("strange", 0), ("known", 0)]
    ]
    assert world.stage().parked == 2
    later = world.enqueue(task="known")[0]
    node = world.node("strange")
    assert world.stage().unparked == 2
    both = world.claim(node, tasks=("known", "strange"))
    assert [taken.id for taken in both] == [*order, later]


def test_parked_jobs_keep_lane_and_counts(world: World) -> None:
    node = world.node("strange")
    (back,) = world.enqueue(task="strange")
    (delivery,) = world.claim(node, tasks=("strange",))
    (fresh,) = world.enqueue(task="strange")
    world.cycle(node, ended(delivery, Released()))
    world.write(lambda: leave(node))
    world.node("known")
    assert world.stage().parked == 2
    assert world.standing(back) == Standing(State.BLOCKED, 1, 1, 0, 0)
    served = world.node("strange")
    assert world.stage().unparked == 2
    assert world.standing(back) == Standing(State.READY, 1, 1, 0, 0)
    assert [taken.id for taken in world.claim(served, tasks=("strange",))] == [back, fresh]


@pytest.mark.parametrize("gone", ["lapsed", "left"])
def test_a_node_without_a_lease_serves_nobody(world: World, gone: str) -> None:
    world.node("other", lease=timedelta(hours=1))
    node = world.node()
    (job_id,) = world.enqueue()
    assert world.stage().parked == 0
    if gone == "lapsed":
        world.move(seconds=30)
    else:
        world.write(lambda: leave(node))
    assert world.stage().parked == 1
    assert world.stage().unparked == 0
    world.node()
    assert world.stage().unparked == 1
    assert world.state(job_id) is State.READY


def test_only_the_named_queues_are_looked_through(world: World) -> None:
    world.node("known")
    mail = world.enqueue(task="strange", queue="mail")[0]
    files = world.enqueue(task="strange", queue="files")[0]
    assert world.stage("mail").parked == 1
    assert [world.state(mail), world.state(files)] == [State.BLOCKED, State.READY]
    assert world.stage("mail", "files").parked == 1


def test_parking_more_than_a_batch_takes_several_passes(world: World) -> None:
    world.node("known")
    world.enqueue(STAGE_BATCH, task="strange")
    last = world.enqueue(task="strange")[0]
    first = world.stage()
    assert (first.parked, first.more, first.more_unserved) == (STAGE_BATCH, False, True)
    assert world.stage().parked == 1
    assert world.state(last) is State.BLOCKED
    world.node("strange")
    assert world.stage().unparked == STAGE_BATCH
    assert world.stage().unparked == 1


def test_a_job_that_becomes_due_while_nobody_serves_it_is_set_aside(world: World) -> None:
    world.node("known")
    (job_id,) = world.enqueue(task="strange", delay_us=1)
    world.move(seconds=1)
    report = world.stage()
    assert (report.staged, report.parked) == (1, 1)
    assert world.state(job_id) is State.BLOCKED
