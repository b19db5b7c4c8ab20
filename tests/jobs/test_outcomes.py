"""What follows an attempt: properties over all outcomes and counts, and the limits as examples."""

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.jobs import outcomes
from jobhost.jobs.outcomes import (
    LEFT_DELIVERIES_MAX,
    MAX_CRASHES,
    MAX_LOST_DELIVERIES,
    UNREADABLE,
    BeyondMe,
    Cancelled,
    Counts,
    Crashed,
    DeadLettered,
    Deferred,
    Discarded,
    ErrorInfo,
    Expired,
    Failed,
    Outcome,
    Released,
    Settlement,
    Snoozed,
    Succeeded,
    TooNew,
    Unstorable,
    decide,
    obey_cancel,
)
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import FINAL, Move, State, may

ERROR = ErrorInfo(type="ValueError", message="no")
NAMES = ("builtins.ValueError", "builtins.Exception", "builtins.BaseException")

errors = st.builds(ErrorInfo, type=st.just("ValueError"), message=st.text())
reasons = st.text(min_size=1)
delays = st.floats(min_value=0, max_value=1e9)
counted = st.builds(
    Counts,
    deliveries=st.integers(1, 1100),
    failures=st.integers(0, 1000),
    crashes=st.integers(0, MAX_CRASHES),
)
policies = st.builds(
    Retry,
    max_attempts=st.integers(1, 1000),
    jitter=st.floats(0, 1),
    rules=st.sampled_from([{}, {ValueError: None}, {ValueError: Retry(max_attempts=2)}]),
)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)
failed = st.builds(
    Failed,
    error=errors,
    names=st.just(NAMES),
    timed_out=st.booleans(),
    after_seconds=st.none() | delays,
)
crashed = st.builds(
    Crashed,
    error=errors,
    proven=st.booleans(),
    suspect=st.booleans(),
    lost_deliveries=st.integers(1, 2 * MAX_LOST_DELIVERIES),
    cancel_reason=st.none() | reasons,
)
harmless = st.one_of(
    st.builds(Snoozed, delay_seconds=delays),
    st.builds(Deferred, reason=reasons),
    st.just(TooNew(version=3, known=2)),
    st.just(Released()),
)
beyond = st.builds(BeyondMe, error=errors)
ended = st.one_of(
    st.builds(Unstorable, error=errors),
    st.builds(Cancelled, reason=reasons),
    st.builds(Discarded, reason=reasons),
    st.builds(DeadLettered, reason=reasons, error=st.none() | errors),
    st.just(Expired()),
)
succeeded = st.builds(Succeeded, result=st.just("null"))
every_outcome = st.one_of(succeeded, failed, harmless, beyond, ended, crashed)


def test_the_strategies_cover_every_outcome() -> None:
    covered: set[type] = {Succeeded, Failed, Snoozed, Released, Unstorable, Cancelled, Discarded}
    covered |= {DeadLettered, Crashed, Expired, Deferred, TooNew, BeyondMe}
    assert set(get_args(outcomes.Outcome)) == covered


@given(every_outcome, counted, policies, chances)
def test_every_settlement_goes_along_a_legal_move(
    outcome: Outcome, counts: Counts, policy: Retry, chance: float
) -> None:
    settlement = decide(outcome, counts, policy, chance)
    assert may(settlement.move, State.RUNNING, settlement.target)


@given(every_outcome, counted, policies, chances)
def test_only_a_scheduled_job_waits_and_never_backwards(
    outcome: Outcome, counts: Counts, policy: Retry, chance: float
) -> None:
    settlement = decide(outcome, counts, policy, chance)
    assert (settlement.delay_us > 0) == (settlement.target is State.SCHEDULED)
    assert settlement.delay_us >= 0


