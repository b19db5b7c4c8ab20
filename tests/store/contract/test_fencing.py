"""What is no longer owned is never written: each guard alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobhost.jobs.outcomes import COMPLETED, DeadLettered, Outcome, Released, Snoozed, Succeeded
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plan import Plan
from jobhost.store.plans.cycle import Wanted, settle
from jobhost.store.plans.hot import STEP_BY_STEP

from ..conservation import standings
from ..world import FAILED, QUEUE, World, ended

WRITES: dict[str, tuple[Outcome, Retry]] = {
    "complete": (Succeeded("1"), Retry()),
    "finish": (DeadLettered(reason="no"), Retry()),
    "retry later": (FAILED, Retry()),
    "retry at once": (FAILED, Retry(first_delay="0s")),
    "snooze": (Snoozed(delay_seconds=9), Retry()),
    "release": (Released(), Retry()),
}


@pytest.fixture(params=WRITES)
def write(request: pytest.FixtureRequest) -> Callable[[Delivery], Ended]:
    """Each kind of write that follows a claim."""
    outcome, policy = WRITES[request.param]
    return lambda delivery: ended(delivery, outcome, retry=policy)


def settle_alone(world: World, node: int, writer: int, *batch: Ended) -> list[int]:
    """The settling without the cycle's own look at the lease before it. Where a success is part of
    the cycle's one statement, it has no other guard than the cycle's."""
    whole = world.store.hot is not STEP_BY_STEP
    if whole and all(end.settlement is COMPLETED for end in batch):
        report = world.cycle(writer, *batch)
        return report.lost if report.lease_live else [end.job for end in batch]
    return world.write(lambda: settle(batch, {}, node=node, writer=writer))


def test_a_wrong_epoch_writes_nothing_and_spares_its_neighbours(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    world.enqueue(3)
    node = world.node()
    first, stale, last = world.claim(node)
    old = write(stale)._replace(epoch=stale.epoch + 1)
    before = standings(world.query)[stale.job]
    report = world.cycle(node, write(first), old, write(last))
    assert report.lost == [stale.job]
    after = standings(world.query)
    assert after[stale.job] == before
    assert State.RUNNING not in (after[first.job].state, after[last.job].state)
    assert world.attempts(stale.id) == []
    assert world.cycle(node, write(stale)).lost == []


def test_an_earlier_epoch_of_the_same_node_writes_nothing(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    node = world.node()
    _, first = world.running(node)
    world.cycle(node, ended(first, Released()))
    (second,) = world.claim(node)
    assert world.cycle(node, write(first)).lost == [first.job]
    assert standings(world.query)[first.job].state is State.RUNNING
    assert world.cycle(node, write(second)).lost == []


def test_another_node_writes_nothing_and_its_own_jobs_are_recorded(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    node, other = world.node(), world.node()
    _, foreign = world.running(other)
    _, own = world.running(node)
    assert world.cycle(node, write(foreign), write(own)).lost == [foreign.job]
    after = standings(world.query)
    assert after[foreign.job].state is State.RUNNING
    assert after[own.job].state is not State.RUNNING
    assert world.cycle(other, write(foreign)).lost == []


@pytest.mark.parametrize("how", ["lapsed", "ended"])
def test_a_writer_without_a_live_lease_writes_nothing(
    world: World, write: Callable[[Delivery], Ended], how: str
) -> None:
    node, other = world.node(), world.node(lease=timedelta(hours=1))
    world.running(node)
    _, delivery = world.running(node)
    if how == "lapsed":
        world.move(seconds=30)
    else:
        world.rescue(node, other)
    before = standings(world.query)
    assert settle_alone(world, node, node, write(delivery)) == [delivery.job]
    assert standings(world.query) == before
    assert not world.cycle(node, write(delivery)).lease_live
    assert standings(world.query) == before


def test_a_rescued_job_is_not_completed_by_its_former_owner(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    node, other = world.node(), world.node(lease=timedelta(hours=1))
    job_id, delivery = world.running(node)
    world.move(seconds=30)
    assert world.rescue(node, other, died=False).returned == 1
    (again,) = world.claim(other)
    assert not world.cycle(node, write(delivery)).lease_live
    assert settle_alone(world, other, other, write(delivery)) == [delivery.job]
    assert world.state(job_id) is State.RUNNING
    assert world.cycle(other, ended(again)).lost == []


def test_a_repeated_acknowledgement_is_refused_and_changes_nothing(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, write(delivery))
    before = world.standing(job_id)
    assert world.cycle(node, write(delivery)).lost == [delivery.job]
    assert world.standing(job_id) == before
    assert len(world.attempts(job_id)) == 1


def test_a_success_after_a_success_keeps_the_first_result(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, Succeeded('"first"')))
    world.cycle(node, ended(delivery, Succeeded('"second"')))
    assert world.show(job_id).result == '"first"'


def test_a_job_nobody_ever_enqueued_is_lost_not_invented(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    node = world.node()
    _, delivery = world.running(node)
    ghost = write(delivery)._replace(job=10**9)
    assert world.cycle(node, ghost).lost == [10**9]
    assert len(standings(world.query)) == 1


def test_a_lease_that_ends_in_the_middle_of_a_cycle_loses_no_job(
    world: World, write: Callable[[Delivery], Ended]
) -> None:
    """The clock goes on between the cycle's own look at the lease and its writes."""
    node = world.node()
    job_id, delivery = world.running(node)
    world.clock.move(timedelta(seconds=29, microseconds=999_990))
    wanted = Wanted(node=node, queues=[QUEUE], tasks="[]", slots=0)

    def ticking() -> Plan[bool]:
        plan = world.store.hot.cycle([write(delivery)], wanted)
        statement = next(plan)
        while True:
            reply = yield statement
            world.clock.move(timedelta(microseconds=5))
            try:
                statement = plan.send(reply)
            except StopIteration as end:
                return delivery.job not in end.value.lost and end.value.lease_live

    recorded = world.write(ticking)
    attempts = world.attempts(job_id)
    assert (world.standing(job_id).state is not State.RUNNING) == recorded
    assert len(attempts) == recorded
