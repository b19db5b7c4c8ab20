"""What an operator does: cancel and redrive."""

import pytest

from jobhost.ids import new_ids
from jobhost.jobs.outcomes import (
    DeadLettered,
    Discarded,
    Outcome,
    Released,
    Snoozed,
    Succeeded,
)
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import MOVES, Move, State
from jobhost.store.plans.operate import CancelResult, Redriven

from ..conservation import Standing
from ..world import FAILED, World, ended

AT_ONCE = Retry(first_delay="0s")


def job_in(world: World, state: State) -> bytes:
    """A job brought into a state by the store's own moves; one that ran did so in a queue of
    its own, so as not to take the place of those that wait."""
    node = world.node()
    if state is State.READY:
        return world.enqueue()[0]
    if state is State.SCHEDULED:
        return world.enqueue(delay_us=10**9)[0]
    if state is State.BLOCKED:
        job_id = world.enqueue(task="strange")[0]
        world.stage()
        return job_id
    (job_id,) = world.enqueue(queue="busy")
    (delivery,) = world.claim(node, queues=("busy",))
    outcomes: dict[State, Outcome] = {
        State.SUCCEEDED: Succeeded("1"),
        State.DEAD: DeadLettered(reason="no"),
        State.CANCELLED: Discarded(reason="sent"),
    }
    if state in outcomes:
        world.cycle(node, ended(delivery, outcomes[state]))
    return job_id


STATES = [state for state in State if state is not State.SUSPENDED]
WAITING = [State.READY, State.SCHEDULED, State.BLOCKED]


@pytest.mark.parametrize("state", WAITING)
@pytest.mark.requirement("R-MSG-23")
def test_a_waiting_job_is_cancelled_at_once_and_never_starts(world: World, state: State) -> None:
    job_id = job_in(world, state)
    neighbour = job_in(world, state)
    assert world.state(job_id) is state
    assert world.cancel(job_id, "wrong customer") is CancelResult.CANCELLED
    record = world.show(job_id)
    assert (record.state, record.reason, record.claimed_at) == (
        State.CANCELLED, "wrong customer", None,
    )  # fmt: skip
    assert record.ended_at is not None
    assert world.attempts(job_id) == []
    assert world.state(neighbour) is state
    world.node("strange")
    world.move(seconds=2000)
    node = world.node("strange", "work")
    world.stage()
    assert job_id not in [taken.id for taken in world.claim(node, tasks=("work", "strange"))]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.DEAD, State.CANCELLED])
def test_a_cancel_after_the_end_is_too_late_and_changes_nothing(world: World, state: State) -> None:
    job_id = job_in(world, state)
    before = world.show(job_id)
    assert world.cancel(job_id) is CancelResult.TOO_LATE
    assert world.show(job_id) == before


def test_an_unknown_job_is_neither_cancelled_nor_redriven(world: World) -> None:
    (unknown,) = new_ids(1)
    assert world.cancel(unknown) is None
    assert world.redrive(unknown) is None


def test_a_cancel_keeps_the_counts_and_the_history_of_a_waiting_job(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, FAILED))
    world.cancel(job_id)
    assert world.standing(job_id) == Standing(State.CANCELLED, 1, 1, 1, 0)
    assert [attempt.outcome for attempt in world.attempts(job_id)] == ["failed"]


def test_the_worker_of_a_running_job_is_told_of_a_cancel_until_it_obeys(world: World) -> None:
    node, other = world.node(), world.node()
    job_id, delivery = world.running(node)
    assert world.cancel(job_id, "first") is CancelResult.REQUESTED
    assert world.cancel(job_id, "second") is CancelResult.REQUESTED
    assert world.show(job_id).cancel_requested
    assert world.cycle(other).cancels == {}
    for _ in range(2):
        assert world.cycle(node).cancels == {delivery.job: "first"}


