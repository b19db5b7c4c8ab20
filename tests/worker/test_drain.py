"""When a worker stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.worker.drain import RELEASE_SECONDS, Drain, Phase, Signal

_WAIT = 30.0
_EVENTS = st.lists(
    st.tuples(st.sampled_from(list(Signal)), st.floats(0.0, 20.0), st.booleans()), max_size=40
)


def _live(events: list[tuple[Signal, float, bool]]) -> list[tuple[Drain, float]]:
    """The states that a worker goes through, each with the time at which it was reached."""
    drain, now = Drain(wait_seconds=_WAIT), 0.0
    states = [(drain, now)]
    for signal, pause, idle in events:
        now += pause
        drain = drain.step(signal, now, idle=idle)
        states.append((drain, now))
    return states


@given(_EVENTS)
def test_who_has_stopped_claiming_never_claims_again(events):
    claims = [drain.claims for drain, _ in _live(events)]

    assert claims == sorted(claims, reverse=True)


@given(_EVENTS)
def test_phases_only_go_forward_and_leaving_is_the_end(events):
    order = list(Phase)  # as they are declared
    ranks = [order.index(drain.phase) for drain, _ in _live(events)]

    assert ranks == sorted(ranks)


@given(_EVENTS)
def test_a_stop_always_ends_in_leaving_even_if_nothing_ever_becomes_idle(events):
    drain, now = _live([*events, (Signal.STOP, 0.0, False)])[-1]

    drain = drain.step(Signal.TICK, now + _WAIT)
    drain = drain.step(Signal.TICK, now + _WAIT + RELEASE_SECONDS)

    assert drain.phase is Phase.LEAVING


@given(_EVENTS)
def test_a_second_stop_ends_within_the_release_time(events):
    drain, now = _live([*events, (Signal.STOP, 0.0, False), (Signal.STOP, 0.0, False)])[-1]

    assert drain.step(Signal.TICK, now + RELEASE_SECONDS).phase is Phase.LEAVING


@given(_EVENTS)
def test_more_stops_never_put_the_end_off(events):
    first, now = _live([*events, (Signal.STOP, 0.0, False), (Signal.STOP, 0.0, False)])[-1]
    again = first.step(Signal.STOP, now + RELEASE_SECONDS / 2)

    assert again.deadline == first.deadline
    assert again.phase is first.phase


@given(_EVENTS)
def test_a_worker_that_drains_leaves_as_soon_as_it_is_idle(events):
    drain, now = _live([*events, (Signal.STOP, 0.0, False)])[-1]

    assert drain.step(Signal.TICK, now, idle=True).phase is Phase.LEAVING


def test_an_idle_worker_that_nobody_stopped_goes_on():
    assert Drain(wait_seconds=_WAIT).step(Signal.TICK, 1e9, idle=True).claims


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.RUNNING])
def test_finish_means_nothing_to_a_worker_that_is_stopping(phase):
    drain = Drain(wait_seconds=_WAIT, phase=phase, deadline=5.0)

    assert drain.step(Signal.FINISH, 0.0) == drain


def test_a_burst_leaves_when_nothing_is_left():
    assert Drain(wait_seconds=_WAIT).step(Signal.FINISH, 0.0).phase is Phase.LEAVING


@given(_EVENTS)
def test_retired_is_remembered_to_the_end(events):
    drain = Drain(wait_seconds=_WAIT).step(Signal.RETIRE, 0.0)
    for signal, now, idle in events:
        drain = drain.step(signal, now, idle=idle)

    assert drain.retired


@given(_EVENTS)
def test_drains_hasten_nothing_that_has_begun(events):
    drain, now = _live([*events, (Signal.DRAIN, 0.0, False)])[-1]

    assert drain.step(Signal.DRAIN, now + 1.0) == drain


@given(_EVENTS)
def test_only_a_second_stop_or_a_deadline_releases(events):
    states = _live(events)
    for (before, _), (after, now), (signal, _, _) in zip(
        states[:-1], states[1:], events, strict=True
    ):
        if after.phase is Phase.RELEASING and before.phase is not Phase.RELEASING:
            again = signal is Signal.STOP and before.stopped
            assert again or (signal is Signal.TICK and now >= before.deadline)


def test_a_worker_that_makes_room_claims_nothing_and_lets_its_jobs_take_their_time():
    drain = Drain(wait_seconds=_WAIT).step(Signal.RECYCLE, 0.0)

    assert drain.step(Signal.TICK, 1e9) == drain
    assert (drain.claims, drain.recycled) == (False, True)
    left = drain.step(Signal.TICK, 1e9, idle=True)
    assert (left.phase, left.recycled) == (Phase.LEAVING, True)


@pytest.mark.parametrize("signal", [Signal.STOP, Signal.DRAIN])
def test_a_worker_that_makes_room_drains_from_the_moment_it_is_told_to(signal):
    drain = Drain(wait_seconds=_WAIT).step(Signal.RECYCLE, 0.0).step(signal, 100.0)

    assert (drain.phase, drain.deadline) == (Phase.DRAINING, 100.0 + _WAIT)
    assert not drain.recycled, "no fresh process is to follow"


def test_a_worker_that_makes_room_retires_when_a_job_cannot_be_stopped():
    drain = Drain(wait_seconds=_WAIT).step(Signal.RECYCLE, 0.0).step(Signal.RETIRE, 100.0)

    assert (drain.phase, drain.deadline) == (Phase.RETIRING, 100.0 + _WAIT)


def test_the_first_stop_of_a_worker_that_retires_keeps_its_deadline_and_the_second_releases():
    retiring = Drain(wait_seconds=_WAIT).step(Signal.RETIRE, 0.0)
    first = retiring.step(Signal.STOP, 5.0)

    assert (first.phase, first.deadline) == (Phase.RETIRING, retiring.deadline)
    assert first.step(Signal.STOP, 6.0).phase is Phase.RELEASING


def test_the_first_stop_after_a_drain_keeps_its_deadline_and_the_second_releases():
    draining = Drain(wait_seconds=_WAIT).step(Signal.DRAIN, 0.0)
    first = draining.step(Signal.STOP, 5.0)

    assert (first.phase, first.deadline) == (Phase.DRAINING, draining.deadline)
    assert first.step(Signal.STOP, 6.0).phase is Phase.RELEASING
