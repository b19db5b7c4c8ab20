"""Workers register, renew their lease, are rescued and leave."""

from datetime import timedelta

import pytest

from jobhost.errors import StoreRefusedData
from jobhost.jobs.outcomes import MAX_CRASHES, MAX_LOST_DELIVERIES, Released, Snoozed
from jobhost.jobs.states import State
from jobhost.store.plans.nodes import RESCUE_BATCH, leave, live_nodes, orphans

from ..conservation import Standing, standings
from ..world import FAILED, World, ended

LONG = timedelta(days=1)


def test_a_new_node_is_live_with_its_first_lease(world: World) -> None:
    number = world.node(name="abc")
    (node,) = world.read(live_nodes)
    assert (node.number, node.id, node.worker, node.lapsed) == (number, "abc", "here:1", False)


def test_node_numbers_are_never_used_again(world: World) -> None:
    seen = set()
    for _ in range(3):
        node = world.node()
        world.write(lambda node=node: leave(node))
        job_id, _ = world.running(later := world.node())
        world.rescue(later, world.node(lease=LONG))
        world.cancel(job_id)
        seen |= {node, later}
    assert len(seen) == 6
    assert not seen & set(standings(world.query))


def test_a_node_id_registers_once(world: World) -> None:
    world.node(name="abc")
    with pytest.raises(StoreRefusedData):
        world.node(name="abc")


def test_a_heartbeat_renews_a_lease_from_now_on(world: World) -> None:
    node = world.node()
    for _ in range(5):
        world.move(seconds=29)
        assert world.heartbeat(node)
    world.move(seconds=29, microseconds=999_999)
    assert world.cycle(node).lease_live


@pytest.mark.parametrize("late", [0, 1, 1_000_000])
def test_a_lapsed_lease_is_never_renewed(world: World, late: int) -> None:
    node = world.node()
    world.move(seconds=30, microseconds=late)
    assert not world.heartbeat(node)
    assert not world.cycle(node).lease_live
    (seen,) = world.read(live_nodes)
    assert seen.lapsed


def test_a_node_that_left_or_never_was_has_no_heartbeat(world: World) -> None:
    node = world.node()
    world.write(lambda: leave(node))
    assert not world.heartbeat(node)
    assert not world.heartbeat(10**9)
    assert world.read(live_nodes) == []


def test_a_proven_death_is_rescued_although_the_lease_is_live(world: World) -> None:
    node, rescuer = world.node(), world.node()
    ids = world.enqueue(3)
    world.claim(node)
    report = world.rescue(node, rescuer)
    assert (report.returned, report.ended, report.total, report.more) == (3, 0, 3, False)
    claimed = world.claim(rescuer)
    assert [(taken.id, taken.epoch, taken.deliveries) for taken in claimed] == [
        (job_id, 2, 2) for job_id in ids
    ]
    (attempt,) = world.attempts(ids[0])
    assert (attempt.outcome, attempt.epoch, attempt.duration_seconds) == ("crashed", 1, None)
    assert attempt.error is not None
    assert attempt.error.type == "WorkerLost"
    assert [live.number for live in world.read(live_nodes)] == [rescuer]


