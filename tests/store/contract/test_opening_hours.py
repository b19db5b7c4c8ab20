"""Opening hours of queues: outside them nothing starts. The clock begins at a midnight."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobhost.jobs.explain import Cause, explain
from jobhost.jobs.queues import stored_changes
from jobhost.jobs.states import State
from jobhost.store.plan import Statement, drive
from jobhost.store.plans import cycle, queues
from jobhost.store.plans.explain import situation
from jobhost.store.plans.hours import HoursReport, keep_hours, opening_hours

from ..world import FAILED, QUEUE, TASK, World, ended

LONG = timedelta(days=30)
NIGHT = "22:00-06:00"
DAY = "08:00-18:00"
HOUR_US = 3_600_000_000


@pytest.fixture(autouse=True)
def at_midnight(world: World) -> None:
    """Whatever the world's clock says first."""
    now = datetime.fromtimestamp(world.clock.now() / 1_000_000, UTC)
    midnight = datetime(2030, 1, 1, tzinfo=UTC)
    world.move(seconds=(midnight - now).total_seconds())


def set_queue(world: World, name: str = QUEUE, **settings: Any) -> None:
    changes = stored_changes(settings)
    world.write(lambda: queues.set_queue(name, changes))


def keep(world: World) -> HoursReport:
    return world.write(keep_hours)


def window(world: World, name: str = QUEUE) -> tuple[str, str] | None:
    """From when to when it is open, as the store has it."""
    found = {one.queue: one for one in world.read(opening_hours)}
    if name not in found:
        return None
    begin, end = found[name].open_from, found[name].open_until
    return tuple(f"{datetime.fromtimestamp(at / 1e6, UTC):%d %H:%M}" for at in (begin, end))


def settings(world: World, name: str = QUEUE) -> queues.QueueSettings:
    found = world.read(lambda: queues.queue_settings(name))
    assert found is not None
    return found


@pytest.mark.requirement("R-PART-5")
def test_outside_its_hours_nothing_of_a_queue_starts(world: World) -> None:
    node = world.node(lease=LONG)
    set_queue(world, hours=DAY)
    ids = world.enqueue(3)
    for hour in range(24):
        claimed = world.claim(node, slots=1)
        assert bool(claimed) is (8 <= hour < 18 and hour < 11), hour
        world.move(hours=1)
    assert [world.state(job_id) for job_id in ids] == [State.RUNNING] * 3


def test_it_opens_and_closes_to_the_microsecond(world: World) -> None:
    node = world.node(lease=LONG)
    set_queue(world, hours=DAY)
    world.enqueue(2)
    world.move(hours=8, microseconds=-1)
    assert world.claim(node) == []
    world.move(microseconds=1)
    assert len(world.claim(node, slots=1)) == 1
    world.move(hours=10, microseconds=-1)
    assert len(world.claim(node, slots=1)) == 1
    world.enqueue()
    world.move(microseconds=1)
    assert world.claim(node) == []


def test_a_window_that_nobody_has_moved_on_leaves_its_queue_closed(world: World) -> None:
    """Nothing starts because somebody has forgotten to look."""
    node = world.node(lease=LONG)
    set_queue(world, hours=DAY)
    (job_id,) = world.enqueue()
    world.move(days=3, hours=9)
    assert world.claim(node) == []
    report = keep(world)
    assert (report.moved, report.open, report.change_in_us) == (1, {QUEUE}, 9 * HOUR_US)
    assert [one.id for one in world.claim(node)] == [job_id]


def test_a_window_is_moved_on_once_when_it_is_over_and_not_before(world: World) -> None:
    set_queue(world, hours=NIGHT)
    assert window(world) == ("31 22:00", "01 06:00")
    assert keep(world) == HoursReport(open=frozenset({QUEUE}), change_in_us=6 * HOUR_US)
    world.move(hours=6)
    assert keep(world) == HoursReport(moved=1, change_in_us=16 * HOUR_US)
    assert window(world) == ("01 22:00", "02 06:00")
    assert keep(world) == HoursReport(change_in_us=16 * HOUR_US)
    world.move(hours=16)
    assert keep(world) == HoursReport(open=frozenset({QUEUE}), change_in_us=8 * HOUR_US)


