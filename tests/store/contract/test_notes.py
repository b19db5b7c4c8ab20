"""What a running job says: progress, checkpoints, log lines, and a payload that it replaces."""

import json
from datetime import timedelta

import pytest

from jobhost.jobs.notes import ItemFailure, ItemReport, Told
from jobhost.jobs.outcomes import DeadLettered, Released
from jobhost.jobs.records import Delivery
from jobhost.jobs.states import State
from jobhost.store.plan import drive
from jobhost.store.plans import notes
from jobhost.store.plans.look import Filter, list_with_progress
from jobhost.store.plans.notes import EPOCHS_LOGGED, Notes, Written
from jobhost.store.plans.overview import at_work

from ..world import FAILED, World, ended


def say(world: World, *said: Notes) -> None:
    world.write(lambda: notes.take_down(said))


def tell(world: World, delivery: Delivery, done: float, **more: object) -> None:
    say(world, Notes(delivery.job, delivery.epoch, Told(done, **more)))  # type: ignore[arg-type]


def log(world: World, delivery: Delivery, *numbers: int, **more: object) -> None:
    lines = [Written(number, 1_000_000 + number, "INFO", "shop", f"{number}") for number in numbers]
    say(world, Notes(delivery.job, delivery.epoch, lines=lines, **more))  # type: ignore[arg-type]


def logged(world: World, job_id: bytes, *after: tuple[int, int]) -> list[tuple[int, int, int]]:
    lines = world.read(lambda: notes.log_of(job_id, *after))
    return [(line.epoch, line.line, line.left_out) for line in lines]


def save(world: World, delivery: Delivery, state: str) -> bool:
    return world.write(lambda: notes.save_checkpoint(delivery.job, delivery.epoch, state))


def kept(world: World, delivery: Delivery) -> str | None:
    return world.read(lambda: notes.checkpoint_of(delivery.job))


def replace(world: World, delivery: Delivery, payload: str) -> bool:
    return world.write(lambda: notes.replace_payload(delivery.job, delivery.epoch, payload))


def done(world: World, job_id: bytes) -> float | None:
    progress = world.show(job_id).progress
    return None if progress is None else progress.done


def test_a_job_that_says_nothing_has_no_progress_and_no_log(world: World) -> None:
    job_id, _ = world.running(world.node())
    assert world.show(job_id).progress is None
    assert logged(world, job_id) == []


def test_the_last_progress_counts_and_is_shown_whole(world: World) -> None:
    job_id, delivery = world.running(world.node())
    report = ItemReport(done=4, failed=1, failures=(ItemFailure(item="a", error="no"),))
    tell(world, delivery, 1)
    told_at = world.clock.now()
    items = json.dumps(report.to_json())
    tell(world, delivery, 2.5, total=10, message="half \u2026 \U0001f600", items=items)
    progress = world.show(job_id).progress
    assert progress is not None
    assert (progress.done, progress.total, progress.message) == (
        2.5,
        10.0,
        "half \u2026 \U0001f600",
    )
    assert (progress.epoch, progress.items, progress.fraction) == (1, report, 0.25)
    assert progress.told_at.timestamp() * 1_000_000 == told_at


def test_many_jobs_are_told_at_once_and_those_that_are_lost_are_left_out(world: World) -> None:
    node = world.node()
    ids = world.enqueue(3)
    first, second, third = world.claim(node)
    world.cycle(node, ended(second, Released()))
    said = [Notes(job.job, job.epoch, Told(7)) for job in (third, second, first)]
    say(world, *said)
    assert [done(world, job_id) for job_id in ids] == [7, None, 7]


def test_nothing_counts_under_a_lease_that_has_ended(world: World) -> None:
    job_id, delivery = world.running(world.node())
    world.move(seconds=31)
    tell(world, delivery, 1)
    log(world, delivery, 0)
    assert not save(world, delivery, "1")
    assert not replace(world, delivery, "[9]")
    assert (done(world, job_id), logged(world, job_id), kept(world, delivery)) == (None, [], None)
    assert world.show(job_id).payload == "[0]"


def test_the_last_words_of_a_job_count_after_its_end_too(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery))
    tell(world, delivery, 10)
    log(world, delivery, 0)
    assert (done(world, job_id), logged(world, job_id)) == (10, [(1, 0, 0)])
    assert not save(world, delivery, "1")


def test_an_attempt_that_has_lost_its_job_says_nothing_any_more(world: World) -> None:
    node, other = world.node(), world.node()
    job_id, old = world.running(node)
    world.rescue(node, other)
    world.node()
    (new,) = world.claim(other)
    assert (old.job, old.epoch + 1) == (new.job, new.epoch)
    tell(world, new, 5)
    assert save(world, new, "5")
    tell(world, old, 99)
    log(world, old, 0)
    assert not save(world, old, "99")
    assert not replace(world, old, "[99]")
    assert (done(world, job_id), kept(world, new)) == (5, "5")
    assert logged(world, job_id) == []
    assert world.show(job_id).payload == "[0]"


@pytest.mark.requirement("R-RESIL-2")
def test_a_checkpoint_is_there_for_every_later_attempt_until_it_is_replaced(world: World) -> None:
    node = world.node()
    _, delivery = world.running(node)
    assert kept(world, delivery) is None
    assert save(world, delivery, '{"done":1}')
    assert save(world, delivery, '{"done":2}')
    for _ in range(2):
        world.cycle(node, ended(delivery, Released()))
        (delivery,) = world.claim(node)
        assert kept(world, delivery) == '{"done":2}'
    assert save(world, delivery, '{"done":3}')
    assert kept(world, delivery) == '{"done":3}'


