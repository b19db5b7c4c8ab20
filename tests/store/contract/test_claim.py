"""A worker takes jobs."""

import pytest

from jobhost.jobs.outcomes import Released
from jobhost.jobs.states import State
from jobhost.store.plans.cycle import claim_one, read_back

from ..world import FAILED, TASK, World, ended


@pytest.mark.requirement("R-PRIO-1")
def test_higher_priorities_go_first_and_equal_ones_in_order_of_arrival(world: World) -> None:
    made = [(priority, world.enqueue(priority=priority)[0]) for priority in (0, 100, -100, 5, 0, 5)]
    expected = [job_id for _, job_id in sorted(made, key=lambda pair: -pair[0])]
    assert [delivery.id for delivery in world.claim(world.node())] == expected


def test_what_was_handed_back_goes_before_the_backlog_of_its_priority(world: World) -> None:
    node = world.node()
    (back,) = world.enqueue()
    (delivery,) = world.claim(node)
    fresh = world.enqueue(2)
    (urgent,) = world.enqueue(priority=1)
    world.cycle(node, ended(delivery, Released()))
    assert [taken.id for taken in world.claim(node)] == [urgent, back, *fresh]


def test_jobs_that_become_ready_together_keep_the_order_of_becoming_ready(world: World) -> None:
    (late,) = world.enqueue(delay_us=20)
    (early,) = world.enqueue(delay_us=10)
    node = world.node()
    world.move(seconds=1)
    (fresh,) = world.enqueue()
    world.stage()
    assert [taken.id for taken in world.claim(node)] == [fresh, early, late]


def test_queues_are_asked_in_the_given_order_until_the_slots_are_full(world: World) -> None:
    mail = world.enqueue(2, queue="mail")
    files = world.enqueue(2, queue="files")
    world.enqueue(1, queue="other", priority=100)
    node = world.node()
    claimed = world.claim(node, slots=3, queues=("files", "mail"))
    assert [taken.id for taken in claimed] == [*files, mail[0]]
    assert [taken.queue for taken in claimed] == ["files", "files", "mail"]


def test_only_known_tasks_are_claimed_and_the_others_keep_their_place(world: World) -> None:
    first = world.enqueue(task="a") + world.enqueue(task="b") + world.enqueue(task="a")
    node = world.node("a")
    assert [taken.id for taken in world.claim(node, tasks=("a",))] == [first[0], first[2]]
    assert [taken.id for taken in world.claim(node, tasks=("a", "b"))] == [first[1]]


def test_a_worker_that_knows_no_task_claims_nothing(world: World) -> None:
    world.enqueue()
    assert world.claim(world.node(), tasks=()) == []


def test_task_names_with_quotes_and_signs_are_told_apart(world: World) -> None:
    names = ['a"b', "a'b", "a\\b", "a,b", "ä", "日本", "a%", "a_"]
    ids = [world.enqueue(task=name)[0] for name in names]
    node = world.node()
    for name, job_id in zip(names, ids, strict=True):
        assert [taken.id for taken in world.claim(node, tasks=(name,))] == [job_id]


@pytest.mark.parametrize("slots", [0, 1, 2, 5])
def test_a_claim_takes_at_most_the_free_slots(world: World, slots: int) -> None:
    ids = world.enqueue(3)
    assert [taken.id for taken in world.claim(world.node(), slots=slots)] == ids[:slots]


def test_a_claim_across_priorities_and_lanes_takes_each_job_once(world: World) -> None:
    node = world.node()
    for priority in (0, 1):
        world.enqueue(3, priority=priority)
    back = world.claim(node, slots=4)
    world.cycle(node, *[ended(delivery, Released()) for delivery in back])
    claimed = [world.claim(node, slots=2) for _ in range(4)]
    assert [len(some) for some in claimed] == [2, 2, 2, 0]
    assert len({taken.id for some in claimed for taken in some}) == 6


