"""Until when a job may start, as values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.clock import Instant, to_instant
from jobhost.errors import InvalidOption
from jobhost.jobs.envelope import Envelope, seal
from jobhost.jobs.expiry import Expiry, capped, expiry_of
from jobhost.jobs.options import Options, resolve

HOUR = 3_600_000_000
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def resolved(
    call: Options, task: Options | None = None, queue: Options | None = None
) -> Expiry | None:
    queues = {} if queue is None else {"default": queue}
    return resolve(call, task or Options(), queues, Options()).expiry


def test_a_job_without_expiry_has_none() -> None:
    assert resolved(Options()) is None
    assert resolved(Options(on_expiry="drop")) is None
    assert seal(Options(), resolve(Options(), Options(), {}, Options())).to_text() is None


def test_the_call_wins_over_the_task_and_none_takes_it_back() -> None:
    task = Options(expires="1h", on_expiry="drop")
    assert resolved(Options(), task) == Expiry(after_us=HOUR, dropped=True)
    assert resolved(Options(expires="2h", on_expiry="dead"), task) == Expiry(after_us=2 * HOUR)
    assert resolved(Options(expires=None), task) is None


@pytest.mark.requirement("R-MSG-24")
def test_the_queues_own_is_a_cap() -> None:
    queue = Options(expires="1h")
    assert resolved(Options(expires="2h"), None, queue) == Expiry(after_us=HOUR)
    assert resolved(Options(expires="30m"), None, queue) == Expiry(after_us=HOUR // 2)
    assert resolved(Options(expires=None), None, queue) == Expiry(after_us=HOUR)
    assert resolved(Options(expires=NOON), None, queue) == Expiry(
        at=to_instant(NOON), after_us=HOUR
    )


@pytest.mark.requirement("R-MSG-24")
def test_what_the_store_says_of_the_queue_is_a_cap_as_well() -> None:
    def cap(own: Expiry | None, *, dropped: bool = False) -> Expiry:
        return capped(own, HOUR, None, None, dropped=dropped)

    assert cap(None, dropped=True) == Expiry(after_us=HOUR, dropped=True)
    assert cap(Expiry(after_us=2 * HOUR), dropped=True) == Expiry(after_us=HOUR)
    assert cap(Expiry(after_us=5)) == Expiry(after_us=5)
    assert cap(Expiry(at=Instant(9))) == Expiry(at=Instant(9), after_us=HOUR)


def test_a_span_counts_from_the_later_of_acceptance_and_due_time() -> None:
    assert resolved(Options(expires="1h", delay="2h")) == Expiry(after_us=3 * HOUR)
    due = to_instant(NOON)
    expiry = resolved(Options(expires="1h", run_at=NOON))
    assert expiry == Expiry(after_us=HOUR, since=due)
    assert expiry.instant(accepted_at=due - 5) == due + HOUR
    assert expiry.instant(accepted_at=due + 5) == due + 5 + HOUR


def test_the_first_end_counts() -> None:
    both = Expiry(at=Instant(100), after_us=50)
    assert both.instant(10) == 60
    assert both.instant(80) == 100


EXPIRIES = st.builds(
    Expiry,
    at=st.none() | st.integers(0, 2**53).map(Instant),
    after_us=st.integers(1, 2**53),
    since=st.none() | st.integers(0, 2**53).map(Instant),
    dropped=st.booleans(),
)


@given(EXPIRIES)
def test_an_expiry_travels_in_the_envelope_unchanged(expiry: Expiry) -> None:
    assert Envelope.from_text(Envelope(expiry=expiry).to_text()).expiry == expiry


@given(EXPIRIES, st.integers(1, 2**53), st.integers(0, 2**53))
def test_a_cap_never_makes_it_later(expiry: Expiry, limit: int, accepted: int) -> None:
    under = capped(expiry, limit, None, expiry.since, dropped=False)
    assert under.instant(accepted) <= expiry.instant(accepted)
    assert under.instant(accepted) <= max(accepted, expiry.since or 0) + limit


@pytest.mark.parametrize(
    "value",
    ["0s", timedelta(0), "soon", 5, datetime(2030, 1, 1), "-1h", True],  # noqa: DTZ001
)
def test_a_bad_expiry_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption, match="expires"):
        Options(expires=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["delete", None, 1])
def test_only_two_things_can_become_of_it(value: object) -> None:
    with pytest.raises(InvalidOption, match="on_expiry must be 'dead'"):
        Options(on_expiry=value)  # type: ignore[arg-type]


def test_both_in_one_expression_is_no_error_with_a_narrower_instant() -> None:
    found = expiry_of(NOON, NOON + timedelta(hours=1), dropped=True)
    assert found == Expiry(at=to_instant(NOON), dropped=True)