@pytest.mark.parametrize(
    ("outcome", "policy"),
    [
        (FAILED, Retry()),
        (FAILED, AT_ONCE),
        (Snoozed(delay_seconds=9), Retry()),
        (Snoozed(delay_seconds=0), Retry()),
        (Released(), Retry()),
    ],
    ids=["retry", "retry at once", "snooze", "snooze for no time", "release"],
)
def test_a_cancel_in_between_outweighs_whatever_would_bring_the_job_back(
    world: World, outcome: Outcome, policy: Retry
) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cancel(job_id, "wrong customer")
    assert world.cycle(node, ended(delivery, outcome, retry=policy)).lost == []
    record = world.show(job_id)
    assert (record.state, record.reason, record.cancel_requested) == (
        State.CANCELLED, "wrong customer", False,
    )  # fmt: skip
    assert len(world.attempts(job_id)) == 1
    assert world.cycle(node).cancels == {}


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Succeeded("42"), State.SUCCEEDED), (DeadLettered(reason="no"), State.DEAD)],
)
def test_a_cancel_that_comes_too_late_does_not_undo_an_end(
    world: World, outcome: Outcome, state: State
) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cancel(job_id)
    world.cycle(node, ended(delivery, outcome))
    record = world.show(job_id)
    assert (record.state, record.cancel_requested) == (state, False)
    assert record.result == ("42" if state is State.SUCCEEDED else None)


def test_a_cancel_of_one_job_spares_its_neighbours_in_the_batch(world: World) -> None:
    node = world.node()
    ids = world.enqueue(3)
    claimed = world.claim(node)
    world.cancel(ids[1])
    world.cycle(node, *[ended(delivery, Released()) for delivery in claimed])
    assert [world.state(job_id) for job_id in ids] == [
        State.READY, State.CANCELLED, State.READY,
    ]  # fmt: skip


def test_a_redriven_job_does_not_remember_an_old_cancel(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cancel(job_id)
    world.cycle(node, ended(delivery, Released()))
    world.redrive(job_id)
    (again,) = world.claim(node)
    assert world.cycle(node, ended(again)).cancels == {}
    assert world.state(job_id) is State.SUCCEEDED


def test_a_redrive_starts_new_counts_and_keeps_history_and_epoch(world: World) -> None:
    node = world.node()
    (job_id,) = world.enqueue()
    policy = Retry(max_attempts=2, first_delay="0s")
    for _ in range(2):
        (delivery,) = world.claim(node)
        world.cycle(node, ended(delivery, FAILED, retry=policy))
    history = world.attempts(job_id)
    assert world.redrive(job_id) == Redriven(done=True, state=State.READY)
    assert world.standing(job_id) == Standing(State.READY, 2, 0, 0, 0)
    assert world.attempts(job_id) == history
    (again,) = world.claim(node)
    assert (again.epoch, again.deliveries, again.failures) == (3, 1, 0)
    world.cycle(node, ended(again))
    assert [attempt.epoch for attempt in world.attempts(job_id)] == [1, 2, 3]
    assert world.state(job_id) is State.SUCCEEDED


def test_nothing_of_an_earlier_run_is_accepted_after_a_redrive(world: World) -> None:
    node = world.node()
    job_id, old = world.running(node)
    world.cycle(node, ended(old, DeadLettered(reason="no")))
    world.redrive(job_id)
    world.claim(node)
    assert world.cycle(node, ended(old)).lost == [old.job]
    assert world.state(job_id) is State.RUNNING


def test_a_redriven_job_stands_behind_what_already_waits(world: World) -> None:
    dead = job_in(world, State.DEAD)
    waiting = world.enqueue(2, queue="busy")
    world.redrive(dead)
    claimed = world.claim(world.node(), queues=("busy",))
    assert [taken.id for taken in claimed] == [*waiting, dead]


def test_a_job_cancelled_before_its_first_start_can_be_redriven(world: World) -> None:
    (job_id,) = world.enqueue()
    world.cancel(job_id)
    assert world.redrive(job_id) == Redriven(done=True, state=State.READY)
    assert world.attempts(job_id) == []
    assert [taken.id for taken in world.claim(world.node())] == [job_id]


@pytest.mark.parametrize("state", STATES)
def test_a_redrive_is_refused_exactly_where_the_table_of_moves_says(
    world: World, state: State
) -> None:
    job_id = job_in(world, state)
    before = world.show(job_id)
    allowed = state in MOVES[Move.REDRIVE].source
    done = world.redrive(job_id)
    assert done == Redriven(done=allowed, state=State.READY if allowed else state)
    if not allowed:
        assert world.show(job_id) == before


def test_dying_and_being_redriven_again_and_again_loses_no_attempt(world: World) -> None:
    node = world.node()
    (job_id,) = world.enqueue()
    for _ in range(4):
        (delivery,) = world.claim(node)
        world.cycle(node, ended(delivery, DeadLettered(reason="no")))
        world.redrive(job_id)
        world.cancel(job_id)
        world.redrive(job_id)
    assert [attempt.epoch for attempt in world.attempts(job_id)] == [1, 2, 3, 4]
