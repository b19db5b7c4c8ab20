"""Keys: a repeat of a call gives the first job, and at most one live job has a unique key."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from jobhost.clock import to_datetime
from jobhost.errors import IdempotencyConflict, UniqueKeyTaken
from jobhost.ids import new_ids
from jobhost.jobs.envelope import Envelope
from jobhost.jobs.keys import Accepted, JobKeys, Keyed, KeyRules, OnTaken
from jobhost.jobs.outcomes import DeadLettered, Discarded, Released, Snoozed, Succeeded
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plans import keys
from jobhost.store.plans.enqueue import Batch, NewJob

from ..conservation import numbers
from ..world import FAILED, QUEUE, TASK, World, ended

SECOND = 1_000_000
PLAIN = KeyRules()
REPLACE = KeyRules(on_taken=OnTaken.REPLACE)
RAISE = KeyRules(on_taken=OnTaken.RAISE)
REPLACE_TO_START = KeyRules(on_taken=OnTaken.REPLACE, until_start=True)
DEBOUNCE = KeyRules(
    on_taken=OnTaken.REPLACE,
    until_start=True,
    debounce_us=5 * SECOND,
    debounce_max_us=12 * SECOND,
)


def batch_of(
    calls: Sequence[tuple[JobKeys, Any]], rules: KeyRules, *, ids: Sequence[bytes] | None = None
) -> Batch:
    """A batch as the host makes it: a job's unique key travels in its envelope."""
    ids = ids or new_ids(len(calls))
    jobs = [
        NewJob(
            job_id,
            json.dumps(payload),
            Envelope(
                unique=None if of.unique is None else (of.unique, rules.until_start)
            ).to_text(),
        )
        for job_id, (of, payload) in zip(ids, calls, strict=True)
    ]
    keyed = Keyed(rules=rules, keys=[of for of, _ in calls])
    return Batch(
        task=TASK, queue=QUEUE, priority=0, jobs=jobs, keyed=keyed, delay_us=rules.debounce_us
    )


def call_all(
    world: World, calls: Sequence[tuple[JobKeys, Any]], rules: KeyRules = PLAIN
) -> list[Accepted]:
    batch = batch_of(calls, rules)
    return list(world.write(lambda: keys.accept(batch, world.store.hot.enqueue)))


def unique(world: World, key: str, payload: Any = 0, rules: KeyRules = PLAIN) -> Accepted:
    [accepted] = call_all(world, [(JobKeys(unique=key), payload)], rules)
    return accepted


def once(world: World, key: str, payload: Any = 0, rules: KeyRules = PLAIN) -> Accepted:
    [accepted] = call_all(world, [(JobKeys(idempotency=key), payload)], rules)
    return accepted


def payload_of(world: World, job_id: bytes) -> Any:
    return json.loads(world.show(job_id).payload)


def revisions(world: World, job_id: bytes) -> list[Any]:
    number = numbers(world.query)[job_id]
    rows = world.query(f"SELECT payload FROM jobhost_revision WHERE job = {number} ORDER BY number")
    return [json.loads(payload) for (payload,) in rows]


def jobs(world: World) -> int:
    return len(numbers(world.query))


# --- idempotency keys


@pytest.mark.requirement("R-MSG-18")
def test_a_repeat_within_the_window_gives_the_first_job_and_after_it_another(world: World) -> None:
    rules = KeyRules(window_us=60 * SECOND)
    first = once(world, "order-1", 7, rules)
    assert first.is_new
    world.move(seconds=59)
    assert once(world, "order-1", 7, rules) == Accepted(first.id, is_new=False)
    assert jobs(world) == 1
    world.move(seconds=1)
    later = once(world, "order-1", 7, rules)
    assert later.is_new
    assert later.id != first.id


@pytest.mark.requirement("R-MSG-18")
def test_a_repeat_gives_the_first_job_whatever_has_become_of_it(world: World) -> None:
    first = once(world, "order-1")
    (delivery,) = world.claim(node := world.node())
    assert once(world, "order-1").id == first.id
    world.cycle(node, ended(delivery))
    assert once(world, "order-1") == Accepted(first.id, is_new=False)
    assert world.state(first.id) is State.SUCCEEDED


def test_a_repeat_with_another_payload_is_a_conflict_that_names_the_first(world: World) -> None:
    first = once(world, "order-1", 7)
    with pytest.raises(IdempotencyConflict) as caught:
        once(world, "order-1", 8)
    assert caught.value.job_id.bytes == first.id
    assert str(caught.value.job_id) in str(caught.value)
    assert jobs(world) == 1