def test_hours_go_by_the_clocks_of_their_zone(world: World) -> None:
    set_queue(world, hours=NIGHT, zone="America/New_York")
    assert window(world) == ("01 03:00", "01 11:00")
    assert not settings(world).opening.open
    set_queue(world, zone="Asia/Tokyo")
    assert window(world) == ("01 13:00", "01 21:00")
    set_queue(world, zone=None)
    assert settings(world).zone == "UTC"
    assert window(world) == ("31 22:00", "01 06:00")


def test_a_zone_without_hours_closes_nothing(world: World) -> None:
    node = world.node()
    set_queue(world, zone="Asia/Tokyo")
    world.enqueue()
    assert window(world) is None
    assert len(world.claim(node)) == 1
    set_queue(world, hours=DAY)
    assert settings(world).zone == "Asia/Tokyo"


def test_other_settings_leave_hours_as_they_are_and_hours_leave_these(world: World) -> None:
    set_queue(world, hours=NIGHT, capacity=7)
    before = settings(world)
    set_queue(world, objective="30s")
    after = settings(world)
    assert (after.hours, after.opening, after.capacity) == (before.hours, before.opening, 7)
    set_queue(world, hours=DAY)
    assert (settings(world).capacity, settings(world).objective) == (7, timedelta(seconds=30))


def test_without_its_hours_a_queue_is_open_again(world: World) -> None:
    node = world.node()
    set_queue(world, hours=DAY)
    (job_id,) = world.enqueue()
    assert world.claim(node) == []
    set_queue(world, hours=None)
    assert settings(world).opening is None
    assert window(world) is None
    assert [one.id for one in world.claim(node)] == [job_id]


def test_other_hours_hold_at_once(world: World) -> None:
    node = world.node()
    world.enqueue(2)
    set_queue(world, hours=NIGHT)
    assert len(world.claim(node, slots=1)) == 1
    set_queue(world, hours=DAY)
    assert world.claim(node) == []
    set_queue(world, hours=NIGHT)
    assert len(world.claim(node)) == 1


def test_what_a_program_declares_again_changes_no_hours(world: World) -> None:
    declared = stored_changes({"hours": NIGHT, "zone": "Europe/Berlin"})
    assert world.write(lambda: queues.declare_queue("mail", declared))
    before = window(world, "mail")
    assert not world.write(lambda: queues.declare_queue("mail", declared))
    assert window(world, "mail") == before


def test_other_queues_go_on_beside_a_closed_one(world: World) -> None:
    node = world.node()
    world.enqueue(3)
    (other,) = world.enqueue(queue="other")
    set_queue(world, hours=DAY)
    set_queue(world, "other", hours=NIGHT)
    claimed = world.claim(node, queues=[QUEUE, "other"])
    assert [delivery.id for delivery in claimed] == [other]


def test_what_runs_when_its_queue_closes_ends_as_usual_and_is_retried_when_it_opens(
    world: World,
) -> None:
    node = world.node(lease=LONG)
    set_queue(world, hours=NIGHT)
    job_id, delivery = world.running(node)
    again_id, again = world.running(node)
    world.move(hours=7)
    keep(world)
    report = world.cycle(node, ended(delivery), ended(again, FAILED))
    assert report.lost == []
    assert world.state(job_id) is State.SUCCEEDED
    world.move(hours=1)
    world.stage()
    assert world.state(again_id) is State.READY
    assert world.claim(node) == []
    world.move(hours=14)
    assert [delivery.id for delivery in world.claim(node)] == [again_id]


def test_jobs_of_a_dead_worker_wait_until_their_queue_opens(world: World) -> None:
    node, rescuer = world.node(), world.node(lease=LONG)
    set_queue(world, hours=NIGHT)
    job_id, _ = world.running(node)
    world.move(hours=7)
    world.rescue(node, rescuer, died=False)
    keep(world)
    assert world.claim(rescuer) == []
    world.move(hours=15)
    assert [delivery.id for delivery in world.claim(rescuer)] == [job_id]


def test_jobs_that_committed_late_while_it_was_closed_are_found_when_it_opens(
    world: World,
) -> None:
    """Claims remember how far they have seen; what a closed queue hid they have not seen."""
    node = world.node(lease=LONG)
    first = world.enqueue(2)
    assert len(world.claim(node, slots=1)) == 1
    set_queue(world, hours=DAY)
    for _ in range(4):
        assert world.claim(node, slots=50) == []
    late = world.enqueue(3)
    assert world.claim(node, slots=50) == []
    world.move(hours=8)
    assert [one.id for one in world.claim(node, slots=50)] == [first[1], *late]


