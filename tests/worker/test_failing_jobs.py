"""Jobs that fail: each attempt has a recorded outcome, and the worker goes on."""

import asyncio
import logging
from typing import Any

import pytest

from jobhost import (
    DeadLetter,
    Discard,
    InvalidPayload,
    Job,
    JobDead,
    Retry,
    Snooze,
    State,
    current_job,
)
from jobhost.events import AttemptFailed

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
NEVER = Retry(max_attempts=1)


class _SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class _OddSnooze(Snooze):
    def __init__(self) -> None:
        pass


def _too_deep() -> None:
    _too_deep()


ODD = [
    KeyboardInterrupt(),
    SystemExit(0),
    asyncio.CancelledError("its own"),
    GeneratorExit(),
    MemoryError(),
    RecursionError(),
    StopIteration(),
    StopAsyncIteration(),
    _SilentError(),
    _OddSnooze(),
    Exception("x" * 20_000_000),
    Exception("\ud800\0"),
    BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError("x")]),
]


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_whatever_a_task_raises_is_recorded_and_the_worker_goes_on(host, place):
    def in_thread(which: int) -> str:
        if which < 0:
            return "fine"
        raise ODD[which]

    async def on_loop(which: int) -> str:
        await asyncio.sleep(0)
        return in_thread(which)

    task = host.task(retry=NEVER, name="odd")(on_loop if place == "loop" else in_thread)
    calls = [(n,) for which in range(len(ODD)) for n in (which, -1)]
    jobs = task.enqueue_many(calls)
    report = host.worker(burst=True, concurrency=1).run()

    assert report.ended == len(jobs)
    for (which,), job in zip(calls, jobs, strict=True):
        record = job.status()
        if which < 0:
            assert job.result() == "fine"
        else:
            assert record.state is State.DEAD, ODD[which]
            assert record.error is not None
            assert len(record.error.message) < 30_000
            assert [attempt.outcome for attempt in job.attempts()] == ["failed"]


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_a_recursion_without_end_is_a_failure(host, place):
    async def on_loop() -> None:
        _too_deep()

    task = host.task(retry=NEVER, name="deep")(on_loop if place == "loop" else _too_deep)
    job = task.enqueue()
    host.worker(burst=True).run()

    assert job.status().error.type == "RecursionError"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_subtask_that_wants_to_end_the_program_does_not_end_the_loop(host, working, error):
    @host.task(retry=NEVER)
    async def spawn() -> str:
        async def raise_it() -> None:
            raise error

        child = asyncio.ensure_future(raise_it())
        await asyncio.wait([child])
        child.exception()
        return "spawned"

    @host.task
    async def next_one() -> str:
        return "fine"

    with working(host.worker(concurrency=1)):
        first, second = spawn.enqueue(), next_one.enqueue()
        assert second.result(PATIENCE) == "fine"
    assert first.status().is_final


def test_an_error_in_a_callback_of_the_loop_is_only_logged(host, caplog):
    @host.task
    async def careless() -> str:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "fine"

    job = careless.enqueue()
    with caplog.at_level(logging.CRITICAL, logger="asyncio"):
        host.worker(burst=True).run()

    assert job.result() == "fine"


@pytest.mark.parametrize("verdict", [Snooze("1s"), Retry(), DeadLetter("x"), Discard("x")])
@pytest.mark.parametrize("place", ["loop", "thread"])
def test_returning_a_verdict_instead_of_raising_it_is_a_clear_failure(host, verdict, place):
    def in_thread():
        return verdict

    async def on_loop():
        return verdict

    task = host.task(retry=NEVER, name="t")(on_loop if place == "loop" else in_thread)
    job = task.enqueue()
    host.worker(burst=True).run()

    with pytest.raises(JobDead, match="raise it instead"):
        job.result()


# --- Retries


