"""Jobs that may have killed their worker run alone until cleared; innocents are not charged."""

from datetime import timedelta

import pytest

from jobhost.jobs.outcomes import SUSPECT, Released
from jobhost.jobs.states import State
from jobhost.store.plans.nodes import Kind, leave, live_nodes
from jobhost.store.plans.suspects import SET_ASIDE, bring_back, set_aside

from ..conservation import Standing
from ..world import FAILED, QUEUE, TASK, World, ended

LONG = timedelta(hours=1)


def crash(world: World, rescuer: int, count: int, *, own_doing: bool | None = True) -> list[bytes]:
    """Some new jobs die together with their worker."""
    node = world.node()
    ids = world.enqueue(count)
    assert len(world.claim(node, slots=count)) == count
    world.rescue(node, rescuer, own_doing=own_doing)
    return ids


def test_a_death_by_its_own_doing_makes_suspects_of_all_that_ran(world: World) -> None:
    rescuer = world.node(lease=LONG)
    ids = crash(world, rescuer, 3)
    assert [world.standing(one) for one in ids] == [Standing(State.BLOCKED, 1, 1, 0, 0)] * 3
    assert {world.show(one).reason for one in ids} == {SUSPECT}
    assert world.claim(rescuer) == []


@pytest.mark.parametrize("own_doing", [False, None])
def test_a_first_death_from_outside_sends_all_back_at_once(
    world: World, own_doing: bool | None
) -> None:
    rescuer = world.node(lease=LONG)
    ids = crash(world, rescuer, 3, own_doing=own_doing)
    assert [taken.id for taken in world.claim(rescuer)] == ids


@pytest.mark.parametrize("own_doing", [False, None])
def test_who_was_in_two_deaths_from_outside_is_a_suspect(
    world: World, own_doing: bool | None
) -> None:
    rescuer = world.node(lease=LONG)
    (both,) = crash(world, rescuer, 1, own_doing=own_doing)
    (second,) = world.enqueue()
    node = world.node()
    assert [taken.id for taken in world.claim(node)] == [both, second]
    world.rescue(node, rescuer, own_doing=own_doing)
    assert [world.state(both), world.state(second)] == [State.BLOCKED, State.READY]


def test_suspects_are_claimed_one_at_a_time_the_oldest_death_first_and_there_the_newest_job(
    world: World,
) -> None:
    rescuer = world.node(lease=LONG)
    first, second = crash(world, rescuer, 2), crash(world, rescuer, 2)
    claimed = [world.claim_suspect(rescuer) for _ in range(5)]
    assert [taken.id if taken else None for taken in claimed] == [
        first[1], first[0], second[1], second[0], None,
    ]  # fmt: skip
    assert world.standing(first[0]) == Standing(State.RUNNING, 2, 2, 0, 0)


def test_a_suspect_that_ends_is_cleared_however_it_ends(world: World) -> None:
    rescuer = world.node(lease=LONG)
    ids = crash(world, rescuer, 3)
    for outcome in (None, FAILED, Released()):
        taken = world.claim_suspect(rescuer)
        assert taken is not None
        assert world.cycle(rescuer, ended(taken, outcome)).lost == []
    assert [world.state(one) for one in reversed(ids)] == [
        State.SUCCEEDED, State.SCHEDULED, State.READY,
    ]  # fmt: skip


@pytest.mark.requirement("R-MSG-8")
def test_a_proof_charges_one_job_and_clears_all_others_of_the_same_death(world: World) -> None:
    rescuer = world.node(lease=LONG)
    elsewhere = crash(world, rescuer, 1)
    ids = crash(world, rescuer, 101)
    others, culprit = ids[:-1], ids[-1]
    lane = world.node()
    innocent = world.claim_suspect(lane)
    assert innocent is not None
    world.cycle(lane, ended(innocent))
    taken = world.claim_suspect(lane)
    assert taken is not None
    assert taken.id == culprit
    report = world.rescue(lane, rescuer, own_doing=True)
    assert (report.aside, report.cleared, report.proven) == (1, 100, (TASK,))
    assert [world.standing(one).state for one in others] == [State.READY] * 100
    assert {world.standing(one).crashes for one in others} == {0}
    assert world.standing(culprit) == Standing(State.BLOCKED, 2, 2, 0, 1)
    assert world.state(elsewhere[0]) is State.SUCCEEDED
    assert [taken.id for taken in world.claim(rescuer, slots=200)] == others


