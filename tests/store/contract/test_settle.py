"""An attempt has ended: where the job goes, what is counted, what is remembered."""

from datetime import timedelta

import pytest

from jobhost.clock import to_datetime
from jobhost.jobs.outcomes import (
    MAX_CRASHES,
    Cancelled,
    DeadLettered,
    Discarded,
    ErrorInfo,
    Failed,
    Outcome,
    Released,
    Snoozed,
    Succeeded,
    Unstorable,
)
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State

from ..conservation import Standing
from ..world import BOOM, FAILED, World, ended

ONCE = Retry(max_attempts=1)
AT_ONCE = Retry(first_delay="0s")
TIMED_OUT = Failed(error=BOOM, names=("TimeLimit",), timed_out=True)

# outcome, policy, state, failures afterwards, the attempt's outcome in words, reason
ENDS = {
    "succeeded": (Succeeded("[1]"), Retry(), State.SUCCEEDED, 0, "succeeded", None),
    "unstorable": (
        Unstorable(error=BOOM), Retry(), State.SUCCEEDED, 0, "unstorable", "result unstorable",
    ),
    "failed, again later": (FAILED, Retry(), State.SCHEDULED, 1, "failed", None),
    "failed, again at once": (FAILED, AT_ONCE, State.READY, 1, "failed", None),
    "failed for good": (FAILED, ONCE, State.DEAD, 1, "failed", "failed: ValueError"),
    "timed out, again later": (TIMED_OUT, Retry(), State.SCHEDULED, 1, "timed out", None),
    "timed out for good": (TIMED_OUT, ONCE, State.DEAD, 1, "timed out", "timed out: ValueError"),
    "snoozed": (Snoozed(delay_seconds=60), Retry(), State.SCHEDULED, 0, "snoozed", None),
    "snoozed for no time": (Snoozed(delay_seconds=0), Retry(), State.READY, 0, "snoozed", None),
    "released": (Released(), Retry(), State.READY, 0, "released", None),
    "cancelled": (Cancelled(reason="stop"), Retry(), State.CANCELLED, 0, "cancelled", "stop"),
    "discarded": (Discarded(reason="sent"), Retry(), State.CANCELLED, 0, "discarded", "sent"),
    "dead-lettered": (
        DeadLettered(reason="no such customer"), Retry(), State.DEAD, 0, "dead-lettered",
        "no such customer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_each_outcome_lands_in_its_table_with_its_counts_and_one_attempt(
    world: World, case: str
) -> None:
    outcome, policy, state, failures, word, reason = ENDS[case]
    node = world.node()
    job_id, delivery = world.running(node)
    claimed_at = world.clock.now()
    world.move(seconds=2)
    report = world.cycle(node, ended(delivery, outcome, retry=policy))
    assert (report.lease_live, report.lost, report.claimed) == (True, [], [])
    assert world.standing(job_id) == Standing(state, 1, 1, failures, 0)
    (attempt,) = world.attempts(job_id)
    assert (attempt.epoch, attempt.outcome, attempt.worker) == (1, word, "here:1")
    assert attempt.claimed_at == to_datetime(claimed_at)
    assert attempt.ended_at == to_datetime(world.clock.now())
    assert attempt.duration_seconds == 0.0015
    assert attempt.error == getattr(outcome, "error", None)
    record = world.show(job_id)
    assert (record.state, record.reason) == (state, reason)
    assert record.is_final == (state in (State.SUCCEEDED, State.DEAD, State.CANCELLED))
    assert record.ended_at == (attempt.ended_at if record.is_final else None)


def test_a_batch_of_all_outcomes_is_recorded_together(world: World) -> None:
    ids = world.enqueue(len(ENDS))
    node = world.node()
    claimed = world.claim(node)
    batch = [
        ended(delivery, outcome, retry=policy)
        for delivery, (outcome, policy, *_) in zip(claimed, ENDS.values(), strict=True)
    ]
    assert world.cycle(node, *batch).lost == []
    assert [world.state(job_id) for job_id in ids] == [state for _, _, state, *_ in ENDS.values()]
    assert all(len(world.attempts(job_id)) == 1 for job_id in ids)


def test_one_cycle_records_and_claims_again(world: World) -> None:
    world.enqueue(2)
    node = world.node()
    (first,) = world.claim(node, slots=1)
    report = world.cycle(node, ended(first, Released()), slots=1)
    assert [taken.job for taken in report.claimed] == [first.job]
    assert report.claimed[0].epoch == 2


def test_a_retry_waits_from_the_moment_at_which_it_was_recorded(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.move(seconds=3)
    world.cycle(node, ended(delivery, FAILED, retry=Retry(first_delay="1500ms")))
    due = to_datetime(world.clock.now()) + timedelta(seconds=1.5)
    assert world.show(job_id).due_at == due


def test_failures_add_up_over_attempts_until_the_job_is_dead(world: World) -> None:
    node = world.node()
    (job_id,) = world.enqueue()
    policy = Retry(max_attempts=3, first_delay="0s")
    for count in (1, 2, 3):
        (delivery,) = world.claim(node)
        assert delivery.failures == count - 1
        world.cycle(node, ended(delivery, FAILED, retry=policy))
    assert world.standing(job_id) == Standing(State.DEAD, 3, 3, 3, 0)
    record = world.show(job_id)
    assert record.reason == "failed 3 of 3 times: ValueError"
    assert record.error == BOOM
    assert [attempt.epoch for attempt in world.attempts(job_id)] == [1, 2, 3]


@pytest.mark.parametrize("outcome", [Released(), Snoozed(delay_seconds=0)])
def test_release_and_snooze_charge_nothing_however_often(world: World, outcome: Outcome) -> None:
    node = world.node()
    (job_id,) = world.enqueue()
    for _ in range(MAX_CRASHES + 5):
        (delivery,) = world.claim(node)
        world.cycle(node, ended(delivery, outcome))
    assert world.standing(job_id) == Standing(State.READY, 8, 8, 0, 0)


def test_jobs_released_together_come_back_in_the_order_given(world: World) -> None:
    ids = world.enqueue(3)
    node = world.node()
    claimed = world.claim(node)
    world.cycle(node, *[ended(delivery, Released()) for delivery in claimed])
    assert [taken.id for taken in world.claim(node)] == ids


def test_an_immediate_retry_stands_behind_the_backlog(world: World) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    fresh = world.enqueue(2)
    world.cycle(node, ended(delivery, FAILED, retry=AT_ONCE))
    assert [taken.id for taken in world.claim(node)] == [*fresh, job_id]


WILD = 'it\'s "quoted" \\ back\\slash\n\ttab ü 日本 🚀 %s :now ? \\u0000 \u2028'


@pytest.mark.parametrize(
    "result",
    [
        "null",
        "true",
        "1e400",
        "123456789012345678901234567890.123456789",
        '"plain"',
        '"\\u0000"',
        '"\\ud83d\\ude80 and \\u00fc"',
        '{"a\\"b": ["\\\\", "\\n", "\'", "日本", "🚀", null, [[]]], "": {}}',
        "  [1,   2]  ",
        '"$[0] ? :now %s"',
        '"' + "x" * 100_000 + '"',
    ],
)
def test_a_result_comes_back_to_the_letter(world: World, result: str) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, Succeeded(result)))
    assert world.show(job_id).result == result


