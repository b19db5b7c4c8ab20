"""Batches whose items fail apart."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from jobhost import (
    Discard,
    InvalidOption,
    ItemFailure,
    ItemReport,
    ItemsFailed,
    JobDead,
    JobHost,
    Retry,
    Snooze,
    State,
    UsageError,
    aeach,
    current_job,
    each,
)

PATIENCE = "60s"


@pytest.fixture
def host(tmp_path) -> Iterator[JobHost]:
    with JobHost(f"sqlite:///{tmp_path}/jobs.db") as made:
        yield made


def odd_ones_fail(number: int) -> None:
    if number % 2:
        raise ValueError(f"odd: {number}")


async def odd_ones_fail_later(number: int) -> None:
    await asyncio.sleep(0)
    odd_ones_fail(number)


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def burst(host: JobHost) -> None:
    host.worker(burst=True).run()


def test_outside_a_job_the_items_are_handled_and_reported() -> None:
    report = each(range(4), odd_ones_fail)
    failures = tuple(ItemFailure(item=str(n), error=f"ValueError: odd: {n}") for n in (1, 3))
    assert report == ItemReport(done=4, failed=2, failures=failures)
    assert (report.succeeded, report.verdict) == (
        2, "completed with errors: 2 of 4 items failed",
    )  # fmt: skip
    assert each([], odd_ones_fail).verdict == "completed"


def test_items_and_handlers_may_be_asynchronous() -> None:
    expected = each(range(5), odd_ones_fail)
    for items in (range(5), numbers(5)):
        assert asyncio.run(aeach(items, odd_ones_fail_later)) == expected
    assert asyncio.run(aeach(range(5), odd_ones_fail)) == expected


@pytest.mark.requirement("R-JOB-10")
def test_a_job_with_bad_items_succeeds_and_reports_them(host: JobHost) -> None:
    @host.task
    def plain() -> ItemReport:
        return each(range(1000), lambda number: odd_ones_fail(number % 500 == 7))

    @host.task
    async def on_loop() -> ItemReport:
        return await aeach(range(1000), lambda number: odd_ones_fail(number % 500 == 7))

    jobs = [plain.enqueue(), on_loop.enqueue()]
    burst(host)
    for job in jobs:
        report = job.result(PATIENCE)
        assert (report.done, report.failed) == (1000, 2)
        progress = job.status().progress
        assert progress is not None
        assert (progress.done, progress.total, progress.items) == (1000, 1000, report)
        assert str(progress) == "1,000 of 1,000 (100%): 2 failed"


def test_too_many_bad_items_end_the_job_whatever_attempts_are_left(host: JobHost) -> None:
    handled = []

    @host.task(retry=Retry(max_attempts=5, first_delay="0s"))
    def plain() -> ItemReport:
        def handle(number: int) -> None:
            handled.append(number)
            odd_ones_fail(number)

        return each(range(20), handle, max_failures=2)

    job = plain.enqueue()
    burst(host)
    assert job.status().state is State.DEAD
    assert handled == [0, 1, 2, 3, 4, 5]
    with pytest.raises(JobDead, match="completed with errors: 3 of 6 items failed"):
        job.result(PATIENCE)
    job.redrive()
    burst(host)
    assert handled == list(range(12))
    progress = job.status().progress
    assert progress is not None and progress.items is not None
    assert (progress.items.done, progress.items.failed) == (12, 6)


def test_an_error_of_the_job_ends_it_and_the_next_attempt_goes_on_behind_what_was_done(
    host: JobHost,
) -> None:
    handled = []

    def handle(number: int) -> None:
        handled.append(number)
        if number == 3 and current_job().delivery == 1:
            raise Snooze("0s")
        if number == 6 and current_job().delivery == 2:
            raise Retry(after="0s")
        if number == 8:
            raise Discard("enough")

    @host.task
    def plain() -> ItemReport:
        return each(range(10), handle)

    job = plain.enqueue()
    burst(host)
    assert handled == [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8]
    assert job.status().state is State.CANCELLED


def test_batches_of_one_job_are_told_apart_by_their_names(host: JobHost) -> None:
    handled = []

    @host.task(retry=Retry(first_delay="0s"))
    def plain() -> int:
        each(range(3), handled.append, name="first")
        each("ab", handled.append, name="second")
        if current_job().delivery == 1:
            raise ValueError("again")
        return len(handled)

    job = plain.enqueue()
    burst(host)
    assert job.result(PATIENCE) == 5
    assert handled == [0, 1, 2, "a", "b"]


def test_a_second_batch_of_the_same_name_is_refused_rather_than_skipped(host: JobHost) -> None:
    @host.task
    def plain() -> str:
        each(range(3), odd_ones_fail)
        with pytest.raises(UsageError, match="a name of its own"):
            each(range(5), odd_ones_fail)
        return "refused"

    job = plain.enqueue()
    burst(host)
    assert job.result(PATIENCE) == "refused"


def test_a_checkpoint_of_the_job_s_own_is_not_overwritten(host: JobHost) -> None:
    @host.task
    def plain() -> str:
        current_job().checkpoint({"row": 1})
        with pytest.raises(UsageError, match="use one of the two"):
            each(range(5), odd_ones_fail)
        return str(current_job().last_checkpoint())

    job = plain.enqueue()
    burst(host)
    assert job.result(PATIENCE) == "{'row': 1}"


def test_many_failures_are_all_counted_and_the_first_hundred_listed() -> None:
    def fail(item: object) -> None:
        raise ValueError("x" * 10_000)

    report = each(["y" * 1_000] * 250, fail)
    assert (report.failed, len(report.failures)) == (250, 100)
    assert len(report.failures[0].item) == 200
    assert len(report.failures[0].error) < 520


def test_items_and_errors_that_cannot_be_printed_are_reported_all_the_same() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    def fail(item: object) -> None:
        raise item  # type: ignore[misc]

    report = each([OddError()], fail)
    assert report.failures[0].error == "OddError: (cannot be printed: RuntimeError)"


@pytest.mark.parametrize("wrong", [{"max_failures": -1}, {"checkpoint_every": 0}])
def test_wrong_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidOption, match="must be a whole number from"):
        each([], odd_ones_fail, **wrong)  # type: ignore[arg-type]


def test_too_many_failures_have_the_report_along() -> None:
    with pytest.raises(ItemsFailed) as raised:
        each(range(9), odd_ones_fail, max_failures=0)
    assert (raised.value.report.done, raised.value.report.failed) == (2, 1)