def test_keys_of_two_tasks_have_nothing_to_do_with_each_other(world: World) -> None:
    first = once(world, "same")
    batch = batch_of([(JobKeys("same", "same"), 0)], KeyRules())
    other = Batch(task="other", queue=QUEUE, priority=0, jobs=batch.jobs, keyed=batch.keyed)
    [accepted] = world.write(lambda: keys.accept(other, world.store.hot.enqueue))
    assert accepted.is_new
    assert accepted.id != first.id


def test_a_batch_that_is_sent_again_under_its_ids_makes_nothing_twice(world: World) -> None:
    calls = [(JobKeys(f"i{at}", f"u{at}"), at) for at in range(3)]
    batch = batch_of(calls, KeyRules())
    again = batch_of(calls, KeyRules(), ids=[job.id for job in batch.jobs])
    made = world.write(lambda: keys.accept(batch, world.store.hot.enqueue))
    node = world.node()
    world.cycle(node, *[ended(delivery) for delivery in world.claim(node)])
    taken_since = unique(world, "u1")
    repeated = world.write(lambda: keys.accept(again, world.store.hot.enqueue, again=True))
    assert [one.id for one in repeated] == [one.id for one in made]
    assert jobs(world) == 4
    assert unique(world, "u1") == Accepted(taken_since.id, is_new=False)


def test_a_key_of_both_kinds_remembers_the_holder_that_was_returned(world: World) -> None:
    holder = unique(world, "report")
    [joined] = call_all(world, [(JobKeys("once", "report"), 5)])
    assert joined == Accepted(holder.id, is_new=False)
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery))
    assert once(world, "once", 5) == joined


# --- unique keys


def test_a_unique_key_is_held_until_the_job_has_ended(world: World) -> None:
    holder = unique(world, "report")
    assert holder.is_new
    assert unique(world, "report", 1) == Accepted(holder.id, is_new=False)
    (delivery,) = world.claim(node := world.node())
    assert unique(world, "report", 2) == Accepted(holder.id, is_new=False)
    world.cycle(node, ended(delivery))
    assert unique(world, "report", 3).is_new
    assert jobs(world) == 2


@pytest.mark.parametrize(
    "outcome", [Succeeded("1"), DeadLettered(reason="no"), Discarded(reason="no")], ids=repr
)
def test_every_end_of_a_job_frees_its_key(world: World, outcome: Any) -> None:
    unique(world, "report")
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery, outcome))
    assert unique(world, "report").is_new


def test_a_cancel_frees_the_key_of_a_job_that_waits(world: World) -> None:
    holder = unique(world, "report")
    world.cancel(holder.id)
    assert unique(world, "report").is_new


@pytest.mark.parametrize("outcome", [FAILED, Snoozed(delay_seconds=1), Released()], ids=repr)
def test_a_job_that_comes_back_still_holds_its_key(world: World, outcome: Any) -> None:
    holder = unique(world, "report")
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery, outcome, retry=Retry(first_delay="1s")))
    assert unique(world, "report") == Accepted(holder.id, is_new=False)


def test_a_rescued_job_still_holds_its_key(world: World) -> None:
    holder = unique(world, "report")
    node = world.node()
    world.claim(node)
    world.rescue(node, world.node())
    assert unique(world, "report") == Accepted(holder.id, is_new=False)


def test_until_its_start_means_that_a_claim_frees_the_key_for_good(world: World) -> None:
    rules = KeyRules(until_start=True)
    holder = unique(world, "report", 0, rules)
    assert not unique(world, "report", 0, rules).is_new
    (delivery,) = world.claim(node := world.node())
    second = unique(world, "report", 0, rules)
    assert second.is_new
    world.cycle(node, ended(delivery, FAILED, retry=Retry(first_delay="1s")))
    assert unique(world, "report", 0, rules) == Accepted(second.id, is_new=False)
    assert world.state(holder.id) is State.SCHEDULED


def test_the_typed_error_names_the_holder_and_changes_nothing(world: World) -> None:
    holder = unique(world, "report", 1)
    with pytest.raises(UniqueKeyTaken) as caught:
        unique(world, "report", 2, RAISE)
    assert caught.value.job_id.bytes == holder.id
    assert payload_of(world, holder.id) == 1
    assert jobs(world) == 1


# --- another payload


@pytest.mark.parametrize("state", [State.READY, State.SCHEDULED, State.BLOCKED])
def test_a_holder_that_waits_gets_the_payload_of_the_call(world: World, state: State) -> None:
    rules = DEBOUNCE if state is State.SCHEDULED else REPLACE
    holder = unique(world, "report", "old", rules)
    if state is State.BLOCKED:
        world.stage()
    assert world.state(holder.id) is state
    assert unique(world, "report", "new", rules) == Accepted(holder.id, is_new=False)
    assert payload_of(world, holder.id) == "new"
    assert revisions(world, holder.id) == ["old"]
    assert world.state(holder.id) is state
    world.move(seconds=60)
    node = world.node()
    world.stage()
    (delivery,) = world.claim(node)
    assert (delivery.id, json.loads(delivery.payload)) == (holder.id, "new")


