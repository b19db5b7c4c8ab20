"""What `jobhost doctor` says of queues, keys, dead letters and what is kept, on every store."""

import json
from collections.abc import Sequence
from uuid import UUID

import pytest

from jobhost.ids import new_ids
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.keys import JobKeys, Keyed, KeyRules
from jobhost.jobs.outcomes import DeadLettered, Deferred
from jobhost.jobs.queues import stored_changes
from jobhost.store import backlog
from jobhost.store.checkup import Finding, Level
from jobhost.store.plans import checkup as plans
from jobhost.store.plans import nodes, queues
from jobhost.store.plans.deferral import resume
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.keys import accept

from ..world import QUEUE, TASK, World, ended


def findings(world: World, check: str) -> list[Finding]:
    return [found for found in world.store.checkup() if found.check == check]


def one(world: World, check: str) -> Finding:
    (found,) = findings(world, check)
    return found


def set_queue(world: World, **settings: object) -> None:
    changes = stored_changes(settings)
    world.write(lambda: queues.set_queue(QUEUE, changes))


def kill(world: World, count: int) -> None:
    """So many jobs that end as dead."""
    node = world.node()
    world.enqueue(count)
    for delivery in world.claim(node, slots=count):
        world.cycle(node, ended(delivery, DeadLettered(reason="declined")))
    world.write(lambda: nodes.leave(node))


QUIET = ("paused", "objective", "capacity", "expiry", "deferred", "keys", "retention")


def test_a_store_without_any_of_it_says_nothing_of_it(world: World) -> None:
    world.node()
    world.enqueue(3)
    assert [found for check in QUIET for found in findings(world, check)] == []
    assert one(world, "dead letters").level is Level.OK


# --- deferred jobs -----------------------------------------------------------------------------


def defer(world: World, task: str) -> bytes:
    node = world.node(task)  # the lease of an earlier one has run out meanwhile
    (job_id,) = world.enqueue(task=task)
    [delivery] = world.claim(node, tasks=(task,))
    world.cycle(node, ended(delivery, Deferred(reason="not yet")))
    return job_id


def test_jobs_that_are_deferred_for_long_are_singled_out_by_task(world: World) -> None:
    first = defer(world, "approve")
    world.move(days=3)
    defer(world, "approve")
    defer(world, "other")
    world.move(days=3, hours=23)
    assert findings(world, "deferred") == []
    world.move(hours=1)
    found = one(world, "deferred")
    assert found.level is Level.WARNING
    assert found.sentence == (
        "1 job of task 'approve' waits to be resumed, for 1w: its task has deferred it"
    )
    assert "jobs list --state blocked --task approve" in str(found.next_step)
    world.move(days=4)
    assert [found.sentence for found in findings(world, "deferred")] == [
        "2 jobs of task 'approve' wait to be resumed, for 1w4d: their task has deferred them",
        "1 job of task 'other' waits to be resumed, for 1w1d: its task has deferred it",
    ]
    world.write(lambda: resume(first))
    assert "1 job of task 'approve'" in findings(world, "deferred")[0].sentence


def test_what_is_blocked_for_another_reason_is_not_deferred(world: World) -> None:
    world.enqueue(task="unknown")
    world.node()
    world.stage()
    world.move(days=30)
    assert findings(world, "deferred") == []


# --- queues ------------------------------------------------------------------------------------


def test_a_paused_queue_with_waiting_jobs_is_a_warning_that_says_since_when(world: World) -> None:
    world.enqueue()
    world.write(lambda: queues.pause_queue(QUEUE, "the mail server is down"))
    world.move(hours=2)
    found = one(world, "paused")
    assert found.level is Level.WARNING
    assert found.sentence == ("queue 'default' has been paused for 2h, and jobs wait in it")
    assert str(found.next_step).startswith("'jobhost queues resume default' lets it go on")
    world.write(lambda: queues.resume_queue(QUEUE))
    assert findings(world, "paused") == []


def test_a_paused_queue_without_jobs_is_worth_a_note(world: World) -> None:
    world.write(lambda: queues.pause_queue(QUEUE, None))
    found = one(world, "paused")
    assert found.level is Level.NOTE
    assert found.sentence.startswith("queue 'default' has been paused for ")


def test_a_queue_past_its_objective_is_a_warning(world: World) -> None:
    set_queue(world, objective="30s")
    world.enqueue()
    world.move(seconds=29)
    assert findings(world, "objective") == []
    world.move(seconds=16)
    found = one(world, "objective")
    assert found.level is Level.WARNING
    assert found.sentence == (
        "a job of queue 'default' has waited for 45s, longer than its objective of 30s"
    )
    assert "jobhost queues show default" in str(found.next_step)


def test_a_queue_that_is_nearly_full_is_a_warning(world: World) -> None:
    set_queue(world, capacity=10)
    world.enqueue(7)
    assert findings(world, "capacity") == []
    world.enqueue(1)
    found = one(world, "capacity")
    assert found.level is Level.WARNING
    assert found.sentence == (
        "8 of the 10 places of queue 'default' are taken; when it is full: an enqueue is refused"
    )


