"""Everything that only reads."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from jobhost.clock import to_datetime
from jobhost.errors import InvalidOption
from jobhost.ids import new_ids
from jobhost.jobs.outcomes import Released, Succeeded
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plans import look
from jobhost.store.plans.nodes import leave

from ..world import FAILED, QUEUE, World, ended
from .test_operate import STATES, job_in


def test_an_unknown_job_is_shown_as_none(world: World) -> None:
    (unknown,) = new_ids(1)
    assert world.read(lambda: look.show(unknown)) is None
    assert world.attempts(unknown) == []


@pytest.mark.parametrize("state", STATES)
def test_a_listing_by_state_has_just_the_jobs_of_that_state(world: World, state: State) -> None:
    made = {one: job_in(world, one) for one in STATES}
    found = world.list_jobs(state=state).jobs
    assert [(job.id.bytes, job.state) for job in found] == [(made[state], state)]


def test_a_listing_without_a_filter_has_all_jobs_newest_first(world: World) -> None:
    made = [job_in(world, state) for state in STATES]
    assert [job.id.bytes for job in world.list_jobs().jobs] == made[::-1]


def test_nothing_is_suspended_yet(world: World) -> None:
    world.enqueue()
    assert world.list_jobs(state=State.SUSPENDED) == look.Page(jobs=[], next=None)


@pytest.mark.parametrize("state", [None, State.READY])
def test_filters_for_queue_and_task_work_alone_and_together(
    world: World, state: State | None
) -> None:
    made = {
        (queue, task): world.enqueue(queue=queue, task=task)[0]
        for queue in ("a", "b")
        for task in ("x", "y")
    }

    def found(**wanted: str) -> set[bytes]:
        return {job.id.bytes for job in world.list_jobs(state=state, **wanted).jobs}

    assert found(queue="a") == {made["a", "x"], made["a", "y"]}
    assert found(task="y") == {made["a", "y"], made["b", "y"]}
    assert found(queue="b", task="x") == {made["b", "x"]}
    assert found(queue="c") == set()


@pytest.mark.parametrize("state", [None, *STATES])
def test_pages_follow_each_other_without_gap_or_repeat(world: World, state: State | None) -> None:
    made = [job_in(world, state or State.READY) for _ in range(5)][::-1]
    seen: list[bytes] = []
    before: int | None = None
    for _ in range(3):
        page = world.list_jobs(state=state, limit=2, before=before)
        seen += [job.id.bytes for job in page.jobs]
        before = page.next
    assert before is None
    assert seen == made


def test_a_job_enqueued_between_two_pages_does_not_shift_them(world: World) -> None:
    made = world.enqueue(4)[::-1]
    first = world.list_jobs(limit=2)
    world.enqueue()
    second = world.list_jobs(limit=2, before=first.next)
    assert [job.id.bytes for job in first.jobs + second.jobs] == made


def test_attempts_are_told_oldest_first_with_the_last_one(world: World) -> None:
    node = world.node()
    (job_id,) = world.enqueue()
    start = world.clock.now()
    for outcome in (FAILED, Released(), Succeeded("1")):
        (delivery,) = world.claim(node)
        world.move(seconds=1)
        world.cycle(node, ended(delivery, outcome, retry=Retry(first_delay="0s")))
    told = world.attempts(job_id)
    assert [(one.epoch, one.outcome) for one in told] == [
        (1, "failed"), (2, "released"), (3, "succeeded"),
    ]  # fmt: skip
    assert [one.ended_at for one in told] == [
        to_datetime(start) + timedelta(seconds=second) for second in (1, 2, 3)
    ]


def test_the_tally_counts_every_state_and_names_the_next_due_instant(world: World) -> None:
    for state in STATES:
        job_in(world, state)
    first = world.clock.now() + 5
    world.enqueue(delay_us=5)
    tally = world.read(look.tally)
    assert tally.states == {state: 2 if state is State.SCHEDULED else 1 for state in STATES}
    assert tally.next_due_at == to_datetime(first)


@pytest.mark.parametrize("wanted", [{"limit": 0}, {"limit": look.PAGE_MAX + 1}, {"state": "redy"}])
def test_a_filter_that_makes_no_sense_is_refused_before_the_store_is_asked(
    wanted: dict[str, Any],
) -> None:
    with pytest.raises(InvalidOption):
        look.Filter(**wanted)


def test_a_ready_job_shows_the_counts_that_it_has(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, FAILED, retry=Retry(first_delay="0s")))
    record = world.show(job_id)
    assert (record.state, record.epoch, record.deliveries, record.failures) == (
        State.READY, 1, 1, 1,
    )  # fmt: skip
    assert world.list_jobs(state=State.READY).jobs == [record]
    assert world.list_jobs().jobs == [record]


def test_no_reader_ever_sees_a_success_without_its_result(world: World) -> None:
    ids = world.enqueue(200)
    node = world.node()
    finished = threading.Event()
    seen: list[tuple[State, str | None]] = []

    def read() -> None:
        last = False
        while not last:
            last = finished.is_set()
            found = world.store.read(lambda: look.list_jobs(look.Filter(limit=200)))
            seen.extend((job.state, job.result) for job in found.jobs)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for start in range(0, 200, 5):
            batch = world.claim(node, slots=5)
            results = [json.dumps(start + at) for at in range(len(batch))]
            ends = zip(batch, results, strict=True)
            world.cycle(node, *[ended(taken, Succeeded(result)) for taken, result in ends])
    finally:
        finished.set()
        reader.join()
    assert {state for state, result in seen if result is None} <= {State.READY, State.RUNNING}
    assert {state for state, result in seen if result is not None} == {State.SUCCEEDED}
    assert [world.show(job_id).result for job_id in ids] == [str(at) for at in range(200)]


def test_served_queues_are_those_of_nodes_whose_lease_is_live(world: World) -> None:
    assert world.read(look.served_queues) == frozenset()
    first, _ = world.node(), world.node()
    assert world.read(look.served_queues) == {QUEUE}
    world.write(lambda: leave(first))
    assert world.read(look.served_queues) == {QUEUE}
    world.move(seconds=31)
    assert world.read(look.served_queues) == frozenset()
