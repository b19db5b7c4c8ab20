"""A test has the host's jobs in its hands: it drains, moves the clock, and gets everything back."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import little_shop as shop
import pytest

from jobhost import (
    DeadLetter,
    Discard,
    IdempotencyConflict,
    InvalidOption,
    JobHost,
    JobNotFound,
    QueueFull,
    Retry,
    Snooze,
    StoreUnavailable,
    UsageError,
    current_job,
)
from jobhost.testing import JobsUnderTest, TaskFailed

GUARD_SECONDS = 60.0


def test_jobs_run_when_the_test_says_so(jobs: JobsUnderTest) -> None:
    job = shop.send_mail.enqueue("ann")
    assert shop.sent == []
    report = jobs.drain()
    assert (report.attempts, report.failures) == (1, ())
    assert jobs.one(shop.send_mail).state == "succeeded"
    assert jobs.one(shop.send_mail).result == job.result(timeout="0s") == "Hello, ann"


def test_jobs_that_jobs_enqueue_run_in_the_same_drain(jobs: JobsUnderTest) -> None:
    shop.sign_up.enqueue("ann")
    assert jobs.drain().attempts == 2
    assert [job.state for job in jobs.all(shop.send_mail)] == ["succeeded", "scheduled"]
    jobs.move("1d")
    assert jobs.drain().attempts == 1


def test_jobs_run_one_at_a_time_in_the_order_of_claims(jobs: JobsUnderTest) -> None:
    for name in ("b", "c", "d"):
        shop.send_mail.enqueue(name)
    shop.send_mail.using(priority=5).enqueue("a")
    jobs.drain()
    assert shop.sent == ["a", "b", "c", "d"]


def test_queues_that_no_task_names_are_drained_too(jobs: JobsUnderTest) -> None:
    shop.send_mail.using(queue="elsewhere").enqueue("ann")
    assert jobs.drain().attempts == 1


def test_a_drain_of_some_queues_leaves_the_others(jobs: JobsUnderTest) -> None:
    shop.send_mail.enqueue("ann")
    shop.greet.enqueue("bob")
    jobs.drain(["mail"])
    assert [job.state for job in jobs.all()] == ["succeeded", "ready"]


def test_a_paused_queue_stays_as_it_is(jobs: JobsUnderTest) -> None:
    shop.host.queue("mail").pause()
    shop.send_mail.enqueue("ann")
    assert jobs.drain().attempts == 0
    shop.host.queue("mail").resume()
    assert jobs.drain().attempts == 1


@pytest.mark.requirement("R-PART-5")
def test_a_queue_with_hours_opens_when_the_clock_is_moved(jobs: JobsUnderTest) -> None:
    jobs.move_to(jobs.now.astimezone(UTC).replace(hour=12, minute=0) + timedelta(days=1))
    shop.host.queue("mail").set(hours="22:00-06:00")
    shop.send_mail.enqueue("ann")
    assert jobs.drain().attempts == 0
    jobs.move("9h59m")
    assert jobs.drain().attempts == 0
    jobs.move("1m")
    assert jobs.drain().attempts == 1
    shop.send_mail.enqueue("bob")
    jobs.move("8h")
    assert jobs.drain().attempts == 0
    jobs.move("30d")
    assert jobs.drain().attempts == 0
    jobs.move("16h")
    assert jobs.drain().attempts == 1


def test_time_stands_still_until_it_is_moved(jobs: JobsUnderTest) -> None:
    begin = jobs.now
    shop.send_mail.using(delay="1h").enqueue("ann")
    assert jobs.drain().attempts == 0
    jobs.move("59m")
    assert jobs.one().state == "scheduled"
    jobs.move(timedelta(minutes=1))
    assert jobs.one().state == "ready"
    assert jobs.now - begin == timedelta(hours=1)


def test_the_clock_begins_at_the_present_or_where_it_is_told_to() -> None:
    host = JobHost()
    before = datetime.now(UTC)
    with host.testing() as jobs:
        assert before <= jobs.now <= datetime.now(UTC)
    with host.testing(now=datetime(2030, 2, 3, tzinfo=UTC)) as jobs:
        jobs.move_to(datetime(2030, 3, 1, tzinfo=UTC))
        assert jobs.now == datetime(2030, 3, 1, tzinfo=UTC)
        with pytest.raises(InvalidOption, match="from 2030-03-01"):
            jobs.move_to(datetime(2030, 2, 3, tzinfo=UTC))
        with pytest.raises(InvalidOption, match="aware"):
            jobs.move_to(datetime(2031, 1, 1))  # noqa: DTZ001


def test_what_a_task_raises_is_raised_by_the_drain(jobs: JobsUnderTest) -> None:
    shop.send_mail.enqueue("nobody")
    shop.send_mail.enqueue("ann")
    with pytest.raises(ValueError, match="nobody has no address") as raised:
        jobs.drain()
    assert "it is tried again in" in raised.value.__notes__[0]
    assert raised.traceback[-1].name == "send_mail"
    assert shop.sent == ["ann"]


def test_failures_of_several_are_raised_together(jobs: JobsUnderTest) -> None:
    shop.send_mail.enqueue("nobody")
    shop.send_mail.enqueue("nobody")
    with pytest.raises(ExceptionGroup, match="2 attempts failed") as raised:
        jobs.drain()
    assert [type(error) for error in raised.value.exceptions] == [ValueError, ValueError]


def test_failures_can_be_collected_and_retries_follow_the_clock(jobs: JobsUnderTest) -> None:
    job = shop.send_mail.enqueue("nobody")
    (failure,) = jobs.drain(raise_failures=False).failures
    assert (failure.job, failure.task, failure.outcome) == (job.id, "send_mail", "failed")
    assert failure.error == "ValueError: nobody has no address"
    assert isinstance(failure.exception, ValueError)
    assert not failure.is_final
    for span in ("10m", "20m"):
        assert jobs.one().state == "scheduled"
        jobs.move(span)  # jitter only shortens a back-off
        (failure,) = jobs.drain(raise_failures=False).failures
    assert failure.is_final
    assert (jobs.one().state, jobs.one().failures) == ("dead", 3)
    assert [attempt.outcome for attempt in job.attempts()] == ["failed"] * 3


def test_a_host_can_be_told_to_collect_always() -> None:
    with shop.host.testing(raise_failures=False) as jobs:
        shop.send_mail.enqueue("nobody")
        assert len(jobs.drain().failures) == 1


def test_time_that_passes_with_a_worker_at_work_runs_every_retry(jobs: JobsUnderTest) -> None:
    shop.send_mail.enqueue("nobody")
    shop.send_mail.using(delay="2h", expires="1m").enqueue("ann")
    begin = jobs.now
    report = jobs.run_for("1d", raise_failures=False)
    assert (report.attempts, len(report.failures)) == (4, 3)
    assert [job.state for job in jobs.all()] == ["dead", "succeeded"]
    assert jobs.now - begin == timedelta(days=1)
    assert jobs.run_for("1d").attempts == 0


def test_verdicts_are_obeyed() -> None:
    host = JobHost()

    @host.task
    def decide(word: str) -> None:
        if word == "snooze" and not current_job().redelivered:
            raise Snooze("5m")
        if word == "discard":
            raise Discard("not needed")
        if word == "dead":
            raise DeadLetter("cannot be")

    with host.testing() as jobs:
        for word in ("snooze", "discard"):
            decide.enqueue(word)
        jobs.drain()
        assert [job.state for job in jobs.all()] == ["scheduled", "cancelled"]
        assert jobs.run_for("5m").attempts == 1
        decide.enqueue("dead")
        with pytest.raises(DeadLetter, match="cannot be"):
            jobs.drain()
        assert jobs.one(decide, "dead").reason == "cannot be"


def test_a_time_limit_ends_a_job_and_the_drain_says_so() -> None:
    host = JobHost()

    @host.task(timeout="50ms", retry=Retry(max_attempts=1))
    def wait() -> None:
        token = current_job().cancel
        assert token.wait(GUARD_SECONDS)
        token.raise_if_set()

    with host.testing() as jobs:
        wait.enqueue()
        with pytest.raises(TaskFailed, match=r"timed out; it is dead now: .*its limit of 50ms"):
            jobs.drain()
        assert jobs.one().state == "dead"


def test_a_task_that_wants_to_end_the_program_does_not_end_the_test() -> None:
    host = JobHost()

    @host.task(retry=Retry(max_attempts=1))
    def leave() -> None:
        raise SystemExit(3)

    with host.testing() as jobs:
        leave.enqueue()
        with pytest.raises(TaskFailed, match="SystemExit"):
            jobs.drain()


def test_cancel_expiry_and_keys_hold(jobs: JobsUnderTest) -> None:
    cancelled = shop.greet.enqueue("ann")
    cancelled.cancel()
    late = shop.greet.using(expires="10m").enqueue("bob")
    once = shop.greet.using(idempotency_key="eve", idempotency_window="1h")
    first = once.enqueue("eve")
    assert once.enqueue("eve") == first
    with pytest.raises(IdempotencyConflict):
        once.enqueue("other")
    jobs.move("10m")
    assert (cancelled.status().state, late.status().reason) == ("cancelled", "expired")
    assert jobs.drain().attempts == 1
    jobs.move("1h")
    assert once.enqueue("eve") != first


def test_a_full_queue_has_room_after_a_drain() -> None:
    host = JobHost()
    host.queue("default", capacity=1, when_full="reject")

    @host.task
    def work() -> None: ...

    with host.testing() as jobs:
        for _ in range(3):
            work.enqueue()
            with pytest.raises(QueueFull):
                work.enqueue()
            jobs.drain()
        assert len(jobs.all(state="succeeded")) == 3


def test_what_is_said_of_a_queue_holds_at_once_and_nobody_waits(jobs: JobsUnderTest) -> None:
    shop.send_mail.enqueue("ann")
    mail = shop.host.queue("mail")
    mail.set(capacity=1, when_full="wait", wait="1d")
    with pytest.raises(QueueFull):
        shop.send_mail.enqueue("bob")
    mail.set(capacity=2, expires="1h")
    late = shop.send_mail.enqueue("bob")
    jobs.move("1h")
    assert [job.reason for job in jobs.all()] == [None, "expired"]
    assert late.status().state == "dead"


def test_a_job_of_a_task_that_this_host_has_not_is_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    other = JobHost(url)

    @other.task
    def foreign(size: int) -> None: ...

    with shop.host.testing(url=url) as jobs:
        foreign.enqueue(3)
        shop.greet.enqueue("ann")
        jobs.drain()
        assert [(job.task, job.state) for job in jobs.all()] == [
            ("foreign", "blocked"),
            ("greet", "succeeded"),
        ]
        assert jobs.all()[0].arguments == {"size": 3}
    other.close()


def test_tasks_in_processes_run_here_and_commands_for_real(jobs: JobsUnderTest) -> None:
    shop.thumbnail.enqueue(Path("cat.jpg"))
    shop.echo.enqueue(word="hello")
    jobs.drain()
    assert jobs.one(shop.thumbnail).result == Path("cat.png")
    assert jobs.one(shop.echo).result["stdout"] == "hello\n"
    assert shop.thumbnail.kind == "process"


def test_a_completion_in_a_transaction_is_one_commit(tmp_path: Path) -> None:
    file = str(tmp_path / "app.db")
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("CREATE TABLE booking (amount INTEGER)")
    with shop.host.testing(url=f"sqlite:///{file}") as jobs:
        shop.book.enqueue(file, 7)
        job = shop.book.enqueue(file, 8)
        jobs.crash(job)  # too late: what it did, and that it is done, is in the store
        jobs.drain()
        assert {job.state for job in jobs.all()} == {"succeeded"}
        assert shop.bookings(file) == 2


def test_a_program_enqueues_on_its_own_connection(tmp_path: Path) -> None:
    file = tmp_path / "app.db"
    with (
        shop.host.testing(url=f"sqlite:///{file}") as jobs,
        closing(sqlite3.connect(file, isolation_level=None)) as raw,
    ):
        raw.execute("BEGIN IMMEDIATE")
        shop.send_mail.enqueue_with(raw, "ann")
        raw.execute("ROLLBACK")
        jobs.assert_not_enqueued(shop.send_mail)
        raw.execute("BEGIN IMMEDIATE")
        shop.send_mail.enqueue_with(raw, "ann")
        raw.execute("COMMIT")
        jobs.assert_enqueued(shop.send_mail, "ann")
        assert jobs.drain().attempts == 1
    assert file.exists()


def test_a_store_with_jobs_is_refused(url: str) -> None:
    host = JobHost(url)

    @host.task
    def work() -> None: ...

    work.enqueue()
    with pytest.raises(UsageError, match="a store without jobs"), host.testing(url=url):
        pass
    assert host.jobs()[0].state == "ready"
    host.close()


def test_the_host_has_its_own_store_and_clock_again(url: str) -> None:
    host = JobHost(url)

    @host.task
    def work() -> None: ...

    real = work.enqueue()
    with host.testing() as jobs:
        assert host.jobs() == []
        job = work.enqueue()
        jobs.drain()
        assert host.store.url != url
        assert host.address != url
    assert (host.store.url, host.address) == (url, url)
    assert [record.id for record in host.jobs()] == [real.id]
    with pytest.raises(JobNotFound):
        job.status()
    host.close()


def test_the_hosts_own_store_is_never_touched() -> None:
    with shop.host.testing() as jobs:
        shop.send_mail.enqueue("ann")
        jobs.drain()
    with pytest.raises(StoreUnavailable):
        shop.send_mail.enqueue("ann")


def test_what_a_test_raises_ends_the_block_in_order() -> None:
    host = JobHost()
    with pytest.raises(ZeroDivisionError), host.testing() as jobs:
        folder = Path(host.store.url.removeprefix("sqlite:///")).parent
        assert folder.exists()
        _ = 1 / (jobs.drain().attempts)
    assert not folder.exists()


def test_a_host_is_under_test_once_at_a_time(jobs: JobsUnderTest) -> None:
    with pytest.raises(UsageError, match="under test already"), shop.host.testing():
        pass
    shop.send_mail.enqueue("ann")
    assert jobs.drain().attempts == 1


def test_a_test_on_an_event_loop_goes_on_while_jobs_run() -> None:
    async def play() -> None:
        async with shop.host.testing() as jobs:
            await shop.greet.aenqueue("ann")
            ticked = asyncio.create_task(asyncio.sleep(0))
            assert (await jobs.adrain()).attempts == 1
            await ticked
            await shop.send_mail.aenqueue("nobody")
            with pytest.raises(ValueError, match="no address"):
                await jobs.adrain()
            report = await jobs.arun_for("1d", raise_failures=False)
            assert len(report.failures) == 2
            assert jobs.one(shop.greet).result == "Hello, ann!"

    asyncio.run(play())


def test_a_task_that_enqueues_itself_is_bounded() -> None:
    host = JobHost()

    @host.task
    def again() -> None:
        again.enqueue()

    with host.testing() as jobs:
        again.enqueue()
        with pytest.raises(UsageError, match=r"has run 20 attempts.* enqueue itself"):
            jobs.drain(attempts_max=20)


def test_bounds_that_are_none_are_refused(jobs: JobsUnderTest) -> None:
    with pytest.raises(InvalidOption, match="queues must be a list"):
        jobs.drain("mail")
    with pytest.raises(InvalidOption, match="attempts_max must be a whole number"):
        jobs.drain(attempts_max=0)
    with pytest.raises(InvalidOption, match="guard must be"):
        jobs.drain(guard="soon")
    with pytest.raises(InvalidOption, match="now must be an aware datetime"):
        shop.host.testing(now=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidOption, match="by must be"):
        jobs.move("an hour")


def test_as_many_attempts_as_may_be_are_no_error(jobs: JobsUnderTest) -> None:
    shop.greet.enqueue_many([("a",), ("b",)])
    assert jobs.drain(attempts_max=2).attempts == 2


def test_a_drain_that_hangs_ends_and_names_its_job() -> None:
    host = JobHost()
    running, free = threading.Event(), threading.Event()

    @host.task
    def hang() -> None:
        running.set()
        free.wait(GUARD_SECONDS)

    with host.testing() as jobs:
        hang.enqueue()
        try:
            with pytest.raises(TimeoutError, match="had not ended after 50ms; running: "):
                jobs.drain(guard="50ms")
        finally:
            free.set()


def test_a_job_cannot_drain() -> None:
    host = JobHost()

    with host.testing() as jobs:

        @host.task(retry=Retry(max_attempts=1))
        def inner() -> None:
            jobs.drain()

        inner.enqueue()
        with pytest.raises(UsageError, match="a drain is going on"):
            jobs.drain()


def test_a_task_may_move_the_clock(jobs: JobsUnderTest) -> None:
    host = JobHost()
    with host.testing() as own:

        @host.task
        def leap() -> None:
            own.move("2h")

        @host.task
        def later() -> None: ...

        later.using(delay="1h").enqueue()
        leap.enqueue()
        assert own.drain().attempts == 2


def test_a_worker_that_stood_still_past_its_lease_has_lost_its_job() -> None:
    host = JobHost()
    epochs: list[int] = []
    with host.testing(lease="1h") as jobs:

        @host.task
        def freeze() -> None:
            epochs.append(current_job().epoch)
            if not current_job().redelivered:
                jobs.move("61m")

        job = freeze.enqueue()
        jobs.drain()
        assert job.status().state == "succeeded"
        assert epochs == [1, 2]


@pytest.mark.parametrize("name", ["burst", "max_jobs", "max_memory", "queues"])
def test_settings_that_are_not_for_tests_are_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match=f"{name} is not for a test"):
        JobHost().testing(**{name: 1})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidOption, match="did you mean 'concurrency'"):
        JobHost().testing(concurency=2)


def test_jobs_that_wait_for_each_other_need_two_slots() -> None:
    host = JobHost()

    @host.task
    def inner() -> int:
        return 42

    @host.task
    def outer() -> int:
        return inner.enqueue().result(timeout="60s")

    with host.testing(concurrency=2) as jobs:
        outer.enqueue()
        jobs.drain()
        assert jobs.one(outer).result == 42


def test_a_host_without_tasks_has_nothing_to_drain() -> None:
    with JobHost().testing() as jobs:
        assert jobs.drain().attempts == 0


def test_the_same_on_postgresql(postgres_url: str) -> None:
    with shop.host.testing(url=postgres_url) as jobs:
        shop.sign_up.enqueue("ann")
        jobs.assert_enqueued(shop.sign_up, "ann")
        assert jobs.drain().attempts == 2
        assert jobs.run_for("1d").attempts == 1
        job = shop.greet.enqueue("bob")
        jobs.crash(job)
        jobs.drain()
        assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]