def test_a_job_that_always_fails_is_tried_to_its_limit_and_then_dead(host, working):
    seen = []

    @host.task(retry=Retry(max_attempts=4, first_delay="5ms", jitter=0))
    def fail() -> None:
        seen.append((current_job().delivery, current_job().failures))
        raise ValueError("no use")

    job = fail.enqueue()
    with working(host.worker(poll="1h")), pytest.raises(JobDead, match="failed 4 of 4 times"):
        job.result(PATIENCE)

    assert seen == [(1, 0), (2, 1), (3, 2), (4, 3)]
    record, attempts = job.status(), job.attempts()
    assert (record.failures, record.deliveries, record.crashes) == (4, 4, 0)
    assert [attempt.outcome for attempt in attempts] == ["failed"] * 4
    assert [attempt.epoch for attempt in attempts] == [1, 2, 3, 4]
    assert {attempt.error.message for attempt in attempts} == {"no use"}


def test_the_wait_grows_from_failure_to_failure(host, working):
    @host.task(retry=Retry(max_attempts=4, first_delay="10ms", factor=4, jitter=0))
    def fail() -> None:
        raise ValueError

    job = fail.enqueue()
    waits = []
    worker = host.worker()
    worker.events.subscribe(AttemptFailed, lambda event: waits.append(event.retry_seconds))
    with working(worker), pytest.raises(JobDead):
        job.result(PATIENCE)

    assert waits == [0.01, 0.04, 0.16, None]


def test_no_retry_starts_before_its_time(host, working):
    @host.task(retry=Retry(max_attempts=3, first_delay="150ms", jitter=0))
    def fail() -> None:
        raise ValueError

    job = fail.enqueue()
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    first, second, third = job.attempts()
    assert (second.claimed_at - first.ended_at).total_seconds() >= 0.15
    assert (third.claimed_at - second.ended_at).total_seconds() >= 0.3


def test_a_job_that_fails_twice_and_then_succeeds_has_its_result(host, working):
    @host.task(retry=Retry(first_delay="1ms"))
    async def third_time() -> int:
        if current_job().delivery < 3:
            raise OSError("not yet")
        return current_job().delivery

    job = third_time.enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == 3
    assert [attempt.outcome for attempt in job.attempts()] == ["failed", "failed", "succeeded"]


def test_a_rule_for_an_exception_wins_over_the_policy(host):
    rules = {ValueError: None, "builtins.LookupError": Retry(max_attempts=2, first_delay="0s")}

    @host.task(retry=Retry(max_attempts=9, first_delay="0s", rules=rules))
    def fail(name: str) -> None:
        raise {"value": ValueError, "key": KeyError, "os": OSError}[name]

    jobs = {name: fail.enqueue(name) for name in ("value", "key", "os")}
    host.worker(burst=True).run()

    assert {name: len(job.attempts()) for name, job in jobs.items()} == {
        "value": 1,
        "key": 2,
        "os": 9,
    }


def test_the_policy_of_the_call_wins_over_that_of_the_task(host):
    @host.task(retry=Retry(max_attempts=9, first_delay="0s"))
    def fail() -> None:
        raise ValueError

    job = fail.using(retry=Retry(max_attempts=2, first_delay="0s")).enqueue()
    host.worker(burst=True).run()

    assert len(job.attempts()) == 2


def test_a_raised_retry_sets_the_wait_and_counts_as_a_failure(host, until, working):
    @host.task(retry=Retry(max_attempts=2, first_delay="1h"))
    def again() -> None:
        raise Retry(after="10ms", reason="busy")

    job = again.enqueue()
    with working(host.worker()):
        until(lambda: job.status().is_final)

    assert [attempt.outcome for attempt in job.attempts()] == ["failed", "failed"]
    assert job.status().error.message == "busy"


def _assert_due_an_hour_after_its_end(job: Job[Any]) -> None:
    record = job.status()
    assert record.state is State.SCHEDULED
    wait = record.due_at - job.attempts()[0].ended_at
    assert wait.total_seconds() == pytest.approx(3600, abs=1)


def test_a_raised_retry_that_gives_no_wait_takes_that_of_the_policy(host):
    @host.task(retry=Retry(max_attempts=2, first_delay="1h", jitter=0))
    def again() -> None:
        raise Retry(reason="busy")

    job = again.enqueue()
    host.worker(burst=True).run()

    _assert_due_an_hour_after_its_end(job)