def test_a_suspect_in_a_queue_that_nobody_serves_is_a_warning(world: World) -> None:
    worker, rescuer = world.node(), world.node("other")
    world.enqueue(queue="mail")
    world.claim(worker, queues=["mail"])
    world.rescue(worker, rescuer, own_doing=True)
    assert one(world, "suspects").level is Level.WARNING
    found = one(world, "queues")
    assert found.level is Level.WARNING
    assert found.sentence == "jobs wait in queue 'mail', which no worker serves"


# --- what nobody sweeps ------------------------------------------------------------------------


def test_jobs_that_wait_past_their_expiry_are_a_warning(world: World) -> None:
    world.enqueue(2, expiry=Expiry(after_us=60_000_000))
    world.move(minutes=2)
    assert findings(world, "expiry") == []
    world.move(minutes=2)
    found = one(world, "expiry")
    assert found.level is Level.WARNING
    assert found.sentence == ("2 jobs still wait though their time to start has been over for 3m")


def test_what_expired_while_it_ran_or_after_its_end_is_left_alone(world: World) -> None:
    node = world.node()
    world.enqueue(2, expiry=Expiry(after_us=60_000_000))
    done, _ = world.claim(node)
    world.cycle(node, ended(done))
    world.move(hours=1)
    assert findings(world, "expiry") == []


def test_successes_that_are_kept_past_the_usual_time_are_worth_a_note(world: World) -> None:
    _, delivery = world.running(node := world.node())
    world.cycle(node, ended(delivery))
    world.move(days=7, hours=23)
    assert findings(world, "retention") == []
    world.move(hours=2)
    found = one(world, "retention")
    assert found.level is Level.NOTE
    assert "succeeded 1w1d ago: workers delete them after 1w" in found.sentence


# --- keys --------------------------------------------------------------------------------------


def enqueue_keyed(world: World, *, unique: str | None = None, repeat: str | None = None) -> bytes:
    """A job with a key; its id."""
    keyed = Keyed(rules=KeyRules(), keys=[JobKeys(unique=unique, idempotency=repeat)])
    job = NewJob(bytes(new_ids(1)[0]), "[]", None)
    batch = Batch(task=TASK, queue=QUEUE, priority=0, jobs=[job], keyed=keyed)
    world.write(lambda: accept(batch, world.store.hot.enqueue))
    return job.id


def test_a_unique_key_that_a_job_has_held_for_days_is_a_warning(world: World) -> None:
    jobs = {enqueue_keyed(world, unique=key) for key in "ab"}
    world.move(hours=23)
    assert findings(world, "keys") == []
    world.move(hours=25)
    found = one(world, "keys")
    assert found.level is Level.WARNING
    assert found.sentence.startswith(
        "2 unique keys of task 'work' are held by jobs that still wait, for 2d"
    )
    named = str(found.next_step).split()[3].strip("'")
    assert UUID(named).bytes in jobs


def test_the_key_of_a_job_that_runs_or_has_ended_is_not_stuck(world: World) -> None:
    node = world.node()
    enqueue_keyed(world, unique="a")
    enqueue_keyed(world, unique="b")
    first, _ = world.claim(node)
    world.cycle(node, ended(first))
    world.move(days=2)
    assert findings(world, "keys") == []


def test_idempotency_keys_that_nobody_prunes_are_worth_a_note(world: World) -> None:
    enqueue_keyed(world, repeat="order 17")
    world.move(days=400)
    found = one(world, "keys")
    assert found.level is Level.NOTE
    assert "idempotency keys are kept whose window has been over for" in found.sentence


# --- dead letters ------------------------------------------------------------------------------


def test_dead_letters_are_told_with_those_of_the_last_hour(world: World) -> None:
    kill(world, 2)
    world.move(hours=2)
    kill(world, 1)
    found = one(world, "dead letters")
    assert found.level is Level.NOTE
    assert found.sentence == "3 dead letters, 1 of them of the last hour"
    assert found.next_step == "see what they died of: 'jobhost dead list --group'"


@pytest.mark.parametrize("limit", ["DEAD_MANY", "DEAD_FRESH"])
def test_many_dead_letters_are_a_warning(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    kill(world, 3)
    monkeypatch.setattr(backlog, limit, 3)
    assert one(world, "dead letters").level is Level.WARNING


def test_no_more_dead_letters_are_counted_than_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(world, 3)
    monkeypatch.setattr(plans, "DEAD_LOOKED_AT", 3)
    assert one(world, "dead letters").sentence.startswith("more than 2 dead letters")


# --- wording -----------------------------------------------------------------------------------


def test_what_is_named_of_one_kind_is_bounded() -> None:
    pauses = [plans.Pause(f"q{number:02}", number) for number in range(50)]
    assert len(backlog.judge_pauses(pauses, frozenset())) == 10
    assert backlog.judge_pauses(pauses, frozenset(["q07"]))[0].level is Level.WARNING
    keys: Sequence[plans.HeldKey] = [
        plans.HeldKey(json.dumps(number), number, bytes(new_ids(1)[0])) for number in range(50)
    ]
    assert len(backlog.judge_held_keys(keys)) == 10


def test_one_job_that_waits_is_one() -> None:
    (found,) = backlog.judge_expired(1, 180_000_000)
    assert found.sentence == "1 job still waits though its time to start has been over for 3m"
    (many,) = backlog.judge_expired(plans.LOOKED_AT, 180_000_000)
    assert many.sentence.startswith("1,000 jobs or more still wait")