def test_a_redriven_job_goes_on_from_its_checkpoint(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    save(world, delivery, "[1,2]")
    world.cycle(node, ended(delivery, DeadLettered(reason="no")))
    world.redrive(job_id)
    (again,) = world.claim(node)
    assert (again.deliveries, kept(world, again)) == (1, "[1,2]")


@pytest.mark.requirement("R-RESIL-3")
def test_the_next_delivery_gets_the_payload_that_the_job_left(world: World) -> None:
    node, other = world.node(), world.node()
    job_id, delivery = world.running(node)
    assert replace(world, delivery, "[1]")
    assert replace(world, delivery, "[2]")
    assert delivery.payload == "[0]"
    world.rescue(node, other)
    (again,) = world.claim(other)
    assert (again.payload, world.show(job_id).payload) == ("[2]", "[2]")


def test_what_stood_there_before_is_kept_once_for_each_attempt(world: World) -> None:
    node = world.node()
    _, delivery = world.running(node)
    for payload in ("[1]", "[2]"):
        replace(world, delivery, payload)
    world.cycle(node, ended(delivery, Released()))
    (again,) = world.claim(node)
    for payload in ("[3]", "[4]"):
        replace(world, again, payload)
    rows = world.query("SELECT number, payload, reason FROM jobhost_revision ORDER BY number")
    assert rows == [(1, "[0]", "replaced by attempt 1"), (2, "[2]", "replaced by attempt 2")]


def test_a_log_is_read_in_order_and_on_from_a_line(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    log(world, delivery, 0, 1)
    log(world, delivery, 2)
    world.cycle(node, ended(delivery, Released()))
    (again,) = world.claim(node)
    log(world, again, 0, 1)
    everything = [(1, 0, 0), (1, 1, 0), (1, 2, 0), (2, 0, 0), (2, 1, 0)]
    assert logged(world, job_id) == everything
    assert logged(world, job_id, (1, 1)) == everything[2:]
    assert logged(world, job_id, (2, 1)) == []
    (first, *_) = world.read(lambda: notes.log_of(job_id))
    assert (first.level, first.source, first.message) == ("INFO", "shop", "0")
    assert first.written_at.timestamp() == 1.0


def test_lines_that_were_written_before_are_not_written_twice(world: World) -> None:
    job_id, delivery = world.running(world.node())
    for _ in range(2):
        log(world, delivery, 0, 1)
    assert logged(world, job_id) == [(1, 0, 0), (1, 1, 0)]


def test_a_gap_says_how_many_lines_were_left_out(world: World) -> None:
    job_id, delivery = world.running(world.node())
    log(world, delivery, 0, 1, 2, 3, 4)
    log(world, delivery, 5, 6, dropped=(2, 4))
    assert logged(world, job_id) == [(1, 0, 0), (1, 1, 0), (1, 4, 2), (1, 5, 0), (1, 6, 0)]
    assert logged(world, job_id, (1, 1))[0] == (1, 4, 2)


def test_only_the_newest_attempts_keep_their_log(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    for _ in range(EPOCHS_LOGGED + 2):
        log(world, delivery, 0)
        world.cycle(node, ended(delivery, Released()))
        (delivery,) = world.claim(node)
    assert [epoch for epoch, _, _ in logged(world, job_id)] == [3, 4, 5, 6, 7]


def test_progress_of_a_failed_attempt_stays_until_the_next_one_tells(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    tell(world, delivery, 30)
    world.cycle(node, ended(delivery, FAILED))
    assert done(world, job_id) == 30


def test_a_listing_has_the_progress_of_running_jobs_without_their_items(world: World) -> None:
    node = world.node()
    told_id, told = world.running(node)
    silent_id, _ = world.running(node)
    report = ItemReport(done=4, failed=1, failures=(ItemFailure(item="a", error="no"),))
    tell(world, told, 1, total=4, message="one", items=json.dumps(report.to_json()))
    waiting = world.enqueue()[0]
    for state in (None, State.RUNNING):
        page = drive(world.read, list_with_progress(Filter(state=state)))
        listed = {job.id.bytes: job.progress for job in page.jobs}
        assert listed.pop(waiting, None) is None
        assert listed[silent_id] is None
        progress = listed[told_id]
        assert progress is not None
        assert (progress.brief, progress.message, progress.items) == ("1/4 25 %", "one", None)


def test_those_at_work_are_the_running_ones_that_told_the_oldest_first(world: World) -> None:
    node = world.node()
    made = [world.running(node) for _ in range(3)]
    for at in (2, 0):
        tell(world, made[at][1], at)
        world.clock.move(timedelta(seconds=1))
    _, ended_one = made[2]
    found = world.read(lambda: at_work(10))
    assert [(job.id.bytes, job.progress.done) for job in found] == [
        (made[0][0], 0.0), (made[2][0], 2.0),
    ]  # fmt: skip
    assert [job.id.bytes for job in world.read(lambda: at_work(1))] == [made[0][0]]
    world.cycle(node, ended(ended_one))
    assert [job.id.bytes for job in world.read(lambda: at_work(10))] == [made[0][0]]
