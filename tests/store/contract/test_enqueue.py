"""A job is accepted."""

from datetime import UTC, datetime, timedelta

import pytest

from jobhost.clock import Instant, to_datetime, to_instant
from jobhost.errors import StoreRefusedData
from jobhost.ids import new_ids
from jobhost.jobs.envelope import Envelope
from jobhost.jobs.states import State
from jobhost.store.plans import look
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.portions import BATCH_MAX

from ..world import QUEUE, TASK, World, ended


def batch_of(*jobs: NewJob) -> Batch:
    return Batch(task=TASK, queue=QUEUE, priority=0, jobs=jobs)


def test_a_fresh_job_is_ready_and_has_never_been_delivered(world: World) -> None:
    (job_id,) = world.enqueue(priority=7, queue="mail")
    record = world.show(job_id)
    assert (record.state, record.task, record.queue, record.priority) == (
        State.READY, TASK, "mail", 7,
    )  # fmt: skip
    assert (record.epoch, record.deliveries, record.failures, record.crashes) == (0, 0, 0, 0)
    assert record.created_at == to_datetime(world.clock.now())
    assert (record.due_at, record.claimed_at, record.ended_at, record.worker) == (None,) * 4


def test_payload_envelope_and_parent_come_back_as_they_were_given(world: World) -> None:
    parent, child = new_ids(2)
    envelope = Envelope(tags=("a", "ü"), headers={"x": "“quoted”"}, correlation_id="c")
    payload = '["it\'s", "\\"", "\\\\", "\\u0000", "日本", "🚀"]'
    batch = Batch(
        task=TASK,
        queue=QUEUE,
        priority=0,
        jobs=[NewJob(child, payload, envelope.to_text())],
        parent=parent,
    )
    assert world.write(lambda: world.store.hot.enqueue(batch)) == 1
    record = world.show(child)
    assert record.payload == payload
    assert record.envelope == envelope
    assert record.parent is not None
    assert record.parent.bytes == parent
    (delivery,) = world.claim(world.node())
    assert (delivery.payload, delivery.envelope, delivery.parent) == (
        payload, envelope.to_text(), parent,
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 100, BATCH_MAX])
def test_a_batch_is_claimed_in_its_own_order(world: World, count: int) -> None:
    ids = world.enqueue(count)
    claimed = world.claim(world.node(), slots=count)
    assert [delivery.id for delivery in claimed] == ids


def test_batches_follow_each_other(world: World) -> None:
    ids = world.enqueue(3) + world.enqueue(2) + world.enqueue(1)
    assert [delivery.id for delivery in world.claim(world.node())] == ids


def test_an_empty_batch_changes_nothing(world: World) -> None:
    assert world.write(lambda: world.store.hot.enqueue(batch_of())) == 0
    assert world.read(look.tally).states == {
        State.READY: 0, State.SCHEDULED: 0, State.BLOCKED: 0, State.RUNNING: 0,
    }  # fmt: skip


@pytest.mark.parametrize("at", [0, 1, 150])
def test_a_batch_is_accepted_whole_or_not_at_all(world: World, at: int) -> None:
    ids = new_ids(151)
    jobs = [NewJob(job_id, "[]", None) for job_id in ids]
    jobs[at] = NewJob(ids[at], '["\ud800"]', None)
    with pytest.raises(StoreRefusedData):
        world.write(lambda: world.store.hot.enqueue(batch_of(*jobs)))
    assert world.list_jobs().jobs == []
    (later,) = world.enqueue()
    assert world.state(later) is State.READY


def test_a_repeated_id_leaves_the_first_job_as_it_was(world: World) -> None:
    (job_id,) = world.enqueue(priority=5)
    before = world.show(job_id)
    world.move(seconds=1)
    repeat = Batch(
        task="other",
        queue="other",
        priority=-5,
        jobs=[NewJob(job_id, "[99]", None)],
        delay_us=10,
    )
    assert world.write(lambda: world.store.hot.enqueue(repeat)) == 0
    assert world.show(job_id) == before


def test_an_enqueue_with_unknown_outcome_is_repeated_without_a_second_run(world: World) -> None:
    ids = world.enqueue(3)
    node = world.node()
    first, second, third = world.claim(node)
    world.cycle(node, ended(first))
    assert (
        world.write(
            lambda: world.store.hot.enqueue(batch_of(*[NewJob(i, "[]", None) for i in ids]))
        )
        == 0
    )
    assert world.claim(node) == []
    assert [world.state(job_id) for job_id in ids] == [
        State.SUCCEEDED, State.RUNNING, State.RUNNING,
    ]  # fmt: skip
    assert world.cycle(node, ended(second), ended(third)).lost == []


def test_a_repeat_beside_new_jobs_accepts_just_the_new_ones(world: World) -> None:
    (old,) = world.enqueue()
    (new,) = new_ids(1)
    jobs = [NewJob(new, "[1]", None), NewJob(old, "[2]", None)]
    assert world.write(lambda: world.store.hot.enqueue(batch_of(*jobs))) == 1
    assert [delivery.id for delivery in world.claim(world.node())] == [old, new]
    assert world.show(old).payload == "[0]"


def test_an_id_twice_in_one_batch_is_one_job(world: World) -> None:
    (job_id,) = new_ids(1)
    jobs = [NewJob(job_id, "[1]", None), NewJob(job_id, "[2]", None)]
    assert world.write(lambda: world.store.hot.enqueue(batch_of(*jobs))) == 1
    assert world.show(job_id).payload == "[1]"


def test_a_delay_counts_from_the_stores_clock(world: World) -> None:
    now = to_datetime(world.clock.now())
    (job_id,) = world.enqueue(delay_us=1_500_000)
    record = world.show(job_id)
    assert record.state is State.SCHEDULED
    assert record.due_at == now + timedelta(seconds=1.5)
    assert world.claim(world.node()) == []


def test_a_delay_of_zero_is_no_delay(world: World) -> None:
    (job_id,) = world.enqueue(delay_us=0)
    assert world.state(job_id) is State.READY


def test_a_due_instant_is_kept_to_the_microsecond(world: World) -> None:
    moment = datetime(2031, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    (job_id,) = world.enqueue(run_at=to_instant(moment))
    assert world.show(job_id).due_at == moment


def test_a_due_instant_in_the_past_is_due_at_once(world: World) -> None:
    world.node()
    (job_id,) = world.enqueue(run_at=Instant(world.clock.now() - 1))
    assert world.stage().staged == 1
    assert world.state(job_id) is State.READY


def test_a_status_can_be_read_when_no_worker_ever_ran(world: World) -> None:
    waiting, later = world.enqueue()[0], world.enqueue(delay_us=10)[0]
    assert world.state(waiting) is State.READY
    assert world.state(later) is State.SCHEDULED


@pytest.mark.requirement("R-LEVEL-3")
def test_jobs_are_accepted_while_no_worker_exists_and_run_once_one_comes(world: World) -> None:
    ids = world.enqueue(5)
    assert [delivery.id for delivery in world.claim(world.node())] == ids
