"""Connections of tasks' own transactions: used again while they are good, and closed in the end."""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from postgres_server import ask, server_url
from psycopg.rows import dict_row

from jobhost import JobHost, current_job
from jobhost.clock import SystemClock
from jobhost.store.postgres import completion
from jobhost.store.postgres.target import read_target

from ..crew import until

KINDS = ["sync", "async"]


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine nothing is closed for a long rest."""
    monkeypatch.setattr(completion, "KEPT_SECONDS", 3600.0)
    if read_target(server_url(), SystemClock()).pooled:
        pytest.skip("the processes of the server are the pooler's")


def declare(host: JobHost, kind: str, use: Callable[[Any], Any]) -> Any:
    """A task that has `use` look at its transaction's connection; the number of its process."""

    def look(number: int) -> int:
        with current_job().transaction() as tx:
            use(tx.connection)
            tx.result = tx.connection.info.backend_pid
        return None  # type: ignore[return-value]

    async def look_async(number: int) -> int:
        async with current_job().transaction() as tx:
            found = use(tx.connection)
            if asyncio.iscoroutine(found):
                await found
            tx.result = tx.connection.info.backend_pid
        return None  # type: ignore[return-value]

    return host.task(name="look")(look if kind == "sync" else look_async)


def run(host: JobHost, task: Any, times: int) -> list[int]:
    """Run it, one after the other in one worker."""
    jobs = [task.enqueue(number) for number in range(times)]
    host.worker(burst=True, concurrency=1).run()
    return [job.result("1s") for job in jobs]


@pytest.mark.parametrize("kind", KINDS)
def test_one_after_the_other_has_the_same_connection(pg_host: JobHost, kind: str) -> None:
    task = declare(pg_host, kind, lambda raw: None)
    assert len(set(run(pg_host, task, 20))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_comes_as_fresh_as_the_first(pg_host: JobHost, kind: str) -> None:
    seen: list[Any] = []

    def change(raw: Any) -> Any:
        seen.append(raw.row_factory)
        raw.row_factory = dict_row
        return raw.execute(b"CREATE TEMP TABLE mine (n integer)")

    task = declare(pg_host, kind, change)
    assert len(set(run(pg_host, task, 3))) == 1
    assert len(seen) == 3
    assert dict_row not in seen


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_ended_while_at_rest_is_replaced_before_the_task_begins(
    pg_host: JobHost, kind: str
) -> None:
    task = declare(pg_host, kind, lambda raw: None)
    ended: list[int] = []

    @pg_host.task
    def end_it() -> None:
        found = ask("SELECT pid FROM pg_stat_activity WHERE query LIKE 'CLOSE ALL%'")
        for (pid,) in found:
            ask("SELECT pg_terminate_backend(%(pid)s, 60000)", pid=pid)
            ended.append(pid)

    first = task.enqueue(1)
    end_it.enqueue()
    second = task.enqueue(2)
    pg_host.worker(burst=True, concurrency=1).run()
    assert first.result("1s") in ended
    assert second.result("1s") not in ended
    assert len(second.attempts()) == 1


def test_those_at_rest_are_bounded(pg_host: JobHost) -> None:
    slots = completion.KEPT_MAX + 3
    together = threading.Barrier(slots)
    task = declare(pg_host, "sync", lambda raw: together.wait(60))
    jobs = [task.enqueue(number) for number in range(slots)]
    pg_host.worker(burst=True, concurrency=slots).run()
    pids = {job.result("1s") for job in jobs}
    assert len(pids) == slots

    def left() -> int:
        return len([p for (p,) in ask("SELECT pid FROM pg_stat_activity") if p in pids])

    until(lambda: left() <= completion.KEPT_MAX, "the rest are closed")
    pg_host.close()
    until(lambda: left() == 0, "all are closed with the host")


def test_a_forked_child_has_connections_of_its_own(pg_host: JobHost) -> None:
    task = declare(pg_host, "sync", lambda raw: None)
    (before,) = run(pg_host, task, 1)
    inside = pg_host.store._current().completions._rest
    assert len(inside._kept) == 1
    if (child := os.fork()) == 0:
        fresh = pg_host.store._current().completions._rest
        os._exit(0 if fresh is not inside and not fresh._kept else 1)
    assert os.waitpid(child, 0)[1] == 0
    (after,) = run(pg_host, task, 1)
    assert after == before
