"""`current_job().transaction()` on every store: a task's writes and its end are one commit."""

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jobhost import JobHost, LeaseLost, Retry, Task, current_job
from jobhost.events import AttemptFailed, FailedLate, JobsLost

from .conftest import Shop

ONCE = Retry(max_attempts=1)
KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


def work(host: JobHost) -> list[Any]:
    """Run all that waits; what failed or was lost."""
    seen: list[Any] = []
    worker = host.worker(burst=True)
    for kind in (AttemptFailed, FailedLate, JobsLost):
        worker.events.subscribe(kind, seen.append)
    worker.run()
    return seen


@KINDS
def test_writes_and_completion_are_one_commit(shop: Shop, kind: str) -> None:
    seen: list[tuple[list[str], str]] = []

    def look() -> None:
        seen.append((shop.names, shop.host.job(current_job().id).status().state))

    @shop.host.task(name="sync")
    def ship(order: str) -> int:
        with current_job().transaction() as tx:
            tx.connection.execute(shop.insert(order))
            tx.result = 7
            look()
        look()
        return 7

    @shop.host.task(name="async")
    async def ship_async(order: str) -> int:
        async with current_job().transaction() as tx:
            await shop.run(tx.connection, shop.insert(order))
            tx.result = 7
            look()
        look()
        return 7

    task: Task[[str], int, Any] = shop.host.tasks.get(kind)
    job = task.enqueue("a")
    assert work(shop.host) == []
    assert seen == [([], "running"), (["a"], "succeeded")]
    assert job.result("1s") == 7
    (attempt,) = job.attempts()
    assert (attempt.outcome, attempt.epoch) == ("succeeded", 1)
    assert attempt.duration_seconds is not None


@KINDS
def test_an_exception_rolls_back_and_counts_as_any_failure(shop: Shop, kind: str) -> None:
    @shop.host.task(name="sync", retry=ONCE)
    def ship(order: str) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(shop.insert(order))
            raise ValueError("no stock")

    @shop.host.task(name="async", retry=ONCE)
    async def ship_async(order: str) -> None:
        async with current_job().transaction() as tx:
            await shop.run(tx.connection, shop.insert(order))
            raise ValueError("no stock")

    task: Task[[str], None, Any] = shop.host.tasks.get(kind)
    job = task.enqueue("a")
    assert [event.outcome for event in work(shop.host)] == ["failed"]
    assert (job.status().state, shop.names) == ("dead", [])


@KINDS
@pytest.mark.parametrize("what", ["epoch", "lease"])
def test_a_completion_that_is_refused_rolls_back_with_lease_lost(
    shop: Shop, kind: str, what: str
) -> None:
    raised: list[BaseException] = []

    def lose() -> bool:
        if raised:
            return False
        (shop.take_away if what == "epoch" else shop.end_leases)()
        return True

    @shop.host.task(name="sync")
    def ship() -> None:
        if lose():
            try:
                with current_job().transaction() as tx:
                    tx.connection.execute(shop.insert("a"))
            except LeaseLost as error:
                raised.append(error)
                raise

    @shop.host.task(name="async")
    async def ship_async() -> None:
        if lose():
            try:
                async with current_job().transaction() as tx:
                    await shop.run(tx.connection, shop.insert("a"))
            except LeaseLost as error:
                raised.append(error)
                raise

    task: Task[[], None, Any] = shop.host.tasks.get(kind)
    task.enqueue()
    work(shop.host)
    assert len(raised) == 1
    assert shop.names == []


def test_a_job_enqueued_in_the_transaction_follows_the_completion(shop: Shop) -> None:
    @shop.host.task
    def bill(order: str) -> str:
        return f"billed {order}"

    @shop.host.task(retry=ONCE)
    def ship(order: str, stock: int) -> None:
        with current_job().transaction() as tx:
            bill.enqueue_with(tx.connection, order)
            if not stock:
                raise ValueError("no stock")

    ship.enqueue("a", 0)
    parent = ship.enqueue("b", 1)
    work(shop.host)
    (billed,) = shop.host.jobs(task="bill")
    assert (billed.payload, billed.parent) == ('{"order":"b"}', parent.id)
    assert shop.host.job(billed.id).result("1s") == "billed b"


def test_an_async_task_enqueues_in_its_transaction(shop: Shop) -> None:
    @shop.host.task
    def bill(order: str) -> str:
        return f"billed {order}"

    @shop.host.task(retry=ONCE)
    async def ship(order: str) -> None:
        async with current_job().transaction() as tx:
            await bill.aenqueue_with(tx.connection, order)
            await bill.aenqueue_many_with(tx.connection, [("x",), ("y",)])

    ship.enqueue("a")
    assert work(shop.host) == []
    assert len(shop.host.jobs(task="bill", state="succeeded")) == 3


