"""Read by mypy, never run: what a type checker knows of tasks, jobs and results."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, assert_type
from uuid import UUID

from jobhost import Job, JobHost, Retry, Task, current_job
from jobhost.host.task import BoundTask
from jobhost.jobs.records import Attempt, JobRecord
from jobhost.store.plans.operate import CancelResult

host = JobHost("sqlite:///typing.db")


@host.task
def thumbnail(source: Path, width: int = 256) -> Path:
    return source.with_suffix(f".{width}.png")


@host.task
async def fetch(address: str, *, tries: int = 3) -> bytes:
    return address.encode() * tries


@host.task(name="mail.send", retry=Retry(max_attempts=3), timeout="10m", queue="mail")
def send(to: str, *copies: str) -> None: ...


@host.task(priority=5, tags=["io"], headers={"a": "1"}, delay="1s")
async def count(path: Path) -> dict[str, int]:
    return {path.name: 1}


@host.task()
def nothing() -> int | None:
    return None


def check_plain_calls() -> None:
    assert_type(thumbnail(Path("a")), Path)
    assert_type(thumbnail(Path("a"), width=3), Path)
    _fetching = assert_type(fetch("a"), Coroutine[Any, Any, bytes])
    _counting = assert_type(count(Path("a")), Coroutine[Any, Any, dict[str, int]])
    assert_type(nothing(), int | None)


async def check_awaited_plain_calls() -> None:
    assert_type(await fetch("a", tries=1), bytes)
    assert_type(await count(Path("a")), dict[str, int])


def check_enqueue() -> None:
    assert_type(thumbnail.enqueue(Path("a"), width=3), Job[Path])
    assert_type(fetch.enqueue("a", tries=1), Job[bytes])
    assert_type(send.enqueue("a", "b", "c"), Job[None])
    assert_type(count.enqueue(Path("a")), Job[dict[str, int]])
    assert_type(nothing.enqueue(), Job[int | None])
    assert_type(thumbnail.enqueue_many([(Path("a"),), [Path("b"), 3]]), list[Job[Path]])
    assert_type(fetch.enqueue_many([("a",)]), list[Job[bytes]])


async def check_aenqueue() -> None:
    assert_type(await thumbnail.aenqueue(Path("a")), Job[Path])
    assert_type(await fetch.aenqueue("a"), Job[bytes])
    assert_type(await fetch.aenqueue_many([("a",)]), list[Job[bytes]])


def check_results() -> None:
    assert_type(thumbnail.enqueue(Path("a")).result(), Path)
    assert_type(fetch.enqueue("a").result(timeout="5s"), bytes)
    assert_type(nothing.enqueue().result(), int | None)
    assert_type(host.job("id").result(), Any)


async def check_aresults() -> None:
    assert_type(await fetch.enqueue("a").aresult(timeout="5s"), bytes)
    assert_type(await (await count.aenqueue(Path("a"))).aresult(), dict[str, int])


async def check_handles() -> None:
    job = thumbnail.enqueue(Path("a"))
    assert_type(job.id, UUID)
    assert_type(job.status(), JobRecord)
    assert_type(await job.astatus(), JobRecord)
    assert_type(job.attempts(), list[Attempt])
    assert_type(await job.aattempts(), list[Attempt])
    assert_type(job.cancel("why"), CancelResult)
    assert_type(await job.acancel(), CancelResult)


async def check_using() -> None:
    bound = fetch.using(queue="slow", priority=-5, timeout=None, retry=Retry())
    assert_type(bound.enqueue("a", tries=1), Job[bytes])
    assert_type(await bound.aenqueue("a"), Job[bytes])
    assert_type(bound.enqueue_many([("a",)]), list[Job[bytes]])
    assert_type(await bound.aenqueue_many([("a",)]), list[Job[bytes]])


def check_names() -> None:
    """The public names can be used as annotations."""

    def takes(task: Task[[str], bytes, Any], job: Job[bytes], bound: BoundTask[..., Any]) -> None:
        task.enqueue("a")

    with JobHost() as other:
        assert_type(other, JobHost)

        @other.task
        def shout(text: str) -> bytes:
            return text.encode()

        takes(shout, shout.enqueue("a"), shout.using(delay="1s"))


async def check_transactions(connection: object) -> None:
    assert_type(thumbnail.enqueue_with(connection, Path("a"), width=3), Job[Path])
    assert_type(await fetch.aenqueue_with(connection, "a", tries=1), Job[bytes])
    assert_type(send.enqueue_many_with(connection, [("a",)]), list[Job[None]])
    assert_type(await send.aenqueue_many_with(connection, [("a",)]), list[Job[None]])
    bound = thumbnail.using(priority=3)
    assert_type(bound.enqueue_with(connection, Path("a")), Job[Path])
    thumbnail.enqueue_with(connection, 3)  # type: ignore[arg-type]
    with current_job().transaction() as tx:
        assert_type(tx.connection, Any)
    async with current_job().transaction() as on_loop:
        assert_type(on_loop.connection, Any)
