"""Queues: what is said of them, and that nothing of a paused one is started."""

import random
from datetime import timedelta
from typing import Any

import pytest

from jobhost.errors import InvalidOption
from jobhost.jobs.queue_stats import Age, QueueStats
from jobhost.jobs.queues import WhenFull, stored_changes
from jobhost.jobs.states import State
from jobhost.store.plan import drive
from jobhost.store.plans import cycle, nodes, queue_stats, queues

from ..world import FAILED, QUEUE, TASK, World, ended

LONG = timedelta(hours=1)


def set_queue(world: World, name: str, **settings: Any) -> None:
    changes = stored_changes(settings)
    world.write(lambda: queues.set_queue(name, changes))


def pause(world: World, name: str = QUEUE, reason: str | None = None) -> bool:
    return world.write(lambda: queues.pause_queue(name, reason))


def resume(world: World, name: str = QUEUE) -> bool:
    return world.write(lambda: queues.resume_queue(name))


def settings(world: World, name: str = QUEUE) -> queues.QueueSettings | None:
    return world.read(lambda: queues.queue_settings(name))


def stats(world: World, name: str = QUEUE) -> QueueStats:
    looks = queue_stats.look_at([name], random.Random(7).random)
    (found,) = drive(world.read, looks)
    return found


# Settings


def test_a_queue_of_which_nobody_said_anything_has_no_settings(world: World) -> None:
    world.enqueue()
    assert settings(world) is None
    assert world.read(queues.all_settings) == []


def test_settings_are_kept_and_those_not_named_stay(world: World) -> None:
    set_queue(world, "mail", objective="30s", capacity=7, when_full="wait", wait="2s")
    set_queue(world, "mail", expires="1h", dropped=True, capacity=None)
    found = settings(world, "mail")
    assert found is not None
    assert (found.objective, found.capacity) == (timedelta(seconds=30), None)
    assert (found.when_full, found.wait) == (WhenFull.WAIT, timedelta(seconds=2))
    assert (found.expires, found.dropped) == (timedelta(hours=1), True)
    set_queue(world, "mail", when_full=None, dropped=None, objective=None)
    found = settings(world, "mail")
    assert found is not None
    assert (found.when_full, found.dropped, found.objective) == (WhenFull.REJECT, False, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"objektive": "1s"},
        {"objective": 3},
        {"objective": "0s"},
        {"capacity": 0},
        {"capacity": True},
        {"when_full": "explode"},
        {"dropped": 1},
    ],
    ids=str,
)
def test_what_is_no_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        stored_changes(wrong)


def test_what_a_program_declares_is_stored_once(world: World) -> None:
    declared = stored_changes({"objective": "30s"})
    assert world.write(lambda: queues.declare_queue("mail", declared))
    assert not world.write(lambda: queues.declare_queue("mail", declared))
    set_queue(world, "mail", capacity=9)
    assert not world.write(lambda: queues.declare_queue("mail", declared))
    again = stored_changes({"objective": "10s"})
    assert world.write(lambda: queues.declare_queue("mail", again))
    found = settings(world, "mail")
    assert found is not None
    assert (found.objective, found.capacity) == (timedelta(seconds=10), 9)


def test_a_pause_keeps_its_first_time_and_its_last_reason(world: World) -> None:
    assert pause(world, reason="the mail server is down")
    since = world.clock.now()
    world.move(seconds=5)
    assert not pause(world, reason="still down")
    found = settings(world)
    assert found is not None
    assert found.pause_reason == "still down"
    assert found.paused_at is not None
    assert round(found.paused_at.timestamp() * 1_000_000) == since
    assert world.read(lambda: queues.shut([QUEUE, "other"])) == {QUEUE: found}
    assert resume(world)
    assert not resume(world)
    assert world.read(lambda: queues.shut([QUEUE])) == {}


# Claims


