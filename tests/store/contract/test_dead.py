"""Dead letters: found by what they died of, summed up, sent back and purged in slices."""

from datetime import timedelta

import pytest

from jobhost.clock import to_datetime
from jobhost.jobs.dead import DeadFilter
from jobhost.jobs.outcomes import DeadLettered, ErrorInfo, Failed, Outcome
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plans import dead, look, operate

from ..world import World, ended

LAST = Retry(max_attempts=1)


def failed(kind: str, message: str = "no") -> Outcome:
    return Failed(error=ErrorInfo(type=kind, message=message), names=(kind,))


def die(
    world: World,
    outcome: Outcome | None = None,
    *,
    task: str = "work",
    queue: str = "default",
) -> bytes:
    """A job that has died of this."""
    node = world.node(task)
    (job_id,) = world.enqueue(task=task, queue=queue)
    (delivery,) = world.claim(node, queues=(queue,), tasks=(task,))
    world.cycle(node, ended(delivery, outcome or failed("ValueError"), retry=LAST))
    return job_id


def listed(world: World, which: DeadFilter, **place: int) -> list[bytes]:
    page = world.read(lambda: dead.list_dead(which, **{"limit": 50, **place}))
    return [job.id.bytes for job in page.jobs]


@pytest.mark.requirement("R-MSG-12")
def test_the_newest_come_first_page_by_page_and_only_the_dead(world: World) -> None:
    jobs = [die(world) for _ in range(3)]
    world.enqueue()
    world.cancel(world.enqueue()[0])
    page = world.read(lambda: dead.list_dead(DeadFilter(), limit=2))
    assert [job.id.bytes for job in page.jobs] == [jobs[2], jobs[1]]
    rest = world.read(lambda: dead.list_dead(DeadFilter(), limit=2, before=page.next))
    assert ([job.id.bytes for job in rest.jobs], rest.next) == ([jobs[0]], None)
    assert all(job.state is State.DEAD for job in (*page.jobs, *rest.jobs))


def test_each_word_of_a_filter_leaves_out_what_it_does_not_mean(world: World) -> None:
    mail = die(world, failed("shop.Declined"), task="mail", queue="out")
    world.move(minutes=10)
    now = to_datetime(world.clock.now())
    slow = die(world, failed("builtins.TimeoutError"))
    said = die(world, DeadLettered(reason="the address is wrong"))
    meant = {
        mail: [
            DeadFilter(task="mail"), DeadFilter(queue="out"), DeadFilter(error="shop.Declined"),
            DeadFilter(error="Declined"), DeadFilter(until=now),
        ],
        slow: [DeadFilter(error="TimeoutError")],
        said: [DeadFilter(reason="address")],
    }  # fmt: skip
    for job_id, filters in meant.items():
        for which in filters:
            assert listed(world, which) == [job_id], which
    assert listed(world, DeadFilter(since=now)) == [said, slow]
    for which in (DeadFilter(error="lined"), DeadFilter(error="clined"), DeadFilter(reason="%")):
        assert listed(world, which) == [], which


@pytest.mark.requirement("R-MSG-12")
def test_those_that_died_alike_are_one_group_with_the_newest_message(world: World) -> None:
    began = world.clock.now()
    die(world, failed("shop.Down", "old words"))
    world.move(minutes=1)
    newest = die(world, failed("shop.Down", "new words"))
    said = die(world, DeadLettered(reason="the address is wrong"), task="mail")
    down, wrong = world.read(lambda: dead.group_dead(DeadFilter()))
    assert (down.task, down.cause, down.count, down.message) == (
        "work", "shop.Down", 2, "new words",
    )  # fmt: skip
    assert (down.first_at, down.last_at) == (
        to_datetime(began), to_datetime(began) + timedelta(minutes=1),
    )  # fmt: skip
    assert down.newest.bytes == newest
    assert (wrong.task, wrong.count, wrong.newest.bytes) == ("mail", 1, said)
    assert [
        group.count for group in world.read(lambda: dead.group_dead(DeadFilter(task="mail")))
    ] == [1]