def test_a_replaced_job_stays_before_those_that_came_after_it(world: World) -> None:
    before = unique(world, "before")
    holder = unique(world, "report", "old")
    world.enqueue(3)
    for payload in range(5):
        unique(world, "report", payload, REPLACE)
    (first, second) = world.claim(world.node(), slots=2)
    assert {first.id, second.id} == {before.id, holder.id}


def test_the_same_payload_again_is_no_revision(world: World) -> None:
    holder = unique(world, "report", "same", REPLACE)
    unique(world, "report", "same", REPLACE)
    assert revisions(world, holder.id) == []


def test_of_many_payloads_the_last_ones_are_kept(world: World) -> None:
    holder = unique(world, "report", 0)
    for payload in range(1, 16):
        unique(world, "report", payload, REPLACE)
    assert payload_of(world, holder.id) == 15
    assert revisions(world, holder.id) == list(range(5, 15))


def test_a_holder_that_has_started_keeps_its_payload_and_the_caller_hears_of_it(
    world: World,
) -> None:
    holder = unique(world, "report", "old")
    world.claim(world.node())
    with pytest.raises(UniqueKeyTaken, match="has started") as caught:
        unique(world, "report", "new", REPLACE)
    assert caught.value.job_id.bytes == holder.id
    assert payload_of(world, holder.id) == "old"


def test_replacing_up_to_the_start_makes_a_second_job_for_what_came_after_it(world: World) -> None:
    unique(world, "report", "old", REPLACE_TO_START)
    (delivery,) = world.claim(world.node())
    second = unique(world, "report", "new", REPLACE_TO_START)
    assert second.is_new
    assert (json.loads(delivery.payload), payload_of(world, second.id)) == ("old", "new")


# --- debounce and throttle


def test_a_debounced_job_runs_after_the_last_call_with_its_payload(world: World) -> None:
    first = unique(world, "save", 1, DEBOUNCE)
    world.move(seconds=4)
    assert unique(world, "save", 2, DEBOUNCE) == Accepted(first.id, is_new=False)
    assert world.show(first.id).due_at == to_datetime(world.clock.now() + 5 * SECOND)
    node = world.node()
    world.move(seconds=4)
    assert world.stage().staged == 0
    world.move(seconds=1)
    assert world.stage().staged == 1
    (delivery,) = world.claim(node)
    assert json.loads(delivery.payload) == 2


def test_calls_that_never_pause_put_a_debounced_job_off_up_to_its_bound_only(world: World) -> None:
    start = world.clock.now()
    first = unique(world, "save", 0, DEBOUNCE)
    for at in range(1, 11):
        world.move(seconds=1)
        unique(world, "save", at, DEBOUNCE)
    assert world.show(first.id).due_at == to_datetime(start + 12 * SECOND)


def test_a_debounced_job_that_is_due_but_waits_for_a_slot_takes_the_last_payload(
    world: World,
) -> None:
    first = unique(world, "save", 1, DEBOUNCE)
    node = world.node()
    world.move(seconds=5)
    world.stage()
    assert unique(world, "save", 2, DEBOUNCE) == Accepted(first.id, is_new=False)
    assert world.state(first.id) is State.READY
    (delivery,) = world.claim(node)
    assert json.loads(delivery.payload) == 2
    assert unique(world, "save", 3, DEBOUNCE).is_new


def test_a_throttled_key_is_taken_to_the_end_of_the_window_even_if_its_job_has_gone(
    world: World,
) -> None:
    rules = KeyRules(throttle_us=60 * SECOND)
    first = unique(world, "poll", 0, rules)
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery))
    world.move(seconds=59)
    assert unique(world, "poll", 0, rules) == Accepted(first.id, is_new=False)
    world.write(lambda: keys.prune_keys())
    assert unique(world, "poll", 0, rules) == Accepted(first.id, is_new=False)
    world.move(seconds=1)
    assert unique(world, "poll", 0, rules).is_new


def test_a_throttled_job_that_outlives_the_window_still_holds_its_key(world: World) -> None:
    rules = KeyRules(throttle_us=SECOND)
    first = unique(world, "poll", 0, rules)
    world.move(seconds=10)
    assert unique(world, "poll", 0, rules) == Accepted(first.id, is_new=False)


