"""However an attempt ends, the work of a job in its transaction is kept once, with its success."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from postgres_server import ask, shared_schema

from jobhost import JobHost, LeaseLost, Retry, Task, current_job
from jobhost.events import AttemptFailed, FailedLate, JobsLost

from ..crew import GUARD_SECONDS, until, working
from .orders import Orders

TWICE = Retry(max_attempts=2, first_delay="0s")


def work(host: JobHost) -> list[Any]:
    """Run all that waits; what failed or was lost."""
    seen: list[Any] = []
    worker = host.worker(burst=True)
    for kind in (AttemptFailed, FailedLate, JobsLost):
        worker.events.subscribe(kind, seen.append)
    worker.run()
    return seen


def declare(
    host: JobHost, kind: str, orders: Orders, then: Callable[[], Any]
) -> Task[..., Any, Any]:
    """A task that writes an order with its delivery, does `then`, and completes."""

    def insert() -> bytes:
        return orders.insert(f"delivery {current_job().delivery}").encode()

    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(insert())
            then()

    async def ship_async() -> None:
        async with current_job().transaction() as tx:
            await tx.connection.execute(insert())
            await asyncio.to_thread(then)

    task = ship if kind == "sync" else ship_async
    return host.task(name="ship", retry=TWICE)(task)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_job_that_was_rescued_in_the_middle_is_done_by_one_of_both(
    pg_host: JobHost, orders: Orders, kind: str
) -> None:
    schema = shared_schema()
    entered, done = threading.Event(), threading.Event()

    def first_waits() -> None:
        if current_job().delivery == 1:
            entered.set()
            assert done.wait(GUARD_SECONDS)

    job = declare(pg_host, kind, orders, first_waits).enqueue()
    with working(pg_host.worker(concurrency=1)):
        assert entered.wait(GUARD_SECONDS)
        ask(f"UPDATE {schema}.node SET lease_until = 0")
        with working(pg_host.worker(concurrency=1)):
            try:
                until(lambda: job.status().is_final, "another has done it")
                assert len(orders.names) == 1
            finally:
                done.set()
    assert job.status().state == "succeeded"
    assert len(orders.names) == 1
    assert orders.names != ["delivery 1"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_connection_that_ends_in_the_middle_leaves_nothing_and_the_job_runs_again(
    pg_host: JobHost, orders: Orders, kind: str
) -> None:
    def first_breaks() -> None:
        if current_job().delivery == 1:
            ended = ask(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE relation = %(orders)s::regclass AND mode = 'RowExclusiveLock'",
                orders=orders.table,
            )
            assert ended == [(True,)]

    job = declare(pg_host, kind, orders, first_breaks).enqueue()
    failed = [event for event in work(pg_host) if isinstance(event, AttemptFailed)]
    assert len(failed) == 1
    assert (job.status().state, orders.names) == ("succeeded", ["delivery 2"])


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stale_epoch_leaves_nothing(pg_host: JobHost, orders: Orders, kind: str) -> None:
    def goes_to_another() -> None:
        ask(f"UPDATE {shared_schema()}.running SET epoch = epoch + 1")

    job = declare(pg_host, kind, orders, goes_to_another).enqueue()
    lost = [event for event in work(pg_host) if isinstance(event, JobsLost)]
    assert len(lost) == 1
    assert orders.names == []
    assert job.status().state != "succeeded"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_lease_that_ended_leaves_nothing_and_the_next_delivery_does_it(
    pg_host: JobHost, orders: Orders, kind: str
) -> None:
    def lease_ends() -> None:
        if current_job().delivery == 1:
            ask(f"UPDATE {shared_schema()}.node SET lease_until = 0")

    job = declare(pg_host, kind, orders, lease_ends).enqueue()
    with working(pg_host.worker()):
        until(lambda: job.status().is_final, "it was done again")
    assert job.status().state == "succeeded"
    assert len(orders.names) == 1
    assert orders.names != ["delivery 1"]


def test_a_time_limit_inside_the_block_leaves_nothing(pg_host: JobHost, orders: Orders) -> None:
    @pg_host.task(retry=TWICE, timeout="300ms")
    async def ship() -> None:
        async with current_job().transaction() as tx:
            name = f"delivery {current_job().delivery}"
            await tx.connection.execute(orders.insert(name).encode())
            await asyncio.Event().wait()

    job = ship.enqueue()
    assert [event.outcome for event in work(pg_host)] == ["timed out", "timed out"]
    assert (job.status().state, orders.names) == ("dead", [])


def test_a_block_within_the_block_completes_and_the_outer_one_is_rolled_back(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task
    def ship() -> None:
        with current_job().transaction() as outer:
            outer.connection.execute(orders.insert("outer").encode())
            with current_job().transaction() as inner:
                inner.connection.execute(orders.insert("inner").encode())

    job = ship.enqueue()
    (told,) = work(pg_host)
    assert isinstance(told, FailedLate)
    assert "nothing of this one is kept" in told.error
    assert (job.status().state, orders.names) == ("succeeded", ["inner"])


def test_an_error_after_a_block_within_the_block_does_not_undo_the_success(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task
    def ship() -> None:
        with current_job().transaction() as outer:
            outer.connection.execute(orders.insert("outer").encode())
            with current_job().transaction() as inner:
                inner.connection.execute(orders.insert("inner").encode())
            raise ValueError("too late")

    job = ship.enqueue()
    (told,) = work(pg_host)
    assert isinstance(told, FailedLate)
    assert "too late" in told.error
    assert (job.status().state, orders.names) == ("succeeded", ["inner"])


def test_a_refused_completion_of_a_task_that_goes_on_records_nothing(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task
    def ship() -> str:
        with pytest.raises(LeaseLost, match="rolled back"), current_job().transaction() as tx:
            tx.connection.execute(orders.insert("a").encode())
            ask(f"UPDATE {shared_schema()}.running SET epoch = epoch + 1")
        return "went on"

    job = ship.enqueue()
    work(pg_host)
    assert orders.names == []
    assert job.status().state != "succeeded"


def test_an_error_that_the_task_catches_leaves_the_plain_completion(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task
    def ship() -> str:
        with (
            pytest.raises(psycopg.errors.UndefinedTable),
            current_job().transaction() as tx,
        ):
            tx.connection.execute(orders.insert("a").encode())
            tx.connection.execute(b"SELECT FROM no_such_table")
        return "without"

    job = ship.enqueue()
    assert work(pg_host) == []
    assert (job.result("1s"), orders.names) == ("without", [])
