"""Ids that nobody has sent yet take a shorter way in."""

import pytest

from jobhost.errors import StoreError, StoreRefusedData
from jobhost.ids import new_ids
from jobhost.jobs.states import State
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.portions import BATCH_MAX

from ..world import QUEUE, TASK, World


def batch_of(*ids: bytes, delay_us: int | None = None) -> Batch:
    jobs = [NewJob(job_id, "[]", None) for job_id in ids]
    return Batch(task=TASK, queue=QUEUE, priority=0, jobs=jobs, delay_us=delay_us)


@pytest.mark.parametrize("count", [0, 1, BATCH_MAX])
def test_new_jobs_are_accepted_and_claimed_in_their_order(world: World, count: int) -> None:
    ids = new_ids(count)
    assert world.write(lambda: world.store.hot.enqueue_new(batch_of(*ids))) == count
    claimed = world.claim(world.node(), slots=BATCH_MAX)
    assert [delivery.id for delivery in claimed] == ids


def test_new_jobs_with_a_delay_are_scheduled(world: World) -> None:
    (job_id,) = new_ids(1)
    world.write(lambda: world.store.hot.enqueue_new(batch_of(job_id, delay_us=10)))
    assert world.state(job_id) is State.SCHEDULED


@pytest.mark.parametrize("delay_us", [None, 10])
def test_new_jobs_whose_outcome_is_unknown_are_sent_again_without_a_second_run(
    world: World, delay_us: int | None
) -> None:
    batch = batch_of(*new_ids(3), delay_us=delay_us)
    assert world.write(lambda: world.store.hot.enqueue_new(batch)) == 3
    assert world.write(lambda: world.store.hot.enqueue(batch)) == 0
    assert len(world.list_jobs().jobs) == 3


def test_what_is_wrongly_said_to_be_new_never_becomes_a_second_job(world: World) -> None:
    batch = batch_of(*new_ids(2))
    world.write(lambda: world.store.hot.enqueue_new(batch))
    try:
        world.write(lambda: world.store.hot.enqueue_new(batch))
    except StoreError as error:
        assert isinstance(error, StoreRefusedData)
    assert len(world.list_jobs().jobs) == 2
    (later,) = new_ids(1)
    assert world.write(lambda: world.store.hot.enqueue_new(batch_of(later))) == 1


def test_new_jobs_are_accepted_whole_or_not_at_all(world: World) -> None:
    first, second = new_ids(2)
    jobs = [NewJob(first, "[]", None), NewJob(second, '["\ud800"]', None)]
    batch = Batch(task=TASK, queue=QUEUE, priority=0, jobs=jobs)
    with pytest.raises(StoreRefusedData):
        world.write(lambda: world.store.hot.enqueue_new(batch))
    assert world.list_jobs().jobs == []
