"""A completion that the store refuses is told once: as a job that was lost."""

import asyncio
import logging
from typing import Any

import pytest
from postgres_server import ask, shared_schema

from jobhost import JobHost, Retry, Task, current_job
from jobhost.events import AttemptFailed, JobsLost

from .orders import Orders


@pytest.mark.parametrize("attempts", [1, 5])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_refused_completion_is_told_as_a_lost_job_and_not_as_a_failed_one(
    pg_host: JobHost,
    orders: Orders,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    attempts: int,
) -> None:
    @pg_host.task(name="sync", retry=Retry(max_attempts=attempts))
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(orders.insert("a").encode())
            ask(f"UPDATE {shared_schema()}.running SET epoch = epoch + 1")

    @pg_host.task(name="async", retry=Retry(max_attempts=attempts))
    async def ship_async() -> None:
        async with current_job().transaction() as tx:
            await tx.connection.execute(orders.insert("a").encode())
            await asyncio.to_thread(ask, f"UPDATE {shared_schema()}.running SET epoch = epoch + 1")

    task: Task[[], None, Any] = pg_host.tasks.get(kind)
    task.enqueue()
    told: list[Any] = []
    worker = pg_host.worker(burst=True)
    for event in (AttemptFailed, JobsLost):
        worker.events.subscribe(event, told.append)
    with caplog.at_level(logging.INFO, "jobhost.worker"):
        worker.run()
    assert [type(event) for event in told] == [JobsLost]
    assert "runs again" not in caplog.text
    assert "is dead" not in caplog.text
    assert orders.names == []
