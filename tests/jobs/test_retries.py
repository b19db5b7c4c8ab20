"""Whether there is another attempt, and how long it waits."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.errors import InvalidOption
from jobhost.jobs.retries import MAX_ATTEMPTS_CEILING, Retry, backoff, class_names, judge

spans = st.one_of(
    st.timedeltas(timedelta(0), timedelta(days=3660)),
    st.timedeltas(timedelta(0), timedelta(milliseconds=1)),
)
shares = st.floats(0, 1)
chances = st.floats(0, 1, exclude_max=True)
failures = st.integers(1, MAX_ATTEMPTS_CEILING)
simple_policies = st.builds(
    Retry,
    max_attempts=st.integers(1, MAX_ATTEMPTS_CEILING),
    first_delay=spans,
    factor=st.floats(1, 100),
    max_delay=spans,
    jitter=shares,
)
policies = st.builds(
    Retry,
    max_attempts=st.integers(1, MAX_ATTEMPTS_CEILING),
    first_delay=spans,
    factor=st.floats(1, 100),
    max_delay=spans,
    jitter=shares,
    rules=st.dictionaries(
        st.sampled_from(["ValueError", "app.errors.BusyError", KeyError, OSError]),
        st.none() | simple_policies,
    ),
)


class BusyError(ConnectionError):
    pass


@given(simple_policies, failures, chances)
def test_the_wait_stays_between_its_jittered_and_its_longest(
    policy: Retry, failure: int, chance: float
) -> None:
    longest = policy.max_delay.total_seconds()
    full = backoff(policy, failure, 0.0)
    wait = backoff(policy, failure, chance)
    assert 0 <= full * (1 - policy.jitter) <= wait * (1 + 1e-9) + 1e-9
    assert wait <= full <= longest


@given(simple_policies, st.integers(1, MAX_ATTEMPTS_CEILING - 1))
def test_without_chance_no_wait_is_shorter_than_the_one_before(policy: Retry, failure: int) -> None:
    assert backoff(policy, failure + 1, 0.0) >= backoff(policy, failure, 0.0)


def test_the_wait_doubles_from_the_first_delay_up_to_the_longest() -> None:
    policy = Retry(first_delay="5s", factor=2, max_delay="1m", jitter=0)
    assert [backoff(policy, n, 0.9) for n in range(1, 7)] == [5, 10, 20, 40, 60, 60]


def test_a_growth_beyond_what_a_float_holds_is_the_longest_wait() -> None:
    policy = Retry(first_delay="5s", factor=100, max_delay="1h", jitter=0)
    assert backoff(policy, MAX_ATTEMPTS_CEILING, 0.0) == 3600


@given(policies)
def test_a_policy_survives_json(policy: Retry) -> None:
    back = Retry.from_json(json.loads(json.dumps(policy.to_json())))
    assert back == policy
    assert hash(back) == hash(policy)
    assert back.to_json() == policy.to_json()


@given(simple_policies, failures, chances)
def test_the_attempts_are_bounded_by_the_policy(policy: Retry, failure: int, chance: float) -> None:
    verdict = judge(policy, class_names(ValueError), failure, chance)
    assert verdict.again == (failure < policy.max_attempts)
    assert verdict.max_attempts == policy.max_attempts


@pytest.mark.parametrize(
    ("error", "bound"),
    [
        (BusyError, 7),  # its own rule
        (ConnectionResetError, 4),  # the nearest base class is ConnectionError
        (FileNotFoundError, 2),  # then OSError
        (ValueError, 5),  # no rule at all: the policy itself
        (KeyError, 1),  # never again
    ],
)
def test_the_rule_of_the_nearest_base_class_counts(error: type[Exception], bound: int) -> None:
    policy = Retry(
        max_attempts=5,
        rules={
            OSError: Retry(max_attempts=2),
            ConnectionError: Retry(max_attempts=4),
            BusyError: Retry(max_attempts=7),
            LookupError: None,
        },
    )
    attempts = 1
    while judge(policy, class_names(error), attempts, 0.0).again:
        attempts += 1
    assert attempts == bound


def test_a_rule_may_be_given_by_class_or_by_name() -> None:
    by_class = Retry(rules={ValueError: None, BusyError: None})
    by_name = Retry(rules={"ValueError": None, f"{__name__}.BusyError": None})
    assert by_class == by_name


def test_a_rule_brings_its_own_waits() -> None:
    policy = Retry(first_delay="1h", rules={BusyError: Retry(first_delay="1s", jitter=0)})
    assert judge(policy, class_names(BusyError), 1, 0.5).delay_seconds == 1.0


def test_class_names_go_from_the_class_to_its_last_base_without_object() -> None:
    names = class_names(BusyError)
    assert names[0] == f"{__name__}.BusyError"
    assert names[1:] == (
        "builtins.ConnectionError",
        "builtins.OSError",
        "builtins.Exception",
        "builtins.BaseException",
    )


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"max_attempts": 0}, "max_attempts must be a whole number from 1 to 1000; got 0"),
        ({"max_attempts": 1001}, "max_attempts.*got 1001"),
        ({"max_attempts": 2.0}, "max_attempts.*got 2.0"),
        ({"max_attempts": True}, "max_attempts.*got True"),
        ({"max_attempts": "3"}, "max_attempts.*got '3'"),
        ({"first_delay": 5}, "first_delay.*got 5"),
        ({"first_delay": "-5s"}, "first_delay.*got '-5s'"),
        ({"first_delay": timedelta(seconds=-1)}, "first_delay"),
        ({"max_delay": "1y"}, "max_delay.*got '1y'"),
        ({"factor": 0.5}, "factor must be a number from 1 to 100; got 0.5"),
        ({"factor": 101}, "factor.*got 101"),
        ({"factor": float("nan")}, "factor.*got nan"),
        ({"factor": "2"}, "factor.*got '2'"),
        ({"jitter": -0.1}, "jitter.*got -0.1"),
        ({"jitter": 1.1}, "jitter.*got 1.1"),
        ({"jitter": float("nan")}, "jitter.*got nan"),
        ({"after": "soon"}, "after.*got 'soon'"),
        ({"rules": {int: None}}, "retry rule.*got <class 'int'>"),
        ({"rules": {"": None}}, "retry rule.*got ''"),
        ({"rules": {5: None}}, "retry rule.*got 5"),
        ({"rules": {ValueError: 3}}, "retry rule for <class 'ValueError'> .*got 3"),
        ({"rules": [ValueError]}, "rules must map exception classes.*got"),
        ({"rules": 5}, "rules must map exception classes.*got 5"),
        ({"reason": 5}, "reason must say in words.*got 5"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_itself(
    wrong: dict[str, Any], word: str
) -> None:
    with pytest.raises(InvalidOption, match=word):
        Retry(**wrong)


def test_policies_are_equal_by_what_they_say() -> None:
    assert Retry() == Retry(max_attempts=5, first_delay="5000ms")
    assert Retry() != Retry(max_attempts=4)
    assert Retry() != "Retry()"
    assert "max_attempts=5" in repr(Retry())


def test_raised_it_carries_its_reason_and_its_wait() -> None:
    raised = Retry(after="30s", reason="the mail server is busy")
    assert str(raised) == "the mail server is busy"
    assert raised.after == timedelta(seconds=30)
    assert str(Retry()) == "the task asked for another attempt"
