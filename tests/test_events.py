"""Who hears of what happened."""

import logging

import pytest

from jobhost.events import Events, JobsLost, JobsParked


def test_a_subscriber_hears_the_events_of_its_type_in_order_and_no_others() -> None:
    events, heard = Events(), []
    events.subscribe(JobsParked, heard.append)
    for event in (JobsParked(jobs=1), JobsLost(jobs=2, reason="rescued"), JobsParked(jobs=3)):
        events.emit(event)
    assert heard == [JobsParked(jobs=1), JobsParked(jobs=3)]


def test_all_subscribers_of_a_type_hear_an_event_in_the_order_they_came() -> None:
    events, heard = Events(), []
    events.subscribe(JobsParked, lambda event: heard.append(("first", event.jobs)))
    events.subscribe(JobsParked, lambda event: heard.append(("second", event.jobs)))
    events.emit(JobsParked(jobs=1))
    assert heard == [("first", 1), ("second", 1)]


def test_wants_tells_whether_anybody_listens() -> None:
    events = Events()
    assert not events.wants(JobsParked)
    events.subscribe(JobsParked, print)
    assert events.wants(JobsParked)
    assert not events.wants(JobsLost)


def test_a_subscriber_that_raises_is_reported_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events, heard = Events(), []

    def broken(event: JobsParked) -> None:
        raise ValueError("a fault of its own")

    events.subscribe(JobsParked, broken)
    events.subscribe(JobsParked, heard.append)
    with caplog.at_level(logging.ERROR, "jobhost"):
        events.emit(JobsParked(jobs=1))
    assert heard == [JobsParked(jobs=1)]
    assert "a subscriber of JobsParked raised" in caplog.text
    assert "a fault of its own" in caplog.text


def test_what_ends_a_process_is_not_swallowed() -> None:
    events = Events()

    def stop(event: JobsParked) -> None:
        raise KeyboardInterrupt

    events.subscribe(JobsParked, stop)
    with pytest.raises(KeyboardInterrupt):
        events.emit(JobsParked(jobs=1))