def test_nothing_of_a_paused_queue_is_claimed_until_it_is_resumed(world: World) -> None:
    node = world.node()
    ids = world.enqueue(3)
    pause(world)
    ids += world.enqueue(2)
    assert world.claim(node) == []
    assert [world.state(job_id) for job_id in ids] == [State.READY] * 5
    resume(world)
    assert [delivery.id for delivery in world.claim(node)] == ids


def test_other_queues_go_on_beside_a_paused_one(world: World) -> None:
    node = world.node()
    world.enqueue(3)
    (other,) = world.enqueue(queue="other")
    pause(world)
    claimed = world.claim(node, queues=[QUEUE, "other"])
    assert [delivery.id for delivery in claimed] == [other]


def test_what_runs_when_its_queue_is_paused_ends_as_usual(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    again_id, again = world.running(node)
    pause(world)
    report = world.cycle(node, ended(delivery), ended(again, FAILED))
    assert report.lost == []
    assert world.state(job_id) is State.SUCCEEDED
    assert world.state(again_id) is State.SCHEDULED


def test_jobs_of_a_dead_worker_wait_in_their_paused_queue(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    job_id, _ = world.running(node)
    pause(world)
    world.move(seconds=31)
    world.rescue(node, rescuer, died=False)
    assert world.claim(rescuer) == []
    resume(world)
    assert [delivery.id for delivery in world.claim(rescuer)] == [job_id]


def test_jobs_that_committed_late_during_a_pause_are_found_at_once_after_it(world: World) -> None:
    """Claims remember how far they have seen; what a paused queue hid they have not seen."""
    node = world.node()
    first = world.enqueue(2)
    assert len(world.claim(node, slots=1)) == 1
    pause(world)
    for _ in range(4):
        assert world.claim(node, slots=50) == []
    late = world.enqueue(3)
    assert world.claim(node, slots=50) == []
    resume(world)
    assert [one.id for one in world.claim(node, slots=50)] == [first[1], *late]


def test_a_job_that_a_program_would_run_itself_waits_if_its_queue_is_paused(world: World) -> None:
    node = world.node()
    (job_id,) = world.enqueue()
    pause(world)
    assert world.write(lambda: cycle.claim_one(job_id, TASK, node)) is None
    resume(world)
    delivery = world.write(lambda: cycle.claim_one(job_id, TASK, node))
    assert delivery is not None
    assert delivery.id == job_id


def test_a_suspect_of_a_paused_queue_waits_and_nobody_is_told_of_it(world: World) -> None:
    rescuer = world.node()
    node = world.node()
    (job_id, _) = world.enqueue(2)
    assert len(world.claim(node, slots=2)) == 2
    world.rescue(node, rescuer, own_doing=True)
    assert world.pulse(rescuer).suspects
    pause(world)
    assert not world.pulse(rescuer).suspects
    assert world.claim_suspect(rescuer) is None
    resume(world)
    assert world.pulse(rescuer).suspects
    suspect = world.claim_suspect(rescuer)
    assert suspect is not None
    assert suspect.id != job_id  # the newest first


# Figures


@pytest.mark.requirement("R-PRIO-5")
def test_depth_running_and_age_are_told_by_priority(world: World) -> None:
    node = world.node()
    world.enqueue(1, priority=5)
    world.move(seconds=10)
    world.enqueue(3)
    world.claim(node, slots=1)
    world.enqueue(2, priority=5)
    world.move(seconds=15)
    found = stats(world)
    high, normal = found.priorities
    assert (high.priority, high.depth.jobs, high.running) == (5, 2, 1)
    assert (normal.priority, normal.depth.jobs, normal.running) == (0, 3, 0)
    assert high.oldest == normal.oldest == Age(at_least=15.0, at_most=15.0)
    assert (found.depth.jobs, found.depth.exact, found.running) == (5, True, 1)
    assert found.served


def test_an_empty_queue_has_no_age(world: World) -> None:
    found = stats(world, "nowhere")
    assert (found.depth.jobs, found.oldest, found.priorities, found.served) == (0, None, (), False)


def test_a_staged_job_is_as_old_as_the_job_accepted_next(world: World) -> None:
    world.enqueue(1)  # long before
    world.claim(world.node(lease=LONG))
    world.enqueue(1, delay_us=60_000_000)
    world.move(seconds=60)
    world.stage()
    world.move(seconds=5)
    vague = stats(world).oldest
    assert vague is not None
    assert vague.vague
    assert vague.at_most >= 5
    world.enqueue(1, queue="other")
    world.move(seconds=30)
    known = stats(world).oldest
    assert known is not None
    assert known.at_least == 30
    assert known.at_most == 95  # not before the last job numbered below was accepted


def test_a_handed_back_job_is_the_oldest_of_its_queue(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    world.running(node)
    world.enqueue(1)
    world.move(seconds=40)
    world.rescue(node, rescuer, died=False)
    world.enqueue(1)
    world.move(seconds=2)
    found = stats(world)
    assert found.depth.jobs == 3
    assert found.oldest is not None
    assert found.oldest.at_least == 42


@pytest.mark.requirement("R-PART-3")
def test_arrivals_are_those_of_the_last_minute(world: World) -> None:
    world.enqueue(50)
    world.move(seconds=61)
    world.enqueue(6)
    world.enqueue(12, priority=3)
    world.enqueue(600, queue="other")
    world.move(seconds=5)
    high, normal = stats(world).priorities
    assert high.flow.accepted == pytest.approx(12 / 60)
    assert normal.flow.accepted == pytest.approx(6 / 60)


def test_many_arrivals_are_told_from_the_newest_of_them(world: World) -> None:
    world.enqueue(queue_stats.ARRIVALS_MAX)
    world.move(seconds=1)
    world.enqueue(queue_stats.ARRIVALS_MAX // 2)
    world.move(seconds=1)
    flow = stats(world).flow
    assert flow.accepted == pytest.approx(queue_stats.ARRIVALS_MAX / 2)


@pytest.mark.requirement("R-PART-3")
def test_rates_are_the_sum_of_what_living_workers_told(world: World) -> None:
    own = '{"rates": {"seconds": 60, "queues": [["default", 0, 120, 60, 30], ["x", 1, 1, 1, 1]]}}'
    of_node = '{"workers": {"7": {"rates": {"seconds": 10, "queues": [["default", 0, 10, 5, 0]]}}}}'
    for text in (own, of_node, '{"rates": 5}', '{"rates": {"seconds": "x"}}', "[]", "{"):
        world.pulse(world.node(), text)
    (normal,) = stats(world).priorities
    assert (normal.flow.started, normal.flow.succeeded, normal.flow.failed) == (3.0, 1.5, 0.5)


def test_queues_are_known_by_what_waits_runs_is_set_or_served(world: World) -> None:
    world.node()  # serves QUEUE
    world.enqueue(queue="waiting")
    set_queue(world, "set", capacity=1)
    world.enqueue(queue="running")
    world.claim(world.node(), queues=["running"])
    assert world.read(queue_stats.known_queues) == sorted([QUEUE, "waiting", "set", "running"])


def test_only_the_first_of_the_living_workers_watches(world: World) -> None:
    set_queue(world, "mail", objective="1s")
    set_queue(world, "plain", expires="1s")
    supervisor = world.node(kind=nodes.Kind.NODE)
    first, second = world.node(), world.node()
    watched = {
        node: [q.name for q in world.read(lambda node=node: queues.watched_queues(node))]
        for node in (supervisor, first, second)
    }
    assert watched == {supervisor: [], first: ["mail"], second: []}
    world.write(lambda: nodes.leave(first))
    assert [q.name for q in world.read(lambda: queues.watched_queues(second))] == ["mail"]


def test_a_long_line_is_estimated_and_the_error_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_stats, "EXACT_MAX", 200)
    for _ in range(4):
        world.enqueue(500)
        world.enqueue(1500, queue="other")
    found = stats(world)
    assert not found.depth.exact
    assert abs(found.depth.jobs - 2000) <= 2 * found.depth.error
    assert str(found.depth).startswith("about ")