def test_a_snooze_waits_its_time_and_charges_nothing(host):
    @host.task(retry=NEVER)
    async def later() -> None:
        raise Snooze("1h")

    job = later.enqueue()
    host.worker(burst=True).run()

    _assert_due_an_hour_after_its_end(job)
    record = job.status()
    assert (record.deliveries, record.failures) == (1, 0)
    assert job.attempts()[0].outcome == "snoozed"


@pytest.mark.requirement("R-MSG-10")
def test_a_task_can_send_its_own_job_to_the_dead_letters(host):
    @host.task
    def reject() -> None:
        raise DeadLetter("no such customer")

    job = reject.enqueue()
    host.worker(burst=True).run()

    record = job.status()
    assert (record.state, record.reason) == (State.DEAD, "no such customer")
    assert len(job.attempts()) == 1


@pytest.mark.parametrize("kind", [DeadLetter, Discard])
def test_any_text_may_stand_in_a_reason(host, kind):
    reasons = ["a\0b", "\ud800", "x" * 5_000_000, "grün 🦆 ' \" \\"]

    @host.task
    def reject(which: int) -> None:
        raise kind(reasons[which])

    jobs = reject.enqueue_many([(n,) for n in range(len(reasons))])
    host.worker(burst=True).run()

    for job in jobs:
        assert len(job.status().reason) < 30_000
    assert jobs[-1].status().reason == reasons[-1]


def test_a_discarded_job_is_cancelled_with_its_reason(host):
    @host.task
    async def drop() -> None:
        raise Discard("already sent")

    job = drop.enqueue()
    host.worker(burst=True).run()

    record = job.status()
    assert (record.state, record.reason) == (State.CANCELLED, "already sent")
    assert job.attempts()[0].outcome == "discarded"


def test_wrong_arguments_for_another_job_are_a_failure_and_not_unreadable_arguments(host):
    @host.task
    def child(number: int) -> None: ...

    @host.task(retry=Retry(max_attempts=2, first_delay="0s"))
    def parent() -> None:
        child.enqueue("no number")

    job = parent.enqueue()
    host.worker(burst=True).run()

    assert [attempt.outcome for attempt in job.attempts()] == ["failed", "failed"]
    assert job.status().error.type == f"{InvalidPayload.__module__}.InvalidPayload"
    assert "failed 2 of 2 times" in job.status().reason


# --- Subscribers


@pytest.mark.requirement("R-RES-13")
def test_a_subscriber_that_raises_disturbs_nothing(host, caplog):
    heard = []

    def broken(event: AttemptFailed) -> None:
        raise RuntimeError("a broken subscriber")

    @host.task(retry=NEVER)
    def fail() -> None:
        raise ValueError("x")

    @host.task
    def fine() -> str:
        return "fine"

    failing, good = fail.enqueue(), fine.enqueue()
    worker = host.worker(burst=True, concurrency=1)
    worker.events.subscribe(AttemptFailed, broken)
    worker.events.subscribe(AttemptFailed, heard.append)
    worker.run()

    assert failing.status().state is State.DEAD
    assert good.result() == "fine"
    assert [event.job for event in heard] == [failing.id]
    assert "a subscriber of AttemptFailed raised" in caplog.text


# --- Rows that nobody can read


@pytest.mark.parametrize(
    "change",
    [
        {"payload": "{"},
        {"payload": "[]"},
        {"payload": ""},
        {"payload": '{"other": 2}'},
        {"envelope": "{"},
        {"envelope": '{"retry": {"of the future": 1}}'},
    ],
    ids=str,
)
def test_a_stored_row_that_cannot_be_read_is_dead_and_the_worker_goes_on(host, beside, change):
    @host.task
    def count(number: int) -> int:
        return number

    count.using(priority=1).enqueue(1)
    good = count.enqueue(2)
    ((column, text),) = change.items()
    beside(f"UPDATE jobhost_job SET {column} = '{text}' WHERE priority = 1")
    host.worker(burst=True, concurrency=1).run()
    ((state, reason),) = beside("SELECT state, reason FROM jobhost_done WHERE state <> 'succeeded'")

    assert good.result() == 2
    assert state == "dead"
    assert "cannot be read" in reason
