"""What a task raises to end its own attempt."""

from datetime import timedelta
from typing import Any

import pytest

from jobhost.errors import InvalidOption
from jobhost.jobs.verdicts import DeadLetter, Defer, Discard, Snooze


@pytest.mark.parametrize("delay", ["5m", timedelta(minutes=5)])
def test_a_snooze_knows_how_long_to_wait(delay: Any) -> None:
    assert Snooze(delay).delay == timedelta(minutes=5)


@pytest.mark.parametrize("delay", [5, None, "later", timedelta(seconds=-1)])
def test_a_snooze_without_a_span_is_refused_with_what_came(delay: Any) -> None:
    with pytest.raises(InvalidOption, match="the delay of Snooze must be"):
        Snooze(delay)


@pytest.mark.parametrize("verdict", [DeadLetter, Defer, Discard])
def test_a_verdict_keeps_its_reason(verdict: type[DeadLetter | Defer | Discard]) -> None:
    raised = verdict("no such customer")
    assert raised.reason == str(raised) == "no such customer"


@pytest.mark.parametrize("verdict", [DeadLetter, Defer, Discard])
@pytest.mark.parametrize("reason", ["", "  ", None, 5])
def test_a_verdict_without_a_reason_is_refused(
    verdict: type[DeadLetter | Defer | Discard], reason: Any
) -> None:
    with pytest.raises(InvalidOption, match=f"{verdict.__name__} needs a reason in words; got"):
        verdict(reason)