def test_a_death_in_the_lane_that_somebody_else_brought_about_is_no_proof(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = crash(world, rescuer, 1)
    before = world.standing(job_id).crashes
    lane = world.node()
    world.claim_suspect(lane)
    world.rescue(lane, rescuer, own_doing=False)
    assert world.standing(job_id) == Standing(State.BLOCKED, 2, 2, 0, before)


def test_a_suspect_that_was_alone_in_a_death_that_nobody_saw_has_done_it(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = world.enqueue()
    for delivery in range(1, 6):
        node = world.node()
        assert world.claim(node) if delivery <= 2 else world.claim_suspect(node)
        world.rescue(node, rescuer)
    assert world.standing(job_id) == Standing(State.DEAD, 5, 5, 0, 3)


def test_a_lost_lease_makes_no_suspects(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = world.enqueue()
    for _ in range(3):
        node = world.node(lease=timedelta(seconds=1))
        world.claim(node)
        world.move(seconds=1)
        world.rescue(node, rescuer, died=False)
        assert world.state(job_id) is State.READY


def test_a_suspect_is_left_to_workers_that_know_its_task_and_have_a_lease(world: World) -> None:
    rescuer, stranger = world.node(lease=LONG), world.node("other")
    (job_id,) = crash(world, rescuer, 1)
    assert world.claim_suspect(stranger, "other") is None
    gone = world.node()
    world.write(lambda: leave(gone))
    assert world.claim_suspect(gone) is None
    assert world.state(job_id) is State.BLOCKED


def test_the_stager_leaves_suspects_where_they_are(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = crash(world, rescuer, 1)
    assert world.stage().unparked == 0
    assert world.state(job_id) is State.BLOCKED


def test_a_suspect_can_be_cancelled_and_listed(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (job_id,) = crash(world, rescuer, 1)
    world.cancel(job_id)
    assert world.state(job_id) is State.CANCELLED
    assert world.claim_suspect(rescuer) is None


def test_a_task_is_set_aside_as_a_whole_and_comes_back_as_a_whole(world: World) -> None:
    node = world.node(TASK, "other", lease=LONG)
    bad = world.enqueue(3)
    (good,) = world.enqueue(task="other")
    assert world.write(lambda: set_aside(node, [TASK], [QUEUE])) == 3
    assert {world.show(one).reason for one in bad} == {SET_ASIDE}
    assert world.stage().unparked == 0
    assert [taken.id for taken in world.claim(node, tasks=(TASK, "other"))] == [good]
    taken = world.claim_suspect(node)
    assert taken is not None
    assert taken.id == bad[-1]
    assert world.write(lambda: bring_back(TASK)) == 2
    assert [taken.id for taken in world.claim(node)] == bad[:-1]
    assert world.write(lambda: bring_back(TASK)) == 0


def test_what_is_brought_back_is_no_suspect_itself(world: World) -> None:
    rescuer = world.node(lease=LONG)
    (suspect,) = crash(world, rescuer, 1)
    (other,) = world.enqueue()
    world.write(lambda: set_aside(rescuer, [TASK], [QUEUE]))
    assert world.write(lambda: bring_back(TASK)) == 1
    assert [world.state(suspect), world.state(other)] == [State.BLOCKED, State.READY]


def test_a_heartbeat_renews_the_whole_family_and_nobody_else(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    workers = [world.node(supervisor=node) for _ in range(3)]
    stranger = world.node()
    world.move(seconds=20)
    pulse = world.pulse(node, vitals='{"memory": 1}')
    assert pulse.renewed
    assert pulse.family == {node, *workers}
    world.move(seconds=20)
    lapsed = [live.number for live in world.read(live_nodes) if live.lapsed]
    assert lapsed == [stranger]
    assert all(world.cycle(worker).lease_live for worker in workers)


def test_a_node_that_lost_its_lease_renews_none_of_its_workers(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    worker = world.node(supervisor=node, lease=LONG)
    world.move(seconds=30)
    assert not world.pulse(node).renewed
    assert not world.pulse(node).family
    assert world.cycle(worker).lease_live


def test_a_worker_that_was_taken_over_is_missing_from_the_family(world: World) -> None:
    node = world.node(kind=Kind.NODE)
    one, two, rescuer = world.node(supervisor=node), world.node(supervisor=node), world.node()
    world.rescue(one, rescuer)
    assert world.pulse(node).family == {node, two}


def test_a_heartbeat_tells_of_suspects(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    assert not world.pulse(node).suspects
    crash(world, rescuer, 1)
    assert world.pulse(node).suspects