def test_a_job_that_a_program_would_run_itself_waits_until_its_queue_opens(world: World) -> None:
    node = world.node(lease=LONG)
    (job_id,) = world.enqueue()
    set_queue(world, hours=DAY)
    assert world.write(lambda: cycle.claim_one(job_id, TASK, node)) is None
    world.move(hours=8)
    delivery = world.write(lambda: cycle.claim_one(job_id, TASK, node))
    assert delivery is not None
    assert delivery.id == job_id


def test_a_suspect_of_a_closed_queue_waits_and_nobody_is_told_of_it(world: World) -> None:
    rescuer, node = world.node(lease=LONG), world.node()
    world.enqueue(2)
    assert len(world.claim(node, slots=2)) == 2
    world.rescue(node, rescuer, own_doing=True)
    assert world.pulse(rescuer).suspects
    set_queue(world, hours=DAY)
    assert not world.pulse(rescuer).suspects
    assert world.claim_suspect(rescuer) is None
    world.move(seconds=20)
    set_queue(world, hours=NIGHT)
    assert world.pulse(rescuer).suspects
    assert world.claim_suspect(rescuer) is not None


def test_a_pause_holds_within_the_hours_too(world: World) -> None:
    node = world.node()
    world.enqueue()
    set_queue(world, hours=NIGHT)
    world.write(lambda: queues.pause_queue(QUEUE, None))
    assert world.claim(node) == []
    assert [*world.read(lambda: queues.shut([QUEUE]))] == [QUEUE]
    world.write(lambda: queues.resume_queue(QUEUE))
    assert world.read(lambda: queues.shut([QUEUE])) == {}
    assert len(world.claim(node)) == 1


def test_hours_that_cannot_be_read_here_keep_their_queue_closed(world: World) -> None:
    """A newer release, or a machine with a newer table of zones, has written them."""
    node = world.node(lease=LONG)
    world.enqueue()
    set_queue(world, hours=NIGHT)
    set_queue(world, "mail", hours=DAY)
    changes = {"hours": "every second full moon", "zone": "UTC"}
    world.write(lambda: _store_as_it_is(changes))
    for _ in range(2):
        report = keep(world)
        assert [queue for queue, _ in report.unreadable] == [QUEUE]
        assert "full moon" in report.unreadable[0][1]
        assert (report.open, report.change_in_us) == (frozenset(), 8 * HOUR_US)
    assert settings(world).closed
    assert world.claim(node) == []


def _store_as_it_is(changes: dict[str, Any]) -> Any:
    yield Statement("set_queue", {"queue": QUEUE, "changes": json.dumps(changes)})


def test_a_window_of_hours_that_were_changed_meanwhile_is_not_stored(world: World) -> None:
    """A worker had read the former ones."""
    set_queue(world, hours=NIGHT)
    world.move(hours=7)
    before = window(world)
    stale = {"queue": QUEUE, "hours": DAY, "zone": "UTC", "open_from": 0, "open_until": 2**60}
    assert world.write(lambda: _move(stale)) == 0
    assert world.write(lambda: _move({**stale, "hours": NIGHT, "zone": "Asia/Tokyo"})) == 0
    assert window(world) == before
    assert world.write(lambda: _move({**stale, "hours": NIGHT})) == 1
    assert world.write(lambda: _move({**stale, "hours": NIGHT})) == 0, "it is not over any more"


def _move(params: dict[str, Any]) -> Any:
    return (yield Statement("move_opening", params)).changed


def test_a_job_of_a_closed_queue_is_explained_with_its_opening(world: World) -> None:
    (job_id,) = world.enqueue()
    set_queue(world, hours=NIGHT, zone="Europe/Berlin")
    world.node()
    assert _why(world, job_id).cause is Cause.NEXT
    world.move(hours=18)
    keep(world)
    why = _why(world, job_id)
    assert why.cause is Cause.CLOSED
    assert why.sentence == "its queue 'default' opens at 22:00 Europe/Berlin (in 3h)"
    assert "queues set default --hours none" in str(why)


def _why(world: World, job_id: bytes) -> Any:
    now = datetime.fromtimestamp(world.clock.now() / 1_000_000, UTC)
    found = drive(world.read, situation(job_id, now))
    assert found is not None
    return explain(found)