def test_a_result_that_cannot_be_stored_rolls_back(shop: Shop) -> None:
    @shop.host.task(retry=ONCE)
    def ship() -> int:
        with current_job().transaction() as tx:
            tx.connection.execute(shop.insert("a"))
        return 7

    job = ship.enqueue()
    (failed,) = work(shop.host)
    assert "InvalidPayload: the result" in failed.error
    assert (shop.names, job.status().state) == ([], "dead")


@pytest.mark.parametrize("what", ["raises", "returns another"])
def test_what_comes_after_the_commit_changes_nothing_and_is_told(shop: Shop, what: str) -> None:
    @shop.host.task
    def ship() -> int:
        with current_job().transaction() as tx:
            tx.result = 7
        if what == "raises":
            raise ValueError("too late")
        return 8

    job = ship.enqueue()
    (told,) = work(shop.host)
    assert isinstance(told, FailedLate)
    assert told.job == job.id
    assert "too late" in told.error or "another value" in told.error
    assert (job.result("1s"), job.status().failures) == (7, 0)


def test_a_commit_of_the_tasks_own_is_refused(shop: Shop) -> None:
    @shop.host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(shop.insert("a"))
            with pytest.raises(Exception, match="forbidden") as refused:
                tx.connection.commit()
            assert type(refused.value).__name__ == "ProgrammingError"
            raise ValueError("no stock")

    ship.enqueue()
    work(shop.host)
    assert shop.names == []


def test_an_error_that_the_task_catches_leaves_the_plain_completion(shop: Shop) -> None:
    @shop.host.task
    def ship() -> str:
        with pytest.raises(shop.missing_table), current_job().transaction() as tx:
            tx.connection.execute(shop.insert("a"))
            tx.connection.execute("SELECT 1 FROM no_such_table")
        return "without"

    job = ship.enqueue()
    assert work(shop.host) == []
    assert (job.result("1s"), shop.names) == ("without", [])


def test_a_job_completes_once(shop: Shop) -> None:
    @shop.host.task
    def ship() -> None:
        with current_job().transaction():
            pass
        with current_job().transaction():
            pass

    job = ship.enqueue()
    (told,) = work(shop.host)
    assert isinstance(told, FailedLate)
    assert "completed with its first transaction" in told.error
    assert job.status().state == "succeeded"


def test_a_plain_with_on_the_event_loop_is_refused(shop: Shop) -> None:
    @shop.host.task(retry=ONCE)
    async def ship() -> None:
        with current_job().transaction():
            await asyncio.sleep(0)

    ship.enqueue()
    (failed,) = work(shop.host)
    assert "write 'async with'" in failed.error


def test_a_time_limit_inside_the_block_leaves_nothing(shop: Shop) -> None:
    @shop.host.task(retry=ONCE, timeout="300ms")
    async def ship() -> None:
        async with current_job().transaction() as tx:
            await shop.run(tx.connection, shop.insert("a"))
            await asyncio.Event().wait()

    job = ship.enqueue()
    assert [event.outcome for event in work(shop.host)] == ["timed out"]
    assert (job.status().state, shop.names) == ("dead", [])


@KINDS
def test_transactions_of_many_jobs_at_once_are_all_done(shop: Shop, kind: str) -> None:
    @shop.host.task(name="sync")
    def ship(number: int) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(shop.insert(f"{number:02}"))

    @shop.host.task(name="async")
    async def ship_async(number: int) -> None:
        async with current_job().transaction() as tx:
            await shop.run(tx.connection, shop.insert(f"{number:02}"))
            await asyncio.sleep(0)

    task: Task[[int], None, Any] = shop.host.tasks.get(kind)
    jobs = task.enqueue_many([(number,) for number in range(30)])
    worker = shop.host.worker(concurrency=8)
    thread = threading.Thread(target=worker.run, name="worker-under-test")
    thread.start()
    try:
        for job in jobs:
            job.result("60s")
    finally:
        worker.stop()
        thread.join(timeout=60)
    assert shop.names == [f"{number:02}" for number in range(30)]


KILLED = Path(__file__).parent / "killed_in_transaction.py"


@KINDS
@pytest.mark.parametrize(
    ("when", "after_the_kill"), [("before the commit", []), ("after the commit", ["delivery 1"])]
)
@pytest.mark.requirement("R-MSG-16")
def test_a_worker_killed_around_the_commit_leaves_both_or_none(
    shop: Shop, kind: str, when: str, after_the_kill: list[str]
) -> None:
    @shop.host.task(name=kind)
    def ship(table: str, when: str) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(shop.insert(f"delivery {current_job().delivery}"))

    job = ship.enqueue(shop.table, when)
    killed = subprocess.run([sys.executable, KILLED, shop.url], timeout=100)
    assert killed.returncode == -signal.SIGKILL
    assert shop.names == after_the_kill
    assert job.status().state == ("succeeded" if after_the_kill else "running")
    work(shop.host)
    assert job.status().state == "succeeded"
    assert shop.names == (after_the_kill or ["delivery 2"])
