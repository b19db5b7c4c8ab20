"""A caller's own id: the same call twice is one job."""

import asyncio
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from jobhost import InvalidOption, JobHost, UsageError

ID = UUID("0190a5c2-7b1e-7000-8000-000000000001")


@pytest.fixture(params=["sqlite", "postgres"])
def own(request: pytest.FixtureRequest) -> Any:
    """A host with the task `note`, on each of the stores."""
    kind = {"sqlite": "url", "postgres": "postgres_url"}[request.param]
    with JobHost(request.getfixturevalue(kind)) as host:
        host.migrate()

        @host.task
        def note(number: int) -> int:
            return number

        yield host


@pytest.mark.parametrize("options", [{}, {"delay": "1h"}])
@pytest.mark.parametrize("job_id", [ID, str(ID), uuid5(ID, "order 7"), uuid4()])
def test_an_id_that_is_known_gives_the_handle_of_the_first_job(
    own: JobHost, job_id: Any, options: Any
) -> None:
    bound = own.tasks.get("note").using(id=job_id, **options)
    first = bound.enqueue(1)
    second = own.tasks.get("note").using(id=job_id).enqueue(2)
    third = asyncio.run(bound.aenqueue(3))
    assert first == second == third
    assert str(first.id) == str(job_id)
    (record,) = own.jobs()
    assert record.payload == '{"number":1}'
    assert record.state == ("scheduled" if options else "ready")


def test_a_job_that_has_ended_is_not_run_again_by_a_repeat(own: JobHost) -> None:
    bound = own.tasks.get("note").using(id=ID)
    job = bound.enqueue(1)
    own.worker(burst=True).run()
    assert bound.triggered_by("a repeat").enqueue(2).result("0s") == 1
    own.worker(burst=True).run()
    assert [attempt.outcome for attempt in job.attempts()] == ["succeeded"]


@pytest.mark.parametrize("method", ["enqueue_many", "aenqueue_many"])
def test_one_id_is_refused_for_many_jobs(own: JobHost, method: str) -> None:
    bound = own.tasks.get("note").using(id=ID)

    def call() -> Any:
        made = getattr(bound, method)([(1,), (2,)])
        return asyncio.run(made) if method.startswith("a") else made

    with pytest.raises(InvalidOption, match=rf"using\(id='{ID}'\) is for one job"):
        call()
    assert own.jobs() == []


def test_an_id_is_refused_where_the_callers_transaction_decides(own: JobHost) -> None:
    bound = own.tasks.get("note").using(id=ID)
    with pytest.raises(InvalidOption, match="leave the id out"):
        bound.enqueue_with(object(), 1)
    with pytest.raises(InvalidOption, match="leave the id out"):
        asyncio.run(bound.aenqueue_with(object(), 1))


@pytest.mark.parametrize("job_id", ["order 7", "", None, 7])
def test_what_is_no_uuid_is_refused_at_once(own: JobHost, job_id: Any) -> None:
    with pytest.raises(UsageError, match="a job id is a UUID"):
        own.tasks.get("note").using(id=job_id)


def test_an_id_is_no_option_of_a_task_or_a_queue(own: JobHost) -> None:
    options: Any = {"id": ID}
    with pytest.raises(InvalidOption, match="'id' is no option"):
        own.task(name="other", **options)
    with pytest.raises(InvalidOption, match="'id' is no option"):
        own.queue("other", **options)