@pytest.mark.parametrize("policy", [Retry(), ONCE], ids=["again", "dead"])
def test_an_error_comes_back_to_the_letter(world: World, policy: Retry) -> None:
    error = ErrorInfo(type="pkg.Outer.<locals>.Ä", message=WILD, traceback=WILD * 100)
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, Failed(error=error, names=()), retry=policy))
    assert world.attempts(job_id)[0].error == error


@pytest.mark.parametrize("kind", [Cancelled, Discarded, DeadLettered])
def test_a_reason_comes_back_to_the_letter(world: World, kind: type) -> None:
    node = world.node()
    job_id, delivery = world.running(node)
    world.cycle(node, ended(delivery, kind(reason=WILD)))
    assert world.show(job_id).reason == WILD


@pytest.mark.parametrize("reason", ["nul \0 inside", "lone \ud800 surrogate"])
def test_a_reason_that_cannot_be_stored_never_spoils_the_reading(world: World, reason: str) -> None:
    node = world.node()
    world.enqueue(2)
    bad, good = world.claim(node)
    batch = [ended(bad, DeadLettered(reason=reason)), ended(good)]
    assert world.cycle(node, *batch).lost == []
    spoilt, fine = world.list_jobs().jobs[::-1]
    assert (spoilt.state, fine.state) == (State.DEAD, State.SUCCEEDED)
    assert spoilt.reason is not None
    assert "inside" in spoilt.reason or "surrogate" in spoilt.reason
