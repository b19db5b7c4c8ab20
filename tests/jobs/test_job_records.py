"""What a reader of the store gets to see, as plain values."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from jobhost.jobs.envelope import Envelope
from jobhost.jobs.outcomes import ErrorInfo
from jobhost.jobs.records import Attempt, JobRecord, attempt_to_json, error_to_json
from jobhost.jobs.states import FINAL, State

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
RECORD = JobRecord(
    id=UUID(int=1),
    number=7,
    task="thumbnail",
    queue="default",
    priority=0,
    state=State.DEAD,
    reason="failed: ValueError",
    created_at=NOON,
    due_at=None,
    claimed_at=NOON + timedelta(seconds=1),
    ended_at=NOON + timedelta(seconds=2),
    epoch=1,
    deliveries=1,
    failures=1,
    crashes=0,
    worker="here:1",
    payload="{}",
    envelope=Envelope(tags=("io",), headers={"a": "1"}),
    parent=UUID(int=2),
    result=None,
    error=ErrorInfo(type="ValueError", message="no"),
)


def test_a_record_becomes_json_with_instants_in_iso_8601() -> None:
    plain = json.loads(json.dumps(RECORD.to_json()))
    assert plain["created_at"] == "2030-01-01T12:00:00+00:00"
    assert plain["due_at"] is None
    assert plain["state"] == "dead"
    assert plain["parent"] == str(UUID(int=2))
    assert plain["error"] == {"type": "ValueError", "message": "no", "traceback": ""}
    assert plain["trigger"] == {"kind": "event", "detail": "enqueue"}
    assert (plain["tags"], plain["headers"]) == (["io"], {"a": "1"})


def test_neither_arguments_nor_results_are_in_what_listings_print() -> None:
    assert not {"payload", "result"} & RECORD.to_json().keys()


def test_a_job_without_a_correlation_starts_one_with_its_own_id() -> None:
    assert RECORD.correlation_id == str(RECORD.id)
    related = replace(RECORD, envelope=Envelope(correlation_id="order 7"))
    assert related.correlation_id == "order 7"


@pytest.mark.parametrize("state", list(State))
def test_a_record_is_final_in_the_final_states_only(state: State) -> None:
    assert replace(RECORD, state=state).is_final == (state in FINAL)


def test_an_attempt_becomes_json() -> None:
    attempt = Attempt(
        epoch=2,
        outcome="crashed",
        claimed_at=None,
        ended_at=NOON,
        duration_seconds=None,
        worker=None,
        error=None,
    )
    assert json.loads(json.dumps(attempt_to_json(attempt))) == {
        "epoch": 2,
        "outcome": "crashed",
        "claimed_at": None,
        "ended_at": "2030-01-01T12:00:00+00:00",
        "duration_seconds": None,
        "worker": None,
        "error": None,
    }
    assert error_to_json(None) is None