@given(st.one_of(failed, harmless, beyond, ended, crashed), counted, policies, chances)
def test_counts_never_fall_and_rise_by_one_for_what_they_count(
    outcome: Outcome, counts: Counts, policy: Retry, chance: float
) -> None:
    settlement = decide(outcome, counts, policy, chance)
    assert settlement.failures - counts.failures == isinstance(outcome, Failed)
    killed = isinstance(outcome, Crashed) and outcome.proven
    assert settlement.crashes - counts.crashes == killed


@given(every_outcome, counted, policies, chances, reasons)
def test_a_cancelled_job_never_comes_back(
    outcome: Outcome, counts: Counts, policy: Retry, chance: float, reason: str
) -> None:
    before = decide(outcome, counts, policy, chance)
    after = obey_cancel(before, reason)
    assert after.target in FINAL
    assert may(after.move, State.RUNNING, after.target)
    assert after.delay_us == 0
    assert (after.failures, after.crashes) == (before.failures, before.crashes)
    assert after == before or after.reason == reason


@given(st.builds(Cancelled, reason=reasons), counted, policies, chances)
def test_a_cancel_that_was_obeyed_ends_the_job_whatever_attempts_are_left(
    outcome: Cancelled, counts: Counts, policy: Retry, chance: float
) -> None:
    settlement = decide(outcome, counts, policy, chance)
    assert settlement.target is State.CANCELLED
    assert settlement.reason == outcome.reason


@given(failed, counted, policies, chances)
def test_no_attempt_follows_once_the_policy_is_used_up(
    outcome: Failed, counts: Counts, policy: Retry, chance: float
) -> None:
    settlement = decide(outcome, counts, policy, chance)
    used_up = settlement.failures >= policy.max_attempts
    if not policy.rules:
        assert (settlement.target is State.DEAD) == used_up
    elif policy.rules["builtins.ValueError"] is None:
        assert settlement.target is State.DEAD


@given(crashed, counted)
def test_a_crash_ends_the_job_exactly_at_its_limits(outcome: Crashed, counts: Counts) -> None:
    settlement = decide(outcome, counts, Retry(max_attempts=1), 0.0)
    if outcome.cancel_reason is not None:
        expected = State.CANCELLED
    elif (
        counts.crashes + outcome.proven >= MAX_CRASHES
        or outcome.lost_deliveries >= MAX_LOST_DELIVERIES
    ):
        expected = State.DEAD
    else:
        expected = State.BLOCKED if outcome.suspect else State.READY
    assert settlement.target is expected
    assert settlement.error == outcome.error


def settle(
    outcome: Outcome, counts: Counts | None = None, policy: Retry | None = None
) -> Settlement:
    return decide(outcome, counts or Counts(), policy or Retry(), 0.0)


@pytest.mark.parametrize(
    ("outcome", "move", "target", "label", "reason"),
    [
        (Succeeded("1"), Move.COMPLETE, State.SUCCEEDED, "succeeded", None),
        (
            Unstorable(error=ERROR),
            Move.COMPLETE,
            State.SUCCEEDED,
            "unstorable",
            "result unstorable",
        ),
        (Failed(error=ERROR, names=NAMES), Move.RETRY, State.SCHEDULED, "failed", None),
        (
            Failed(error=ERROR, names=NAMES, timed_out=True),
            Move.RETRY,
            State.SCHEDULED,
            "timed out",
            None,
        ),
        (
            Failed(error=ERROR, names=NAMES, after_seconds=0.0),
            Move.RETRY,
            State.READY,
            "failed",
            None,
        ),
        (Snoozed(delay_seconds=5), Move.SNOOZE, State.SCHEDULED, "snoozed", None),
        (Snoozed(delay_seconds=0), Move.SNOOZE, State.READY, "snoozed", None),
        (Released(), Move.RELEASE, State.READY, "released", None),
        (Cancelled(reason="no"), Move.CANCEL, State.CANCELLED, "cancelled", "no"),
        (Discarded(reason="old"), Move.DISCARD, State.CANCELLED, "discarded", "old"),
        (DeadLettered(reason="bad"), Move.FAIL, State.DEAD, "dead-lettered", "bad"),
    ],
)
def test_each_outcome_has_its_move_and_its_words(
    outcome: Outcome, move: Move, target: State, label: str, reason: str | None
) -> None:
    settlement = settle(outcome)
    said = (settlement.move, settlement.target, settlement.label, settlement.reason)
    assert said == (move, target, label, reason)