def test_a_lapsed_lease_is_rescued_at_the_instant_of_its_end(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    job_id, _ = world.running(node)
    world.move(seconds=29, microseconds=999_999)
    assert world.rescue(node, rescuer, died=False).total == 0
    assert world.state(job_id) is State.RUNNING
    world.move(microseconds=1)
    assert world.rescue(node, rescuer, died=False).returned == 1
    assert world.standing(job_id) == Standing(State.READY, 1, 1, 0, 0)


@pytest.mark.requirement("R-MSG-5")
@pytest.mark.requirement("R-MSG-6")
def test_a_job_is_hidden_for_its_lease_comes_back_when_unhandled_and_leaves_when_done(
    world: World,
) -> None:
    node, other = world.node(), world.node(lease=LONG)
    job_id, _ = world.running(node)
    assert world.claim(other) == []
    world.move(seconds=30)
    world.rescue(node, other, died=False)
    (second,) = world.claim(other)
    world.cycle(other, ended(second, Released()))
    (third,) = world.claim(other)
    world.cycle(other, ended(third, Snoozed(delay_seconds=10)))
    assert world.claim(other) == []
    world.move(seconds=10)
    world.stage()
    (fourth,) = world.claim(other)
    assert {second.id, third.id, fourth.id} == {job_id}
    world.cycle(other, ended(fourth))
    world.move(days=1)
    late = world.node()
    assert world.claim(late) == []
    world.rescue(other, late)
    assert world.claim(late) == []


def test_a_renewal_in_between_saves_the_node_and_its_jobs(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    _, delivery = world.running(node)
    world.move(seconds=29)
    assert world.heartbeat(node)
    world.move(seconds=1)
    assert world.rescue(node, rescuer, died=False).total == 0
    assert world.cycle(node, ended(delivery)).lost == []


@pytest.mark.parametrize("rescuer_lost", ["lapsed", "left", "unknown", "itself"])
@pytest.mark.parametrize("died", [True, False])
def test_a_rescuer_without_a_live_lease_changes_nothing(
    world: World, rescuer_lost: str, died: bool
) -> None:
    node, rescuer = world.node(), world.node()
    world.running(node)
    world.move(seconds=30)
    if rescuer_lost == "left":
        rescuer = world.node()
        world.write(lambda: leave(rescuer))
    elif rescuer_lost == "unknown":
        rescuer = 10**9
    elif rescuer_lost == "itself":
        rescuer = node
    before = standings(world.query)
    assert world.rescue(node, rescuer, died=died).total == 0
    assert standings(world.query) == before
    assert node in [live.number for live in world.read(live_nodes)]


def test_a_node_that_rescues_itself_by_mistake_loses_no_job(world: World) -> None:
    node = world.node()
    job_id, _ = world.running(node)
    assert world.rescue(node, node).total == 0
    assert world.state(job_id) is State.RUNNING
    other = world.node()
    world.rescue(node, other)
    assert world.state(job_id) is State.READY


def test_two_rescuers_move_each_job_once(world: World) -> None:
    node, one, two = world.node(), world.node(), world.node()
    job_id, _ = world.running(node)
    assert [world.rescue(node, rescuer).returned for rescuer in (one, two)] == [1, 0]
    assert len(world.attempts(job_id)) == 1


def test_a_rescued_job_stands_before_the_backlog(world: World) -> None:
    node, rescuer = world.node(), world.node()
    job_id, _ = world.running(node)
    fresh = world.enqueue(2)
    world.rescue(node, rescuer)
    assert [taken.id for taken in world.claim(rescuer)] == [job_id, *fresh]


def test_a_crash_is_proven_only_when_the_job_was_alone(world: World) -> None:
    rescuer = world.node(lease=LONG)
    ids = world.enqueue(2)
    node = world.node()
    world.claim(node)
    world.rescue(node, rescuer, own_doing=True)
    assert [world.standing(job_id).crashes for job_id in ids] == [0, 0]
    lonely = world.node()
    alone = world.claim_suspect(lonely)
    world.rescue(lonely, rescuer, own_doing=True)
    assert alone is not None
    assert alone.id == ids[1]
    assert [world.standing(job_id).crashes for job_id in ids] == [0, 1]


@pytest.mark.parametrize(("own_doing", "crashes"), [(True, 1), (False, 0), (None, 0)])
def test_only_a_death_by_its_own_doing_is_charged_to_a_job_that_was_alone(
    world: World, own_doing: bool | None, crashes: int
) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    job_id, _ = world.running(node)
    world.rescue(node, rescuer, own_doing=own_doing)
    assert world.standing(job_id).crashes == crashes


def test_a_lapsed_lease_proves_no_crash(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    job_id, _ = world.running(node)
    world.move(seconds=30)
    world.rescue(node, rescuer, died=False)
    assert world.standing(job_id).crashes == 0


def test_the_last_job_of_a_large_rescue_was_not_alone(world: World) -> None:
    node, rescuer = world.node(), world.node()
    ids = world.enqueue(RESCUE_BATCH + 1)
    world.claim(node, slots=RESCUE_BATCH + 1)
    world.rescue(node, rescuer)
    world.rescue(node, rescuer)
    assert [world.standing(ids[-1]).state, world.standing(ids[-1]).crashes] == [State.READY, 0]


@pytest.mark.requirement("R-MSG-11")
def test_a_job_that_kills_its_worker_each_time_is_dead_without_another_start(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = world.enqueue()
    for crash in range(1, MAX_CRASHES + 1):
        node = world.node()
        assert world.claim(node) if crash == 1 else world.claim_suspect(node)
        report = world.rescue(node, rescuer, own_doing=True)
        assert (report.aside, report.ended) == ((1, 0) if crash < MAX_CRASHES else (0, 1))
    assert world.claim(rescuer) == []
    assert world.claim_suspect(rescuer) is None
    assert world.standing(job_id) == Standing(State.DEAD, 3, 3, 0, 3)
    assert world.show(job_id).reason == "killed its worker 3 times"
    assert [attempt.outcome for attempt in world.attempts(job_id)] == ["crashed"] * 3


def lose(world: World, rescuer: int) -> None:
    """One more delivery of the first waiting job is lost, proving nothing of it."""
    node = world.node(lease=timedelta(seconds=1))
    world.claim(node, slots=1)
    world.move(seconds=1)
    world.rescue(node, rescuer, died=False)


def test_a_job_whose_lease_is_lost_time_and_again_is_dead_in_the_end(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (suspect,) = world.enqueue()
    for _ in range(MAX_LOST_DELIVERIES - 1):
        lose(world, rescuer)
    assert world.standing(suspect).state is State.READY
    lose(world, rescuer)
    assert world.standing(suspect) == Standing(State.DEAD, 20, 20, 0, 0)
    assert world.show(suspect).reason == "delivered 20 times without a verdict"


def test_deliveries_lost_before_a_redrive_do_not_count_after_it(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (suspect,) = world.enqueue(priority=1)
    for _ in range(MAX_LOST_DELIVERIES):
        lose(world, rescuer)
    world.redrive(suspect)
    for _ in range(2):
        lose(world, rescuer)
    assert world.standing(suspect) == Standing(State.READY, 22, 2, 0, 0)


def test_deliveries_that_had_a_verdict_do_not_count_as_lost(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = world.enqueue()
    for _ in range(MAX_LOST_DELIVERIES):
        (delivery,) = world.claim(rescuer)
        world.cycle(rescuer, ended(delivery, Released()))
    node = world.node(lease=timedelta(seconds=1))
    world.claim(node)
    world.move(seconds=1)
    world.rescue(node, rescuer, died=False)
    assert world.standing(job_id).state is State.READY


def test_a_redrive_forgives_the_lost_deliveries(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = world.enqueue()
    for _ in range(MAX_CRASHES):
        node = world.node()
        assert world.claim(node) or world.claim_suspect(node)
        world.rescue(node, rescuer, own_doing=True)
    world.redrive(job_id)
    node = world.node()
    world.claim(node)
    world.rescue(node, rescuer)
    assert world.standing(job_id) == Standing(State.READY, 4, 1, 0, 0)


def test_a_rescue_keeps_the_failures_of_a_job(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, FAILED))
    world.move(seconds=5)
    world.stage()
    world.claim(node)
    world.rescue(node, rescuer)
    assert world.standing(job_id) == Standing(State.READY, 2, 2, 1, 0)


@pytest.mark.parametrize("died", [True, False])
def test_a_cancel_on_its_way_to_a_dead_worker_ends_the_job(world: World, died: bool) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    job_id, _ = world.running(node)
    world.cancel(job_id, "wrong customer")
    world.move(seconds=30)
    report = world.rescue(node, rescuer, died=died)
    assert (report.returned, report.ended) == (0, 1)
    record = world.show(job_id)
    assert (record.state, record.reason, record.cancel_requested) == (
        State.CANCELLED, "wrong customer", False,
    )  # fmt: skip


def test_a_rescue_of_many_jobs_goes_on_in_bounded_batches(world: World) -> None:
    node, rescuer = world.node(), world.node()
    ids = world.enqueue(RESCUE_BATCH + 200)
    world.claim(node, slots=len(ids))
    first = world.rescue(node, rescuer)
    assert (first.returned, first.more) == (RESCUE_BATCH, True)
    second = world.rescue(node, rescuer)
    assert (second.returned, second.more) == (200, False)
    assert [taken.id for taken in world.claim(rescuer, slots=len(ids))] == ids


def test_what_a_cut_off_rescue_left_behind_is_found_and_finished(world: World) -> None:
    node, rescuer = world.node(), world.node()
    world.enqueue(RESCUE_BATCH + 5)
    world.claim(node, slots=RESCUE_BATCH + 5)
    assert world.read(orphans) == []
    world.rescue(node, rescuer)
    assert world.read(orphans) == [node]
    assert world.rescue(node, rescuer, died=False).returned == 5
    assert world.read(orphans) == []


def test_a_rescue_leaves_the_jobs_of_other_nodes_alone(world: World) -> None:
    node, other, rescuer = world.node(), world.node(), world.node()
    _, kept = world.running(other)
    world.running(node)
    assert world.rescue(node, rescuer).returned == 1
    assert world.cycle(other, ended(kept)).lost == []
