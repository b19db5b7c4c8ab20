"""A job that has not started in its time: it is dead, or gone; one that runs is left alone."""

import pytest

from jobhost.clock import Instant
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.states import State
from jobhost.store.plans.expiry import EXPIRE_BATCH, ExpiryReport, expire, expired_among
from jobhost.store.plans.look import show

from ..world import FAILED, World, ended

HOUR_US = 3_600_000_000

HOUR = Expiry(after_us=HOUR_US)
DROPPED = Expiry(after_us=HOUR_US, dropped=True)


def sweep(world: World) -> ExpiryReport:
    return world.write(expire)


def rows(world: World, table: str) -> int:
    """How many rows a table has."""
    return int(world.query(f"SELECT count(*) FROM jobhost_{table}")[0][0])


@pytest.mark.requirement("R-MSG-24")
def test_a_job_that_has_not_started_by_its_expiry_is_dead_and_says_why(world: World) -> None:
    (job,) = world.enqueue(expiry=HOUR)
    assert sweep(world) == ExpiryReport(due_in_us=HOUR_US)

    world.move(minutes=60)
    assert sweep(world) == ExpiryReport(expired=1)
    record = world.show(job)
    assert (record.state, record.reason) == (State.DEAD, "expired")
    assert world.attempts(job) == []
    assert rows(world, "expiry") == 0
    assert sweep(world) == ExpiryReport()


@pytest.mark.requirement("R-MSG-24")
def test_a_job_that_is_to_be_dropped_is_deleted_with_all_that_belongs_to_it(world: World) -> None:
    kept, gone = *world.enqueue(expiry=HOUR), *world.enqueue(expiry=DROPPED)
    world.move(hours=2)

    assert sweep(world) == ExpiryReport(expired=1, dropped=1)
    assert world.state(kept) is State.DEAD
    assert world.read(lambda: show(gone)) is None
    assert rows(world, "expiry") == 0


@pytest.mark.requirement("R-MSG-24")
def test_a_running_job_does_not_expire_until_it_has_failed_and_waits_again(world: World) -> None:
    node = world.node()
    good, bad = world.enqueue(2, expiry=Expiry(after_us=10_000_000))
    first, second = world.claim(node)
    world.move(seconds=15)
    left = sweep(world)
    assert (left.expired, left.more) == (0, False)
    assert left.due_in_us is not None
    assert left.due_in_us <= 0

    world.cycle(node, ended(first), ended(second, FAILED))
    assert sweep(world) == ExpiryReport(expired=1)
    assert world.state(good) is State.SUCCEEDED
    record = world.show(bad)
    assert (record.state, record.reason, record.failures) == (State.DEAD, "expired", 1)
    assert [attempt.outcome for attempt in world.attempts(bad)] == ["failed"]


def test_the_time_of_a_job_that_is_due_later_counts_from_then(world: World) -> None:
    world.enqueue(
        delay_us=HOUR_US, expiry=Expiry(after_us=2 * HOUR_US)
    )  # an hour from its due time
    at = Instant(world.clock.now() + HOUR_US)
    world.enqueue(run_at=at, expiry=Expiry(after_us=HOUR_US, since=at))
    world.move(minutes=119)
    assert sweep(world).expired == 0
    world.move(minutes=1)
    assert sweep(world).expired == 2


def test_the_first_of_an_instant_and_a_span_counts(world: World) -> None:
    soon = Instant(world.clock.now() + 60_000_000)
    world.enqueue(expiry=Expiry(after_us=HOUR_US, at=soon))
    world.enqueue(expiry=Expiry(after_us=30_000_000, at=soon))
    world.move(seconds=30)
    assert sweep(world).expired == 1
    world.move(seconds=30)
    assert sweep(world).expired == 1


def test_jobs_expire_wherever_they_wait(world: World) -> None:
    node = world.node()
    (staged,) = world.enqueue(delay_us=1_000_000, expiry=HOUR)
    world.move(seconds=1)
    world.stage()
    (retried,) = world.enqueue(expiry=HOUR, priority=5)
    (delivery,) = world.claim(node, slots=1)
    world.cycle(node, ended(delivery, FAILED))
    (ready,) = world.enqueue(expiry=HOUR)
    (later,) = world.enqueue(delay_us=9 * HOUR_US, expiry=HOUR)
    (blocked,) = world.enqueue(task="nobody's", expiry=HOUR)
    world.stage()
    (stays,) = world.enqueue()
    jobs = [staged, retried, ready, later, blocked]
    assert [world.state(job) for job in jobs] == [
        State.READY, State.SCHEDULED, State.READY, State.SCHEDULED, State.BLOCKED,
    ]  # fmt: skip

    world.move(hours=2)
    assert sweep(world).expired == 5
    assert {world.state(job) for job in jobs} == {State.DEAD}
    assert world.state(stays) is State.READY


def test_a_pass_is_bounded_and_takes_those_first_whose_time_was_over_first(world: World) -> None:
    late = world.enqueue(3, expiry=HOUR)
    first = world.enqueue(EXPIRE_BATCH, expiry=Expiry(after_us=HOUR_US // 2))
    world.move(hours=2)

    report = sweep(world)
    assert (report.expired, report.more) == (EXPIRE_BATCH, True)
    assert world.state(first[-1]) is State.DEAD
    assert {world.state(job) for job in late} == {State.READY}
    report = sweep(world)
    assert (report.expired, report.more) == (3, False)


def test_a_repeat_under_the_same_id_changes_no_expiry(world: World) -> None:
    (job,) = world.enqueue()
    world.enqueue(ids=[job], expiry=HOUR)
    (other,) = world.enqueue(expiry=HOUR)
    world.enqueue(ids=[other], expiry=Expiry(after_us=1))
    world.move(minutes=30)
    assert sweep(world).expired == 0
    world.move(minutes=30)
    assert sweep(world).expired == 1
    assert world.state(job) is State.READY


def test_a_job_that_ended_in_time_leaves_no_trace_when_its_time_is_over(world: World) -> None:
    node = world.node()
    (job, gone) = world.enqueue(2, expiry=DROPPED)
    (delivery,) = world.claim(node, slots=1)
    world.cycle(node, ended(delivery))
    world.cancel(gone)
    world.move(hours=2)

    assert sweep(world) == ExpiryReport()
    assert world.state(job) is State.SUCCEEDED
    assert world.state(gone) is State.CANCELLED
    assert rows(world, "expiry") == 0


def test_an_expired_job_that_was_redriven_has_all_the_time_again(world: World) -> None:
    node = world.node()
    (job,) = world.enqueue(expiry=HOUR)
    world.move(hours=2)
    sweep(world)
    world.redrive(job)
    world.move(hours=2)

    assert sweep(world) == ExpiryReport()
    node = world.node()
    (delivery,) = world.claim(node)
    assert world.read(lambda: expired_among([delivery.job])) == frozenset()


def test_what_was_claimed_too_late_is_told_to_its_worker(world: World) -> None:
    world.enqueue(expiry=Expiry(after_us=1_000_000))
    world.enqueue(expiry=HOUR)
    world.enqueue()
    world.move(seconds=1)
    node = world.node()
    late, *in_time = [delivery.job for delivery in world.claim(node)]

    assert world.read(lambda: expired_among([late, *in_time])) == {late}
    assert world.read(lambda: expired_among(in_time)) == frozenset()
