"""The handle of a job: what a caller can learn and do from outside."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from jobhost import (
    DeadLetter,
    Discard,
    InvalidPayload,
    JobCancelled,
    JobDead,
    JobFailed,
    JobHost,
    JobNotFound,
    ResultTimeout,
    ResultUnstorable,
    State,
    UsageError,
)
from jobhost.store.plans.operate import CancelResult


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> str:
    """Whether a handle is used from blocking code or from an event loop."""
    return str(request.param)


def ask(way: str, job: Any, method: str, *args: Any) -> Any:
    """`job.method()` in blocking code, `await job.amethod()` on an event loop."""
    if way == "sync":
        return getattr(job, method)(*args)

    async def wait() -> Any:
        return await getattr(job, f"a{method}")(*args)

    return asyncio.run(wait())


def work(host: JobHost) -> None:
    host.worker(burst=True).run()


def test_the_status_of_a_waiting_job_can_be_read_with_no_worker_up(host: JobHost, way: str) -> None:
    @host.task
    def note() -> None: ...

    record = ask(way, note.using(tags=["io"]).enqueue(), "status")
    assert (record.state, record.reason, record.result) == (State.READY, None, None)
    assert not record.is_final
    assert record.envelope.tags == ("io",)


def test_the_status_and_the_result_of_an_ended_job_stay_when_every_worker_is_gone(
    host: JobHost, url: str, way: str
) -> None:
    @host.task
    def add(one: int, other: int) -> int:
        return one + other

    job = add.enqueue(1, 2)
    work(host)
    with JobHost(url) as elsewhere:
        record = ask(way, elsewhere.job(str(job.id)), "status")
        assert (record.state, record.result, record.is_final) == (State.SUCCEEDED, "3", True)
        assert ask(way, elsewhere.job(job.id), "result", "1s") == 3


def test_a_result_comes_back_as_the_type_that_the_task_returns(host: JobHost, way: str) -> None:
    @host.task
    def digest(data: bytes) -> tuple[bytes, set[int]]:
        return data[::-1], set(data)

    job = digest.enqueue(b"\x00\xff")
    work(host)
    assert ask(way, job, "result") == (b"\xff\x00", {0, 255})


def test_waiting_for_a_result_ends_in_time_and_leaves_the_job_alone(
    host: JobHost, way: str
) -> None:
    @host.task
    def note() -> None: ...

    job = note.enqueue()
    for timeout in ("0s", "10ms"):
        with pytest.raises(ResultTimeout, match=rf"job {job.id} had not ended .*; it goes on"):
            ask(way, job, "result", timeout)
    assert job.status().state is State.READY


@pytest.mark.parametrize(
    ("ending", "failure", "state", "message"),
    [
        (DeadLetter("no such customer"), JobDead, State.DEAD, "no such customer"),
        (Discard("sent before"), JobCancelled, State.CANCELLED, "sent before"),
        (ValueError("no number"), JobDead, State.DEAD, "failed: ValueError: no number"),
    ],
)
def test_a_job_that_ended_without_a_result_says_why(
    host: JobHost,
    way: str,
    ending: Exception,
    failure: type[JobFailed],
    state: State,
    message: str,
) -> None:
    from jobhost import Retry

    @host.task(retry=Retry(max_attempts=1))
    def fail() -> int:
        raise ending

    job = fail.enqueue()
    work(host)
    with pytest.raises(failure, match=message) as caught:
        ask(way, job, "result", "1s")
    assert str(caught.value).startswith(f"job {job.id} (fail) is {state}: ")
    (attempt,) = ask(way, job, "attempts")
    assert (attempt.epoch, attempt.worker) == (1, job.status().worker)


def test_a_result_that_could_not_be_stored_is_told_apart_from_a_failure(
    host: JobHost, way: str
) -> None:
    ran: list[int] = []

    @host.task
    def odd() -> Any:
        ran.append(1)
        return object()

    job = odd.enqueue()
    work(host)
    with pytest.raises(
        ResultUnstorable, match=r"succeeded, but the result of odd\(\) cannot be stored.* object"
    ):
        ask(way, job, "result", "1s")
    assert (job.status().state, ran) == (State.SUCCEEDED, [1])


@pytest.mark.parametrize("options", [{}, {"delay": "1h"}])
def test_a_waiting_job_is_cancelled_at_once_and_never_runs(
    host: JobHost, way: str, options: Any
) -> None:
    ran: list[int] = []

    @host.task
    def note() -> None:
        ran.append(1)

    job = note.using(**options).enqueue()
    assert ask(way, job, "cancel", "not wanted") is CancelResult.CANCELLED
    record = job.status()
    assert (record.state, record.reason) == (State.CANCELLED, "not wanted")
    assert ask(way, job, "cancel") is CancelResult.TOO_LATE
    work(host)
    assert (ran, job.attempts()) == ([], [])
    with pytest.raises(JobCancelled, match="not wanted"):
        ask(way, job, "result", "1s")


def test_a_job_that_has_ended_cannot_be_cancelled(host: JobHost, way: str) -> None:
    @host.task
    def note() -> None: ...

    job = note.enqueue()
    work(host)
    assert ask(way, job, "cancel") is CancelResult.TOO_LATE
    assert job.status().state is State.SUCCEEDED


@pytest.mark.parametrize("method", ["status", "result", "cancel"])
def test_an_unknown_id_is_no_job(host: JobHost, way: str, method: str) -> None:
    host.migrate()
    stranger = uuid4()
    with pytest.raises(
        JobNotFound, match=rf"there is no job {stranger} in sqlite:///.*jobhost\.db"
    ):
        ask(way, host.job(stranger), method)


def test_an_unknown_job_has_no_attempts(host: JobHost, way: str) -> None:
    host.migrate()
    assert ask(way, host.job(uuid4()), "attempts") == []


@pytest.mark.parametrize("wrong", ["", "17", "not-an-id", None])
def test_what_is_no_id_is_refused(host: JobHost, wrong: Any) -> None:
    with pytest.raises(UsageError, match="a job id is a UUID"):
        host.job(wrong)


def test_two_handles_of_one_job_are_equal(host: JobHost) -> None:
    @host.task
    def note() -> None: ...

    one, other = note.enqueue_many([(), ()])
    assert one == host.job(one.id) == host.job(str(one.id))
    assert one != other
    assert one != one.id
    assert len({one, other, host.job(one.id)}) == 2
    assert repr(one) == f"<Job {one.id}>"


def test_jobs_are_listed_newest_first_and_filtered(host: JobHost) -> None:
    @host.task
    def note() -> None: ...

    @host.task(queue="mail")
    def send() -> None: ...

    jobs = [note.enqueue(), send.enqueue(), note.enqueue()]
    assert [record.id for record in host.jobs()] == [job.id for job in reversed(jobs)]
    assert [record.id for record in host.jobs(limit=1)] == [jobs[2].id]
    assert [record.id for record in host.jobs(queue="mail")] == [jobs[1].id]
    assert [record.id for record in host.jobs(task="note")] == [jobs[2].id, jobs[0].id]
    assert host.jobs(state=State.SUCCEEDED) == []


@pytest.mark.parametrize(
    "arguments",
    [["text"], {1: "text"}, {"text": object()}, {"text": "\0"}, {"text": "\ud800"}],
    ids=["no names", "a name that is none", "no JSON", "NUL", "half a character"],
)
def test_arguments_of_a_redrive_that_no_store_keeps_are_refused_and_nothing_is_lost(
    host: JobHost, way: str, arguments: Any
) -> None:
    @host.task
    def note(text: str) -> None:
        raise DeadLetter("no")

    job = note.enqueue("first")
    work(host)
    with pytest.raises(InvalidPayload, match="arguments"):
        ask(way, job, "redrive", arguments)
    record = job.status()
    assert (record.state, record.payload) == (State.DEAD, '{"text":"first"}')
