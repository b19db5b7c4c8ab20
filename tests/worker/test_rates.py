"""What a worker tells of the last minute."""

from typing import Any

from jobhost.jobs.outcomes import (
    COMPLETED,
    Counts,
    ErrorInfo,
    Failed,
    Outcome,
    Snoozed,
    decide,
)
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.worker.rates import LINES_MAX, Rates

NONE = Counts(deliveries=1, failures=0, crashes=0)


class Now:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def delivery(queue: str = "mail", priority: int = 0) -> Delivery:
    given: dict[str, Any] = dict.fromkeys(Delivery._fields)
    return Delivery(**{**given, "queue": queue, "priority": priority})


def ended(outcome: Outcome | None = None) -> Ended:
    settlement = COMPLETED if outcome is None else decide(outcome, NONE, Retry(), 0.0)
    return Ended(1, 1, 10, settlement, None)


FAILED = Failed(error=ErrorInfo(type="E", message="", traceback=""), names=("E",))


def test_starts_ends_and_failures_are_counted_by_queue_and_priority() -> None:
    rates = Rates(Now())
    rates.started([delivery(), delivery(), delivery(priority=5), delivery("other")])
    rates.ended(delivery(), ended())
    rates.ended(delivery(), ended(FAILED))
    rates.ended(delivery(priority=5), ended(Snoozed(delay_seconds=1.0)))
    assert rates.tell()["queues"] == [
        ["mail", 0, 2, 1, 1],
        ["mail", 5, 1, 0, 0],
        ["other", 0, 1, 0, 0],
    ]


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    now = Now()
    rates = Rates(now)
    rates.started([delivery()])
    now.seconds += 50
    rates.started([delivery()])
    assert rates.tell() == {"seconds": 50.0, "queues": [["mail", 0, 2, 0, 0]]}
    now.seconds += 15
    told = rates.tell()
    assert told["queues"] == [["mail", 0, 1, 0, 0]]
    assert 55 <= told["seconds"] <= 60
    now.seconds += 100
    assert rates.tell()["queues"] == []


def test_a_young_worker_tells_how_short_it_has_counted() -> None:
    now = Now()
    rates = Rates(now)
    now.seconds += 4
    rates.started([delivery()])
    assert rates.tell() == {"seconds": 4.0, "queues": [["mail", 0, 1, 0, 0]]}


def test_a_program_with_ever_new_queues_tells_of_some() -> None:
    rates = Rates(Now())
    rates.started(delivery(f"queue-{number}") for number in range(LINES_MAX + 50))
    assert len(rates.tell()["queues"]) == LINES_MAX
