"""Every cause for which a job is where it is, with its sentence and its next step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from jobhost.jobs.envelope import Envelope
from jobhost.jobs.explain import PLACE_MAX, Cause, Situation, explain
from jobhost.jobs.hours import Opening
from jobhost.jobs.outcomes import LEFT, SUSPECT, ErrorInfo
from jobhost.jobs.queues import QueueSettings
from jobhost.jobs.records import Attempt, JobRecord, NodeRecord, Vitals
from jobhost.jobs.states import State

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ID = UUID("0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10")
BOOM = ErrorInfo(type="shop.Down", message="no answer\nsecond line")


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def job(state: State, **changes: Any) -> JobRecord:
    plain = JobRecord(
        id=ID, number=7, task="mail", queue="out", priority=0, state=state, reason=None,
        created_at=ago(hours=1), due_at=None, claimed_at=None, ended_at=None, epoch=1,
        deliveries=0, failures=0, crashes=0, worker=None, payload="{}", envelope=Envelope(),
        parent=None, result=None, error=None,
    )  # fmt: skip
    return replace(plain, **changes)


def worker(**changes: Any) -> NodeRecord:
    plain = NodeRecord(
        number=1, kind="worker", supervisor=None, worker="web1:7", version="1", slots=2,
        queues=("out",), tasks=("mail",), started_at=ago(hours=2), heartbeat_at=ago(seconds=1),
        heartbeat_seconds=1.0, lease_live=True, drain_requested_at=None, ended_at=None,
        end_reason=None, running=0, vitals=Vitals(),
    )  # fmt: skip
    return replace(plain, **changes)


def last(outcome: str, error: ErrorInfo | None = None) -> Attempt:
    return Attempt(
        epoch=1, outcome=outcome, claimed_at=ago(minutes=2), ended_at=ago(minutes=1),
        duration_seconds=1.0, worker="web1:7", error=error,
    )  # fmt: skip


READY = job(State.READY)
LATER = job(State.SCHEDULED, due_at=NOW + timedelta(minutes=3))
RUNS = job(State.RUNNING, claimed_at=ago(minutes=2), worker="web1:7")
CLOSED = QueueSettings(
    name="out",
    hours="22:00-06:00",
    opening=Opening(at=NOW, open=False, until=NOW + timedelta(hours=10)),
)
UNREADABLE = QueueSettings(name="out", hours="at dusk", opening=Opening(at=NOW, open=False))
AGEING = QueueSettings(name="out", raise_priority_after=timedelta(minutes=10))
PAUSED = QueueSettings(name="out", paused_at=ago(hours=3), pause_reason="the bank is down")

CASES: list[tuple[Cause, dict[str, Any], str, str | None]] = [
    (
        Cause.SUCCEEDED, {"job": job(State.SUCCEEDED, ended_at=ago(minutes=5))},
        "it succeeded 5m ago", None,
    ),
    (
        Cause.DEAD,
        {"job": job(State.DEAD, ended_at=ago(days=1), reason="failed 5 of 5 times", error=BOOM)},
        "it failed for good 1d ago: failed 5 of 5 times (no answer)", "jobs redrive",
    ),
    (
        Cause.CANCELLED, {"job": job(State.CANCELLED, ended_at=ago(hours=1), reason="by Ann")},
        "it was cancelled 1h ago: by Ann", "jobs redrive",
    ),
    (Cause.RUNNING, {"job": RUNS}, "it runs on web1:7 for 2m, attempt 1", "jobs logs"),
    (
        Cause.CANCELLING, {"job": replace(RUNS, cancel_requested=True)},
        "it runs on web1:7 for 2m and was asked to stop", "cancel token",
    ),
    (
        Cause.LEASE_LAPSED, {"job": RUNS, "nodes": [worker(lease_live=False)]},
        "the lease of its worker web1:7 has run out", "start a worker",
    ),
    (
        Cause.LEASE_LAPSED, {"job": RUNS, "nodes": [worker(worker="web2:9")]},
        "the lease of its worker web1:7 has run out", "takes it over by itself",
    ),
    (
        Cause.WORKER_DIED, {"job": RUNS, "nodes": [worker()], "dead": {1}},
        "its worker web1:7 died while it ran", "start a worker",
    ),
    (
        Cause.WORKER_DIED,
        {
            "job": replace(RUNS, cancel_requested=True),
            "nodes": [worker(), worker(number=2, worker="web1:8")], "dead": {1},
        },
        "its worker web1:7 died while it ran", "takes it over by itself",
    ),
    (
        Cause.SUCCEEDED,
        {
            "job": job(
                State.SUCCEEDED, ended_at=ago(minutes=5), reason="result unstorable", error=BOOM
            )
        },
        "it succeeded 5m ago, but result unstorable (no answer)", "its work is done",
    ),
    (
        Cause.EXPIRED, {"job": READY, "expired_at": ago(seconds=3), "settings": PAUSED},
        "its time to start was over 3s ago: it does not run any more", "a worker ends it by itself",
    ),
    (
        Cause.EXPIRED, {"job": LATER, "expired_at": ago(hours=3), "nodes": []},
        "its time to start was over 3h ago", "the next worker that starts ends it",
    ),
    (Cause.NO_WORKER, {"job": READY, "dead": {1}}, "no worker runs", "jobhost worker"),
    (
        Cause.NO_WORKER, {"job": READY, "nodes": [worker(queues=())]},
        "no worker runs", "jobhost worker",
    ),
    (Cause.DELAYED, {"job": LATER}, "it was enqueued for later: due in 3m", None),
    (
        Cause.RETRYING,
        {
            "job": replace(LATER, deliveries=1, failures=1),
            "last": last("failed", BOOM),
        },
        "its last attempt failed with shop.Down (no answer); it is tried again in 3m, after "
        "1 failure so far", "jobs show",
    ),
    (
        Cause.SNOOZED, {"job": replace(LATER, deliveries=1), "last": last("snoozed")},
        "it snoozes by itself: due in 3m", None,
    ),
    (
        Cause.OVERDUE, {"job": replace(LATER, due_at=ago(minutes=4)), "nodes": []},
        "it was due 4m ago, and no worker runs to see to that", "jobhost worker",
    ),
    (
        Cause.DELAYED, {"job": replace(LATER, due_at=ago(seconds=1))},
        "it was enqueued for later: due now", None,
    ),
    (
        Cause.PAUSED, {"job": READY, "settings": PAUSED, "nodes": []},
        "queue 'out' is paused 3h ago: the bank is down", "queues resume out",
    ),
    (
        Cause.CLOSED, {"job": READY, "settings": CLOSED, "nodes": []},
        "its queue 'out' opens at 22:00 UTC (in 10h)", "queues set out --hours none",
    ),
    (
        Cause.CLOSED, {"job": READY, "settings": UNREADABLE},
        "its queue 'out' is closed, and its hours cannot be read here", "queues set out",
    ),
    (
        Cause.IN_LINE, {"job": READY, "settings": AGEING, "place": 4},
        "3 jobs stand before it", "it gets one after each 10m of waiting",
    ),
    (Cause.NO_WORKER, {"job": READY, "nodes": []}, "no worker runs", "jobhost worker"),
    (
        Cause.NO_WORKER, {"job": READY, "nodes": [worker(kind="node"), worker(lease_live=False)]},
        "no worker runs", "jobhost worker",
    ),
    (
        Cause.QUEUE_UNSERVED, {"job": READY, "nodes": [worker(queues=("oud", "in"))]},
        "no worker serves queue 'out' (did you mean 'oud'?)", "--queues out",
    ),
    (
        Cause.TASK_UNKNOWN, {"job": READY, "nodes": [worker(tasks=("mails",))]},
        "no worker of queue 'out' knows task 'mail' (did you mean 'mails'?)", "deploy",
    ),
    (
        Cause.TASK_UNKNOWN,
        {"job": job(State.BLOCKED, reason="no worker knows its task"), "nodes": [worker(tasks=())]},
        "no worker of queue 'out' knows task 'mail'", "deploy",
    ),
    (
        Cause.DRAINING, {"job": READY, "nodes": [worker(drain_requested_at=ago(minutes=1))]},
        "every worker for it is draining (web1:7)", "start another",
    ),
    (
        Cause.BUSY, {"job": READY, "place": 4, "nodes": [worker(running=2)]},
        "all 2 slots of the workers for queue 'out' are taken, and 3 jobs stand before it",
        "--concurrency",
    ),
    (
        Cause.BUSY, {"job": READY, "place": None, "nodes": [worker(running=2)]},
        f"{PLACE_MAX:,} jobs or more stand before it", "--concurrency",
    ),
    (
        Cause.BUSY, {"job": READY, "place": 1, "nodes": [worker(slots=1, running=1)]},
        "the one slot of the workers for queue 'out' is taken, and it is the next of its queue",
        "--concurrency",
    ),
    (
        Cause.IN_LINE, {"job": READY, "place": 2},
        "1 job stands before it in queue 'out', and workers take them in order", "priority",
    ),
    (Cause.NEXT, {"job": READY, "place": 1}, "it is the next of its queue", None),
    (
        Cause.SUSPECT, {"job": job(State.BLOCKED, reason=SUSPECT)},
        "its worker died while it ran", None,
    ),
    (
        Cause.SUSPECT, {"job": job(State.BLOCKED, reason=SUSPECT), "nodes": []},
        "its worker died while it ran, so it runs next alone in a process of its own, and no "
        "worker runs", "start one",
    ),
    (
        Cause.SUSPECT,
        {"job": job(State.BLOCKED, reason=SUSPECT), "nodes": [worker(queues=("in",))]},
        "and no worker serves queue 'out' (known: in)", "--queues out",
    ),
    (
        Cause.PAUSED, {"job": job(State.BLOCKED, reason=SUSPECT), "settings": PAUSED},
        "queue 'out' is paused 3h ago: the bank is down", "queues resume out",
    ),
    (
        Cause.PAUSED, {"job": job(State.BLOCKED), "settings": PAUSED, "set_aside": True},
        "queue 'out' is paused 3h ago: the bank is down", "queues resume out",
    ),
    (
        Cause.SET_ASIDE,
        {"job": job(State.BLOCKED, reason="as a whole"), "set_aside": True, "nodes": []},
        "each alone, and no worker runs", "start one",
    ),
    (
        Cause.SET_ASIDE, {"job": job(State.BLOCKED, reason="as a whole"), "set_aside": True},
        "jobs of task 'mail' have killed workers", "dead list --group",
    ),
    (
        Cause.DEFERRED,
        {
            "job": job(State.BLOCKED, reason="waiting for the invoice"), "nodes": [],
            "deferred_at": ago(hours=2),
        },
        "its own task has set it aside 2h ago: waiting for the invoice", "jobs resume",
    ),
    (
        Cause.TOO_NEW,
        {
            "job": replace(LATER, deliveries=1),
            "last": last(LEFT, ErrorInfo(type="TooNew", message="of version 2, it knows 1")),
        },
        "the worker that took it last was too old for it: of version 2, it knows 1; it is tried "
        "again in 3m", "start workers with the program that has enqueued it",
    ),
    (
        Cause.BLOCKED, {"job": job(State.BLOCKED, reason="waits for the invoice")},
        "it is set aside: waits for the invoice", "goes on",
    ),
    (
        Cause.BLOCKED, {"job": job(State.SUSPENDED, reason="sleeps")},
        "it waits without a slot: sleeps", None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "facts", "sentence", "step"),
    CASES,
    ids=[f"{cause.value} {at}" for at, (cause, *_) in enumerate(CASES)],
)
def test_each_cause_has_its_sentence_and_its_next_step(
    cause: Cause, facts: dict[str, Any], sentence: str, step: str | None
) -> None:
    why = explain(Situation(**{"now": NOW, "nodes": [worker()], **facts}))
    assert why.cause is cause
    assert sentence in why.sentence
    assert (why.next_step is None) is (step is None)
    assert step is None or step in str(why)
    assert "\n" not in str(why)


def test_every_cause_is_among_them_and_every_state() -> None:
    assert {cause for cause, *_ in CASES} == set(Cause)
    assert {facts["job"].state for _, facts, *_ in CASES} == set(State)