def test_epoch_and_deliveries_rise_at_the_claim(world: World) -> None:
    (job_id,) = world.enqueue()
    node = world.node()
    (first,) = world.claim(node)
    assert (first.epoch, first.deliveries) == (1, 1)
    running = world.show(job_id)
    assert (running.state, running.epoch, running.deliveries) == (State.RUNNING, 1, 1)
    world.cycle(node, ended(first, Released()))
    (second,) = world.claim(node)
    assert (second.epoch, second.deliveries) == (2, 2)


def test_a_claimed_job_is_hidden_from_everybody_else(world: World) -> None:
    job_id, _ = world.running(world.node())
    other = world.node()
    assert world.claim(other) == []
    world.move(seconds=29)
    assert world.claim(other) == []
    assert world.show(job_id).worker == "here:1"


def test_consumers_that_share_a_queue_never_hold_the_same_job(world: World) -> None:
    ids = world.enqueue(10)
    claimed = [taken.id for node in (world.node(), world.node()) for taken in world.claim(node, 6)]
    assert sorted(claimed) == sorted(ids)


def test_a_delivery_tells_what_was_enqueued_and_the_counts_so_far(world: World) -> None:
    (job_id,) = world.enqueue(queue="mail", priority=3)
    node = world.node()
    created = world.clock.now()
    (first,) = world.claim(node, queues=("mail",))
    world.cycle(node, ended(first, FAILED))
    world.move(seconds=10)
    world.stage("mail")
    (second,) = world.claim(node, queues=("mail",))
    assert (second.id, second.task, second.queue, second.priority, second.payload) == (
        job_id, TASK, "mail", 3, "[0]",
    )  # fmt: skip
    assert (second.epoch, second.deliveries, second.failures, second.crashes) == (2, 2, 1, 0)
    assert second.created_at == created


@pytest.mark.parametrize("lost", ["lapsed", "ended", "unknown"])
def test_a_node_without_a_live_lease_claims_nothing(world: World, lost: str) -> None:
    (job_id,) = world.enqueue()
    node, other = world.node(), world.node()
    if lost == "lapsed":
        world.move(seconds=30)
    elif lost == "ended":
        world.rescue(node, other)
    else:
        node = 10**9
    report = world.cycle(node, slots=1)
    assert not report.lease_live
    assert (report.claimed, report.lost, report.cancels) == ([], [], {})
    assert world.state(job_id) is State.READY


def test_a_lease_is_live_until_the_very_instant_of_its_end(world: World) -> None:
    world.enqueue()
    node = world.node()
    world.move(seconds=29, microseconds=999_999)
    assert len(world.claim(node)) == 1
    world.move(microseconds=1)
    assert not world.cycle(node).lease_live


def test_one_job_can_be_claimed_by_its_id_past_all_others(world: World) -> None:
    ids = world.enqueue(3)
    node = world.node()
    delivery = world.write(lambda: claim_one(ids[1], TASK, node))
    assert delivery is not None
    assert (delivery.id, delivery.epoch, delivery.deliveries) == (ids[1], 1, 1)
    assert world.write(lambda: claim_one(ids[1], TASK, node)) is None
    assert [taken.id for taken in world.claim(node)] == [ids[0], ids[2]]


def test_read_back_tells_what_stands_in_a_nodes_name_with_its_counts(world: World) -> None:
    node, other = world.node(), world.node()
    world.enqueue(2)
    first, second = world.claim(node)
    world.cycle(node, ended(first, FAILED))
    world.move(seconds=10)
    world.stage()
    (again,) = world.claim(node)
    world.running(other)
    held = world.read(lambda: read_back(node))
    assert {key: counts.failures for key, counts in held.items()} == {
        (again.job, 2): 1,
        (second.job, 1): 0,
    }


def test_a_claim_whose_reply_was_lost_is_found_and_released_uncharged(world: World) -> None:
    job_id, delivery = world.running(node := world.node())
    ((job, epoch),) = world.read(lambda: read_back(node))
    assert (job, epoch) == (delivery.job, delivery.epoch)
    assert world.cycle(node, ended(delivery, Released())).lost == []
    (again,) = world.claim(node)
    assert (again.id, again.failures, again.crashes) == (job_id, 0, 0)
