"""A queue that is full refuses new jobs, and not calls that make none."""

from collections.abc import Iterator

import pytest

from jobhost import JobHost, QueueFull


@pytest.fixture(params=["sqlite", "postgres"])
def full(request: pytest.FixtureRequest) -> Iterator[JobHost]:
    """A host whose queue has room for one job, and has it."""
    kind = {"sqlite": "url", "postgres": "postgres_url"}[request.param]
    with JobHost(request.getfixturevalue(kind)) as host:
        host.migrate()
        host.queue("small", capacity=1)

        @host.task(queue="small", unique="u-{number}")
        def report(number: int) -> None: ...

        report.enqueue(1)
        yield host


def test_a_key_that_is_taken_needs_no_room(full: JobHost) -> None:
    report = full.tasks.get("report")
    assert not report.enqueue(1).is_new
    with pytest.raises(QueueFull):
        report.enqueue(2)
    assert len(full.jobs()) == 1


@pytest.mark.parametrize("calls", [[(1,), (1,)]])
def test_many_calls_with_keys_that_are_taken_need_no_room(
    full: JobHost, calls: list[tuple[int]]
) -> None:
    report = full.tasks.get("report")
    assert not any(job.is_new for job in report.enqueue_many(calls))
    with pytest.raises(QueueFull):
        report.enqueue_many([(1,), (2,)])
    assert len(full.jobs()) == 1
