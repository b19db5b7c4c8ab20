"""What a test says of jobs, and what it is told when it is wrong."""

from datetime import timedelta
from pathlib import Path
from unittest.mock import ANY

import little_shop as shop
import pytest

from jobhost import JobHost, UnknownTask, UsageError
from jobhost.testing import JobsUnderTest


def test_arguments_and_options_are_compared(jobs: JobsUnderTest) -> None:
    send = shop.send_mail.using(delay="1h", tags=["news"], headers={"tenant": "a"}, priority=3)
    job = send.enqueue("ann")
    (found,) = jobs.assert_enqueued(
        shop.send_mail, to="ann", queue="mail", delay="1h", tags=["news"], priority=3
    )
    assert found.handle == job
    assert found.arguments == {"to": "ann", "subject": "Hello"}
    jobs.assert_enqueued(shop.send_mail, "ann", "Hello", headers={"tenant": "a"})
    jobs.assert_enqueued(shop.send_mail, delay=timedelta(hours=1), state="scheduled")
    jobs.assert_enqueued(shop.send_mail, run_at=jobs.now + timedelta(hours=1))
    jobs.assert_enqueued("send_mail", to=ANY, subject=ANY)
    jobs.assert_not_enqueued(shop.send_mail, to="bob")
    jobs.assert_not_enqueued(shop.greet)
    assert jobs.assert_enqueued(count=1) == jobs.all() == [jobs.one()]


def test_arguments_have_the_types_of_the_task(jobs: JobsUnderTest) -> None:
    shop.thumbnail.enqueue(Path("cat.jpg"))
    jobs.assert_enqueued(shop.thumbnail, source=Path("cat.jpg"))
    jobs.assert_not_enqueued(shop.thumbnail, source="cat.jpg")


def test_a_job_counts_whatever_became_of_it(jobs: JobsUnderTest) -> None:
    shop.greet.enqueue("ann")
    jobs.drain()
    jobs.assert_enqueued(shop.greet, name="ann")
    jobs.assert_not_enqueued(shop.greet, state="ready")


def test_nothing_was_enqueued_at_all(jobs: JobsUnderTest) -> None:
    with pytest.raises(AssertionError, match=r"expected a job of send_mail\(to='ann'\), .*at all"):
        jobs.assert_enqueued(shop.send_mail, to="ann")


def test_the_nearest_jobs_are_shown_first_with_what_is_different(jobs: JobsUnderTest) -> None:
    shop.greet.enqueue("ann")
    shop.send_mail.enqueue("eve", "Goodbye")
    shop.send_mail.using(delay="30m").enqueue("ann")
    with pytest.raises(AssertionError) as raised:
        jobs.assert_enqueued(shop.send_mail, "ann", subject="Hello", queue="mail", delay="1h")
    assert str(raised.value).splitlines() == [
        "expected a job of send_mail(to='ann', subject='Hello') with queue='mail', delay='1h', "
        "and there is none; these were enqueued:",
        "  send_mail(to='ann', subject='Hello') in 'mail', scheduled, due 30m after it was enqueued"
        "   <- delay is '30m'",
        "  send_mail(to='eve', subject='Goodbye') in 'mail', ready"
        "   <- to is 'eve'; subject is 'Goodbye'; no delay",
        "  greet(name='ann') in 'default', ready",
    ]


def test_too_many_jobs_are_a_complaint_too(jobs: JobsUnderTest) -> None:
    for _ in range(8):
        shop.greet.enqueue("ann")
    with pytest.raises(AssertionError) as raised:
        jobs.one(shop.greet)
    words = str(raised.value)
    assert words.startswith("expected 1 job of greet, and there are 8;")
    assert words.endswith("… and 3 jobs less like it")
    assert words.count("<- fits") == 5
    with pytest.raises(AssertionError, match="expected no job of greet"):
        jobs.assert_not_enqueued(shop.greet)
    jobs.assert_enqueued(shop.greet, count=8)


def test_a_long_value_is_cut(jobs: JobsUnderTest) -> None:
    shop.greet.enqueue("a" * 10_000)
    with pytest.raises(AssertionError) as raised:
        jobs.one(shop.greet, name="b")
    assert len(str(raised.value)) < 1000


def test_a_parameter_wins_over_what_is_said_of_the_job() -> None:
    host = JobHost()

    @host.task
    def move(queue: str, **more: int) -> None: ...

    with host.testing() as jobs:
        move.enqueue("left", weight=3)
        jobs.assert_enqueued(move, queue="left", weight=3, priority=0)
        jobs.assert_not_enqueued(move, queue="default")


def test_arguments_by_position_may_be_many() -> None:
    host = JobHost()

    @host.task
    def total(first: int, /, *rest: int, scale: int = 1) -> None: ...

    with host.testing() as jobs:
        total.enqueue(1, 2, 3, scale=4)
        jobs.assert_enqueued(total, 1, 2, 3, scale=4)
        jobs.assert_enqueued(total, rest=(2, 3))
        jobs.assert_not_enqueued(total, 1, 2)


def test_names_that_mean_nothing_are_refused(jobs: JobsUnderTest) -> None:
    with pytest.raises(UsageError, match="did you mean 'queue'"):
        jobs.assert_enqueued(shop.greet, queu="mail")
    with pytest.raises(UsageError, match="nothing that can be said of jobs"):
        jobs.all(name="ann")
    with pytest.raises(UsageError, match="by position and by name"):
        jobs.all(shop.greet, "ann", name="ann")
    with pytest.raises(UsageError, match="does not take 2 arguments"):
        jobs.all(shop.greet, "ann", "bob")
    with pytest.raises(UsageError, match="need the task"):
        jobs.all(None, "ann")
    with pytest.raises(UsageError, match="expected a task or its name"):
        jobs.all(test_a_long_value_is_cut)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="aware datetime"):
        jobs.all(shop.greet, run_at=jobs.now.replace(tzinfo=None))
    with pytest.raises(UnknownTask, match="did you mean 'greet'"):
        jobs.all("great")


def test_more_jobs_than_a_page_are_all_seen(jobs: JobsUnderTest) -> None:
    shop.greet.enqueue_many([(str(at),) for at in range(2100)])
    seen = jobs.all(shop.greet)
    assert [job.arguments["name"] for job in seen] == [str(at) for at in range(2100)]
