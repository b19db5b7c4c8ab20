"""What a task can ask about itself, and what a job that it enqueues inherits."""

from typing import Any

import pytest

from jobhost import (
    CancelToken,
    JobCancelled,
    JobHost,
    LeaseLost,
    RunningJob,
    UsageError,
    current_job,
)

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def work(host: JobHost) -> None:
    host.worker(burst=True).run()


def test_outside_a_task_there_is_no_current_job() -> None:
    with pytest.raises(UsageError, match=r"current_job\(\) was called outside a running task"):
        current_job()


def test_a_plain_call_of_a_task_is_no_job(host: JobHost) -> None:
    @host.task
    def ask() -> str:
        return current_job().task

    with pytest.raises(UsageError, match="outside a running task"):
        ask()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_running_task_knows_its_job(host: JobHost, kind: str) -> None:
    seen: list[RunningJob] = []

    @host.task(name="sync")
    def ask() -> None:
        seen.append(current_job())
        assert current_job() is seen[0]

    @host.task(name="async")
    async def ask_async() -> None:
        seen.append(current_job())

    task: Any = host.tasks.get(kind)
    job = task.using(queue="default", tags=["io"], headers={"tenant": "7"}).enqueue()
    work(host)
    (running,) = seen
    assert (running.id, running.task, running.queue) == (job.id, kind, "default")
    assert (running.delivery, running.failures, running.redelivered) == (1, 0, False)
    assert running.epoch >= 1
    assert (running.tags, running.headers) == (("io",), {"tenant": "7"})
    assert (running.correlation_id, running.parent) == (str(job.id), None)
    assert running.trigger == ("event", "enqueue")
    assert running.enqueued_at == job.status().created_at
    assert not running.cancel.is_set


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_job_enqueued_by_a_job_inherits_its_relations_and_its_trace_only(
    host: JobHost, kind: str
) -> None:
    @host.task
    def child(number: int) -> None: ...

    @host.task(name="sync")
    def parent() -> list[str]:
        made = [child.enqueue(1), *child.enqueue_many([(2,)])]
        return [str(job.id) for job in made]

    @host.task(name="async")
    async def parent_async() -> list[str]:
        made = [await child.aenqueue(1), *await child.aenqueue_many([(2,)])]
        return [str(job.id) for job in made]

    task: Any = host.tasks.get(kind)
    job = task.using(headers={**TRACE, "tenant": "7"}, tags=["io"], priority=9).enqueue()
    work(host)
    for child_id in job.result("1s"):
        record = host.job(child_id).status()
        assert record.parent == job.id
        assert record.correlation_id == str(job.id)
        assert record.envelope.headers == TRACE
        assert (record.envelope.trigger_kind, record.envelope.trigger_detail) == (
            "event",
            "enqueue",
        )
        assert (record.envelope.tags, record.priority) == ((), 0)


def test_a_grandchild_keeps_the_first_correlation_and_the_nearest_parent(host: JobHost) -> None:
    @host.task
    def count_down(number: int) -> str | None:
        return str(count_down.enqueue(number - 1).id) if number else None

    first = count_down.enqueue(2)
    work(host)
    second = host.job(first.result("1s") or "").status()
    third = host.job(host.job(second.id).result("1s")).status()
    assert (second.parent, third.parent) == (first.id, second.id)
    assert second.correlation_id == third.correlation_id == str(first.id)


def test_headers_of_the_call_win_over_inherited_ones(host: JobHost) -> None:
    @host.task
    def child() -> None: ...

    @host.task
    def parent() -> str:
        own = {"traceparent": "own", "tenant": "8"}
        return str(child.using(headers=own).enqueue().id)

    job = parent.using(headers=TRACE).enqueue()
    work(host)
    headers = host.job(job.result("1s")).status().envelope.headers
    assert headers == {"traceparent": "own", "tenant": "8"}


def test_after_its_job_a_thread_has_no_current_job_left(host: JobHost) -> None:
    @host.task
    def note() -> None: ...

    job = note.enqueue()
    work(host)
    later = note.enqueue().status()
    assert job.status().is_final
    assert later.parent is None
    with pytest.raises(UsageError, match="outside"):
        current_job()


# --- The token -----------------------------------------------------------------------------------


def test_a_token_is_set_once_and_keeps_its_first_reason() -> None:
    token = CancelToken()
    assert (token.is_set, token.reason, token.wait(0)) == (False, None, False)
    token.raise_if_set()
    token.set("not wanted")
    token.set("lease lost", lease_lost=True)
    assert (token.is_set, token.reason, token.wait()) == (True, "not wanted", True)
    with pytest.raises(JobCancelled, match="not wanted"):
        token.raise_if_set()


def test_a_token_tells_a_lost_lease_apart() -> None:
    token = CancelToken()
    token.set("another worker has it", lease_lost=True)
    with pytest.raises(LeaseLost, match="another worker has it"):
        token.raise_if_set()