def test_the_wait_that_the_task_asked_for_replaces_the_backoff() -> None:
    policy = Retry(first_delay="1h", jitter=0)
    settlement = settle(Failed(error=ERROR, names=NAMES, after_seconds=2.5), policy=policy)
    assert settlement.delay_us == 2_500_000


def test_the_wait_that_the_task_asked_for_does_not_add_attempts() -> None:
    outcome = Failed(error=ERROR, names=NAMES, after_seconds=2.5)
    assert settle(outcome, policy=Retry(max_attempts=1)).target is State.DEAD


@pytest.mark.parametrize(
    ("attempts", "timed_out", "reason"),
    [
        (1, False, "failed: ValueError"),
        (3, False, "failed 3 of 3 times: ValueError"),
        (3, True, "timed out 3 of 3 times: ValueError"),
    ],
)
def test_a_dead_job_says_how_often_it_failed_and_why(
    attempts: int, timed_out: bool, reason: str
) -> None:
    outcome = Failed(error=ERROR, names=NAMES, timed_out=timed_out)
    counts = Counts(failures=attempts - 1)
    assert settle(outcome, counts, Retry(max_attempts=attempts)).reason == reason


def test_a_job_dies_at_the_third_proven_kill_of_its_worker() -> None:
    kill = Crashed(error=ERROR, proven=True, lost_deliveries=1)
    targets = [settle(kill, Counts(crashes=before)).target for before in range(MAX_CRASHES)]
    assert targets == [State.READY, State.READY, State.DEAD]


def test_a_job_dies_at_the_twentieth_delivery_without_a_verdict() -> None:
    def target(lost: int) -> State:
        return settle(Crashed(error=ERROR, proven=False, lost_deliveries=lost)).target

    assert target(MAX_LOST_DELIVERIES - 1) is State.READY
    assert target(MAX_LOST_DELIVERIES) is State.DEAD


def test_a_crash_spends_no_attempt_of_the_retry_policy() -> None:
    kill = Crashed(error=ERROR, proven=True, lost_deliveries=1)
    settlement = settle(kill, Counts(failures=4), Retry(max_attempts=5))
    assert (settlement.target, settlement.failures) == (State.READY, 4)


def test_a_job_that_workers_are_too_old_for_waits_longer_each_time_up_to_a_minute() -> None:
    def after(deliveries: int) -> Settlement:
        return decide(TooNew(version=3, known=2), Counts(deliveries=deliveries), Retry(), 0.0)

    seconds = [after(deliveries).delay_us / 1_000_000 for deliveries in (1, 2, 3, 6, 7, 8, 10**6)]
    assert seconds == [1, 2, 4, 32, 60, 60, 60]
    first = after(1)
    assert (first.target, first.failures, first.crashes) == (State.SCHEDULED, 0, 0)
    assert first.error is not None
    assert first.error.message == "its arguments are of version 3, this worker knows 2"


def test_a_job_with_an_argument_that_nobody_knows_is_left_to_newer_workers_and_then_dead() -> None:
    def after(deliveries: int) -> Settlement:
        return decide(BeyondMe(error=ERROR), Counts(deliveries=deliveries), Retry(), 0.0)

    left = [after(deliveries) for deliveries in range(1, LEFT_DELIVERIES_MAX)]
    assert {one.target for one in left} == {State.SCHEDULED}
    assert sum(one.delay_us for one in left) > timedelta(minutes=10) / timedelta(microseconds=1)
    last = after(LEFT_DELIVERIES_MAX)
    assert (last.target, last.reason, last.error) == (State.DEAD, UNREADABLE, ERROR)
