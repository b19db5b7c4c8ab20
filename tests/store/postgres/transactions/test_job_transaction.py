"""`current_job().transaction()`: a task's writes and its completion are committed together."""

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import ask, shared_schema, store_url

from jobhost import JobHost, LeaseLost, Retry, Task, current_job
from jobhost.events import AttemptFailed, FailedLate, JobsLost

from .orders import Orders, Serving

ONCE = Retry(max_attempts=1)


def work(host: JobHost) -> list[Any]:
    """Run all that waits; what failed or was lost."""
    seen: list[Any] = []
    worker = host.worker(burst=True)
    for kind in (AttemptFailed, FailedLate, JobsLost):
        worker.events.subscribe(kind, seen.append)
    worker.run()
    return seen


def take_away() -> None:
    """The running job goes to another worker, as after the loss of a lease."""
    ask(f"UPDATE {shared_schema()}.running SET epoch = epoch + 1")


def test_writes_and_completion_are_one_commit(pg_host: JobHost, orders: Orders) -> None:
    @pg_host.task
    def ship(order: str) -> int:
        job = current_job()
        with job.transaction() as tx:
            tx.connection.execute(orders.insert(order).encode())
            tx.result = 7
            assert orders.names == []
            assert pg_host.job(job.id).status().state == "running"
        assert orders.names == [order]
        assert pg_host.job(job.id).status().state == "succeeded"
        return 7

    job = ship.enqueue("a")
    assert work(pg_host) == []
    assert job.result("1s") == 7
    (attempt,) = job.attempts()
    assert (attempt.outcome, attempt.epoch) == ("succeeded", 1)
    assert attempt.duration_seconds is not None


def test_an_async_task_completes_in_its_transaction(pg_host: JobHost, orders: Orders) -> None:
    @pg_host.task
    async def ship(order: str) -> str | None:
        async with current_job().transaction() as tx:
            await tx.connection.execute(orders.insert(order).encode())
            tx.result = "shipped"
        return None

    job = ship.enqueue("a")
    assert work(pg_host) == []
    assert (orders.names, job.result("1s")) == (["a"], "shipped")