def test_a_count_says_how_many_are_meant_and_whether_all_were_looked_at(world: World) -> None:
    for _ in range(3):
        die(world)
    die(world, failed("KeyError"))
    count = world.read(lambda: dead.count_dead(DeadFilter(error="ValueError")))
    assert count == dead.DeadCount(jobs=3, whole=True)


@pytest.mark.requirement("R-MSG-12")
def test_slices_send_the_meant_ones_back_oldest_first_and_no_other(world: World) -> None:
    jobs = [die(world) for _ in range(3)]
    other = die(world, failed("KeyError"))
    which = DeadFilter(error="ValueError")
    first = world.write(lambda: dead.redrive_dead(which, limit=2))
    assert (first.done, first.refused) == (2, 0)
    assert first.after is not None
    assert [world.state(job) for job in jobs] == [State.READY, State.READY, State.DEAD]
    last = world.write(lambda: dead.redrive_dead(which, after=first.after or 0, limit=2))
    assert (last.done, last.after) == (1, None)
    assert world.state(other) is State.DEAD
    claimed = world.claim(world.node())
    assert [delivery.id for delivery in claimed] == jobs
    assert [(delivery.failures, delivery.epoch) for delivery in claimed] == [(0, 2)] * 3
    assert len(world.attempts(jobs[0])) == 1, "its history is kept"


def test_one_that_dies_again_during_a_walk_is_not_met_twice(world: World) -> None:
    die(world)
    moved = world.write(lambda: dead.redrive_dead(DeadFilter(), limit=1))
    node = world.node()
    (delivery,) = world.claim(node)
    world.cycle(node, ended(delivery, failed("ValueError"), retry=LAST))
    again = world.write(lambda: dead.redrive_dead(DeadFilter(), after=moved.after or 0, limit=1))
    assert (again.done, again.after) == (0, None)


@pytest.mark.requirement("R-MSG-12")
def test_purged_ones_are_gone_with_all_that_belongs_to_them(world: World) -> None:
    gone = die(world)
    kept = die(world, failed("KeyError"))
    moved = world.write(lambda: dead.purge_dead(DeadFilter(error="ValueError")))
    assert (moved.done, moved.after) == (1, None)
    assert world.read(lambda: look.show(gone)) is None
    assert world.state(kept) is State.DEAD
    assert len(world.query("SELECT * FROM jobhost_attempts")) == 1


@pytest.mark.requirement("R-MSG-12")
def test_a_redrive_with_another_payload_keeps_the_former_one(world: World) -> None:
    job_id = die(world)
    done = world.write(lambda: operate.redrive(job_id, '{"width": 80}'))
    assert done is not None
    assert done.done
    (delivery,) = world.claim(world.node())
    assert delivery.payload == '{"width": 80}'
    ((payload, reason),) = world.query("SELECT payload, reason FROM jobhost_revision")
    assert (payload, reason) == ("[0]", "edited when it was sent back")


def test_a_job_that_has_not_ended_is_not_purged(world: World) -> None:
    (job_id,) = world.enqueue()
    refused = world.write(lambda: operate.purge(job_id))
    assert refused == operate.Purged(done=False, state=State.READY)
    world.cancel(job_id)
    purged = world.write(lambda: operate.purge(job_id))
    assert purged == operate.Purged(done=True, state=State.CANCELLED)
    assert world.write(lambda: operate.purge(job_id)) is None


@pytest.mark.requirement("R-MSG-21")
def test_peeking_shows_the_order_of_claims_and_changes_nothing(world: World) -> None:
    (late,) = world.enqueue()
    (urgent,) = world.enqueue(priority=5)
    (strange,) = world.enqueue(task="nobody knows it")
    world.enqueue(queue="another")
    for _ in range(100):
        peeked = world.read(lambda: look.peek("default", 10))
    assert [job.id.bytes for job in peeked] == [urgent, late, strange]
    assert world.standing(late).deliveries == 0
    assert [delivery.id for delivery in world.claim(world.node())] == [urgent, late]
    assert [job.id.bytes for job in world.read(lambda: look.peek("default", 1))] == [strange]