# --- many in one batch


def test_calls_of_one_batch_meet_each_others_keys(world: World) -> None:
    calls = [(JobKeys(unique=key), at) for at, key in enumerate("abcab")]
    accepted = call_all(world, calls)
    assert [one.is_new for one in accepted] == [True, True, True, False, False]
    assert [accepted[3].id, accepted[4].id] == [accepted[0].id, accepted[1].id]
    assert jobs(world) == 3


def test_the_last_call_of_a_batch_replaces_the_payload_of_an_earlier_one(world: World) -> None:
    calls = [(JobKeys(unique="a"), at) for at in range(3)]
    accepted = call_all(world, calls, REPLACE)
    assert {one.id for one in accepted} == {accepted[0].id}
    assert payload_of(world, accepted[0].id) == 2


def test_a_repeat_within_a_batch_gives_the_first_and_a_conflict_accepts_none(world: World) -> None:
    accepted = call_all(world, [(JobKeys("i"), 1), (JobKeys("i"), 1), (JobKeys(), 1)])
    assert [one.is_new for one in accepted] == [True, False, True]
    with pytest.raises(IdempotencyConflict):
        call_all(world, [(JobKeys("j"), 1), (JobKeys("j"), 2)])
    assert jobs(world) == 2
    assert once(world, "j", 3).is_new


@pytest.mark.parametrize("count", [300])
def test_a_large_batch_of_keys_is_accepted_whole(world: World, count: int) -> None:
    calls = [(JobKeys(f"i{at}", f"u{at}"), at) for at in range(count)]
    assert all(one.is_new for one in call_all(world, calls))
    assert not any(one.is_new for one in call_all(world, calls))
    assert jobs(world) == count


# --- redrive


def dead(world: World, key: str, rules: KeyRules = PLAIN) -> bytes:
    holder = unique(world, key, 0, rules)
    (delivery,) = world.claim(node := world.node())
    world.cycle(node, ended(delivery, DeadLettered(reason="no")))
    return holder.id


@pytest.mark.parametrize("until_start", [False, True])
def test_a_redriven_job_takes_its_key_again(world: World, until_start: bool) -> None:
    rules = KeyRules(until_start=until_start)
    job_id = dead(world, "report", rules)
    done = world.redrive(job_id)
    assert done is not None
    assert done.done
    assert unique(world, "report", 0, rules) == Accepted(job_id, is_new=False)
    world.claim(world.node())
    assert unique(world, "report", 0, rules).is_new is until_start


def test_a_redrive_into_a_taken_key_is_refused_and_names_the_holder(world: World) -> None:
    job_id = dead(world, "report")
    holder = unique(world, "report")
    refused = world.redrive(job_id)
    assert refused is not None
    assert (refused.done, refused.state, refused.holder) == (False, State.DEAD, holder.id)
    assert world.state(job_id) is State.DEAD
    world.cancel(holder.id)
    done = world.redrive(job_id)
    assert done is not None
    assert done.done


# --- pruning


def key_rows(world: World) -> tuple[int, int]:
    [(first,)] = world.query("SELECT count(*) FROM jobhost_idempotency")
    [(second,)] = world.query("SELECT count(*) FROM jobhost_unique_key")
    return first, second


def test_keys_are_pruned_once_nobody_needs_them(world: World) -> None:
    node = world.node()
    for at in range(4):
        call_all(world, [(JobKeys(f"i{at}", f"u{at}"), at)], KeyRules(window_us=10 * SECOND))
    world.cycle(node, *[ended(delivery) for delivery in world.claim(node, slots=2)])
    done = world.write(lambda: keys.prune_keys())
    assert (done.idempotency, done.unique, done.after, done.more) == (0, 2, -1, False)
    assert key_rows(world) == (4, 2)
    world.move(seconds=10)
    assert world.write(lambda: keys.prune_keys()).idempotency == 4
    assert key_rows(world) == (0, 2)
    assert not unique(world, "u2").is_new


def test_pruning_walks_in_slices_and_begins_anew_at_the_end(world: World) -> None:
    call_all(world, [(JobKeys(unique=f"u{at}"), at) for at in range(5)])
    node = world.node()
    world.cycle(node, *[ended(delivery) for delivery in world.claim(node)[3:]])
    first = world.write(lambda: keys.prune_keys(limit=3))
    assert (first.unique, first.more) == (0, True)
    second = world.write(lambda: keys.prune_keys(first.after, limit=3))
    assert (second.unique, second.after, second.more) == (2, -1, False)


def test_a_job_without_keys_leaves_no_row(world: World) -> None:
    world.enqueue(3)
    assert key_rows(world) == (0, 0)