def test_an_exception_rolls_back_and_counts_as_any_failure(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task(retry=ONCE)
    def ship(order: str) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(orders.insert(order).encode())
            raise ValueError("no stock")

    @pg_host.task(retry=ONCE)
    async def ship_async(order: str) -> None:
        async with current_job().transaction() as tx:
            await tx.connection.execute(orders.insert(order).encode())
            raise ValueError("no stock")

    jobs = [ship.enqueue("a"), ship_async.enqueue("b")]
    assert [event.outcome for event in work(pg_host)] == ["failed", "failed"]
    assert [job.status().state for job in jobs] == ["dead", "dead"]
    assert orders.names == []


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_completion_that_is_refused_rolls_back_with_lease_lost(
    pg_host: JobHost, orders: Orders, kind: str
) -> None:
    raised: list[BaseException] = []

    @pg_host.task(name="sync")
    def ship() -> None:
        try:
            with current_job().transaction() as tx:
                tx.connection.execute(orders.insert("a").encode())
                take_away()
        except LeaseLost as error:
            raised.append(error)
            raise

    @pg_host.task(name="async")
    async def ship_async() -> None:
        try:
            async with current_job().transaction() as tx:
                await tx.connection.execute(orders.insert("a").encode())
                take_away()
        except LeaseLost as error:
            raised.append(error)
            raise

    task: Task[[], None, Any] = pg_host.tasks.get(kind)
    job = task.enqueue()
    lost = [event for event in work(pg_host) if isinstance(event, JobsLost)]
    assert len(raised) == 1
    assert len(lost) == 1
    assert orders.names == []
    assert job.status().state != "succeeded"


def test_a_lease_that_has_ended_refuses_the_completion(pg_host: JobHost, orders: Orders) -> None:
    refused = threading.Event()

    @pg_host.task(retry=ONCE)
    def ship() -> None:
        if refused.is_set():
            return
        try:
            with current_job().transaction() as tx:
                tx.connection.execute(orders.insert("a").encode())
                ask(f"UPDATE {shared_schema()}.node SET lease_until = 0")
        except LeaseLost:
            refused.set()
            raise

    ship.enqueue()
    work(pg_host)
    assert refused.is_set()
    assert orders.names == []


def test_a_job_enqueued_in_the_transaction_follows_the_completion(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task
    def bill(order: str) -> str:
        return f"billed {order}"

    @pg_host.task(retry=ONCE)
    def ship(order: str, stock: int) -> None:
        with current_job().transaction() as tx:
            bill.enqueue_with(tx.connection, order)
            if not stock:
                raise ValueError("no stock")

    ship.enqueue("a", 0)
    parent = ship.enqueue("b", 1)
    work(pg_host)
    (billed,) = pg_host.jobs(task="bill")
    assert (billed.payload, billed.parent) == ('{"order":"b"}', parent.id)
    assert pg_host.job(billed.id).result("1s") == "billed b"


def test_a_result_that_cannot_be_stored_rolls_back(pg_host: JobHost, orders: Orders) -> None:
    @pg_host.task(retry=ONCE)
    def ship() -> int:
        with current_job().transaction() as tx:
            tx.connection.execute(orders.insert("a").encode())
        return 7

    job = ship.enqueue()
    (failed,) = work(pg_host)
    assert "InvalidPayload: the result" in failed.error
    assert (orders.names, job.status().state) == ([], "dead")


@pytest.mark.parametrize("what", ["raises", "returns another"])
def test_what_comes_after_the_commit_changes_nothing_and_is_told(
    pg_host: JobHost, what: str
) -> None:
    @pg_host.task
    def ship() -> int:
        with current_job().transaction() as tx:
            tx.result = 7
        if what == "raises":
            raise ValueError("too late")
        return 8

    job = ship.enqueue()
    (told,) = work(pg_host)
    assert isinstance(told, FailedLate)
    assert told.job == job.id
    assert "too late" in told.error or "another value" in told.error
    assert (job.result("1s"), job.status().failures) == (7, 0)


def test_a_commit_of_the_tasks_own_is_refused_by_the_driver(
    pg_host: JobHost, orders: Orders
) -> None:
    @pg_host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(orders.insert("a").encode())
            with pytest.raises(psycopg.ProgrammingError, match="forbidden"):
                tx.connection.commit()
            raise ValueError("no stock")

    ship.enqueue()
    work(pg_host)
    assert orders.names == []


def test_an_error_of_the_commit_is_the_drivers_and_the_job_runs_again(
    pg_host: JobHost, orders: Orders
) -> None:
    ask(f"ALTER TABLE {orders.table} ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
    ask(orders.insert("taken"))

    @pg_host.task(retry=Retry(max_attempts=2, first_delay="0s"))
    def ship() -> None:
        with current_job().transaction() as tx:
            name = "taken" if current_job().delivery == 1 else "free"
            tx.connection.execute(orders.insert(name).encode())

    job = ship.enqueue()
    (failed,) = work(pg_host)
    assert failed.error.startswith("psycopg.errors.UniqueViolation")
    assert (job.status().state, orders.names) == ("succeeded", ["free", "taken"])


def test_a_job_completes_once(pg_host: JobHost) -> None:
    @pg_host.task
    def ship() -> None:
        with current_job().transaction():
            pass
        with current_job().transaction():
            pass

    job = ship.enqueue()
    (told,) = work(pg_host)
    assert isinstance(told, FailedLate)
    assert "completed with its first transaction" in told.error
    assert job.status().state == "succeeded"


def test_a_plain_with_on_the_event_loop_is_refused(pg_host: JobHost) -> None:
    @pg_host.task(retry=ONCE)
    async def ship() -> None:
        with current_job().transaction():
            await asyncio.sleep(0)

    ship.enqueue()
    (failed,) = work(pg_host)
    assert "write 'async with'" in failed.error


def test_a_slot_is_free_again_after_a_completion_of_the_tasks_own(
    pg_host: JobHost, serving: Serving
) -> None:
    @pg_host.task
    def ship(number: int) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(b"SELECT")

    with serving(pg_host):
        jobs = ship.enqueue_many([(number,) for number in range(20)])
        for job in jobs:
            job.result("20s")


KILLED = Path(__file__).parent / "shops" / "killed_shop.py"


@pytest.mark.parametrize("task", ["ship", "ship_async"])
@pytest.mark.parametrize(
    ("when", "after_the_kill"), [("before the commit", []), ("after the commit", ["delivery 1"])]
)
def test_a_worker_killed_around_the_commit_leaves_both_or_none(
    pg_host: JobHost, orders: Orders, task: str, when: str, after_the_kill: list[str]
) -> None:
    @pg_host.task(name=task)
    def ship(table: str, when: str) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(orders.insert(f"delivery {current_job().delivery}").encode())

    job = ship.enqueue(orders.table, when)
    killed = subprocess.run([sys.executable, KILLED, store_url(shared_schema())], timeout=100)
    assert killed.returncode == -signal.SIGKILL
    assert orders.names == after_the_kill
    assert job.status().state == ("succeeded" if after_the_kill else "running")
    work(pg_host)
    assert job.status().state == "succeeded"
    assert orders.names == (after_the_kill or ["delivery 2"])


def test_a_look_at_the_store_between_commit_and_return_loses_nothing(pg_host: JobHost) -> None:
    seen: list[bool] = []

    @pg_host.task
    def ship() -> None:
        job = current_job()
        with job.transaction():
            pass
        seen.append(job.cancel.wait(4.5))

    job = ship.enqueue()
    worker = pg_host.worker(burst=True, lease="4s")
    lost: list[JobsLost] = []
    worker.events.subscribe(JobsLost, lost.append)
    worker.run()
    assert (seen, lost, job.status().state) == ([False], [], "succeeded")
