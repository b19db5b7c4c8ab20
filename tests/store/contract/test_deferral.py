"""Jobs that their own task has set aside: nobody's pass touches them, and a number fetches them."""

from datetime import timedelta

import pytest

from jobhost.jobs.envelope import Envelope
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.explain import Cause
from jobhost.jobs.outcomes import Deferred
from jobhost.jobs.records import Delivery
from jobhost.jobs.states import State
from jobhost.store.plans.deferral import Resumed, resume, resume_number
from jobhost.store.plans.expiry import expire
from jobhost.store.plans.operate import purge
from jobhost.store.plans.versions import set_version

from ..conservation import Standing, assert_conserved
from ..world import FAILED, World, ended
from .test_explanations import cause

INVOICE = Deferred(reason="waiting for the invoice")


def deferred(world: World, node: int) -> tuple[bytes, Delivery]:
    job_id, delivery = world.running(node)
    assert world.cycle(node, ended(delivery, INVOICE)).lost == []
    return job_id, delivery


@pytest.mark.requirement("R-MSG-22")
def test_a_deferred_job_is_not_delivered_until_it_is_fetched_by_its_number(world: World) -> None:
    node = world.node()
    job_id, delivery = deferred(world, node)
    record = world.show(job_id)
    assert (record.state, record.reason) == (State.BLOCKED, "waiting for the invoice")
    assert record.number == delivery.job
    assert world.stage().unparked == 0
    assert world.claim(node) == []
    assert world.claim_suspect(node) is None
    done = world.write(lambda: resume_number(record.number))
    assert done == Resumed(id=job_id, done=True, state=State.READY)
    (again,) = world.claim(node)
    assert (again.job, again.epoch, again.deliveries) == (delivery.job, 2, 2)
    assert (again.failures, again.crashes) == (0, 0)
    assert_conserved(world.query)


def test_a_resumed_job_stands_before_the_backlog(world: World) -> None:
    node = world.node()
    job_id, _ = deferred(world, node)
    world.enqueue(3)
    world.write(lambda: resume(job_id))
    assert world.claim(node, slots=1)[0].id == job_id


def test_only_a_deferred_job_is_resumed_and_only_once(world: World) -> None:
    node = world.node()
    job_id, _ = deferred(world, node)
    (waiting,) = world.enqueue()
    (parked,) = world.enqueue(task="nobody knows it")
    world.stage()
    for other, state in ((waiting, State.READY), (parked, State.BLOCKED)):
        done = world.write(lambda other=other: resume(other))  # type: ignore[misc]
        assert done == Resumed(id=other, done=False, state=state)
    assert [world.write(lambda: resume(job_id)) for _ in range(2)] == [
        Resumed(id=job_id, done=True, state=State.READY),
        Resumed(id=job_id, done=False, state=State.READY),
    ]
    assert world.write(lambda: resume(bytes(16))) is None
    assert world.write(lambda: resume_number(10**15)) is None


def test_the_attempt_that_deferred_is_told_and_charges_nothing(world: World) -> None:
    node = world.node(lease=timedelta(days=2))
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, FAILED))
    world.move(days=1)
    world.stage()
    (second,) = world.claim(node)
    world.cycle(node, ended(second, INVOICE))
    assert [attempt.outcome for attempt in world.attempts(job_id)] == ["failed", "deferred"]
    assert world.standing(job_id) == Standing(State.BLOCKED, 2, 2, 1, 0)


def test_who_has_lost_a_job_cannot_defer_it(world: World) -> None:
    node, rescuer = world.node(), world.node()
    job_id, delivery = world.running(node)
    world.rescue(node, rescuer)
    assert world.cycle(rescuer, ended(delivery, INVOICE)).lost == [delivery.job]
    assert not world.cycle(node, ended(delivery, INVOICE)).lease_live
    assert world.state(job_id) is State.READY


def test_a_job_that_somebody_wants_cancelled_is_not_set_aside(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cancel(job_id)
    world.cycle(node, ended(delivery, INVOICE))
    assert world.state(job_id) is State.CANCELLED


def test_a_deferred_job_is_cancelled_sent_back_and_purged_like_others(world: World) -> None:
    node = world.node()
    job_id, _ = deferred(world, node)
    world.cancel(job_id)
    assert world.state(job_id) is State.CANCELLED
    assert world.write(lambda: resume(job_id)) == Resumed(
        id=job_id, done=False, state=State.CANCELLED
    )
    world.redrive(job_id)
    (again,) = world.claim(node)
    world.cycle(node, ended(again, INVOICE))
    refused = world.write(lambda: purge(job_id))
    assert refused is not None
    assert not refused.done, "it has not ended"
    world.cancel(job_id)
    gone = world.write(lambda: purge(job_id))
    assert gone is not None
    assert gone.done
    assert_conserved(world.query)


def test_a_deferred_job_expires(world: World) -> None:
    node = world.node()
    (job_id,) = world.enqueue(expiry=Expiry(after_us=60_000_000))
    (delivery,) = world.claim(node)
    world.cycle(node, ended(delivery, INVOICE))
    world.move(minutes=2)
    assert world.write(expire).expired == 1
    assert world.state(job_id) is State.DEAD
    assert_conserved(world.query)


def test_deferral_is_explained_and_its_end_too(world: World) -> None:
    node = world.node()
    job_id, _ = deferred(world, node)
    assert cause(world, job_id) is Cause.DEFERRED
    world.write(lambda: resume(job_id))
    assert cause(world, job_id) is Cause.NEXT
    world.move(hours=1)  # its only worker is gone
    world.stage()
    assert cause(world, job_id) is Cause.NO_WORKER


@pytest.mark.requirement("R-MSG-1")
def test_numbers_rise_in_the_order_in_which_jobs_are_accepted(world: World) -> None:
    ids = [*world.enqueue(3), *world.enqueue(2, delay_us=5), *world.enqueue(2, queue="another")]
    numbers = [world.show(one).number for one in ids]
    assert numbers == sorted(set(numbers))


def test_a_replaced_payload_says_its_version_and_keeps_what_else_travels(world: World) -> None:
    (job_id,) = world.enqueue()
    number = world.show(job_id).number
    for version in (3, 3, 1):
        world.write(lambda version=version: set_version(number, version))  # type: ignore[misc]
        assert world.show(job_id).envelope == Envelope(version=version)
    assert world.write(lambda: set_version(10**15, 2)) is None
