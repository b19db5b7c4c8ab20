"""`current_job().transaction()` on SQLite: what its one lock for writing asks for."""

import asyncio
import multiprocessing
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobhost import JobHost, Retry, Task, TransactionTooLong, UsageError, current_job
from jobhost.events import AttemptFailed, FailedLate, JobsLost
from jobhost.jobs.outcomes import COMPLETED
from jobhost.jobs.records import Ended
from jobhost.store.sqlite import completion
from jobhost.store.sqlite.store import SqliteStore

from .locks import wait_until_held
from .programs import Program

ONCE = Retry(max_attempts=1)
LEASE = 30.0
GUARD_SECONDS = 60.0
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@pytest.fixture
def host(path: Path) -> Iterator[JobHost]:
    """A host on a file in which a user has orders."""
    with JobHost(f"sqlite:///{path}") as host:
        host.migrate()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE orders (name TEXT NOT NULL)")
        yield host


Orders = Callable[[], list[str]]


@pytest.fixture
def orders(path: Path) -> Orders:
    def names() -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM orders")]

    return names


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that a test can wait for."""
    monkeypatch.setattr(completion, "LIMIT_SECONDS", 0.2)


def work(host: JobHost, **config: Any) -> list[Any]:
    """Run all that waits; what failed or was lost."""
    seen: list[Any] = []
    worker = host.worker(burst=True, **config)
    for kind in (AttemptFailed, FailedLate, JobsLost):
        worker.events.subscribe(kind, seen.append)
    worker.run()
    return seen


INSERT = "INSERT INTO orders VALUES ('a')"


# --- The connection ----------------------------------------------------------------------------


def test_the_connection_is_one_of_sqlite3_with_the_drivers_settings(host: JobHost) -> None:
    @host.task
    def ship() -> dict[str, Any]:
        with current_job().transaction() as tx:
            raw = tx.connection
            assert isinstance(raw, sqlite3.Connection)
            assert (raw.row_factory, raw.text_factory, raw.in_transaction) == (None, str, True)
            tx.result = {
                name: raw.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("trusted_schema", "temp_store", "synchronous")
            }
        return tx.result

    with closing(sqlite3.connect(":memory:")) as plain:
        (trusted,) = plain.execute("PRAGMA trusted_schema").fetchone()
    job = ship.enqueue()
    assert work(host) == []
    assert job.result("1s") == {"trusted_schema": trusted, "temp_store": 0, "synchronous": 2}


def test_rows_come_in_each_way_of_the_driver(host: JobHost, orders: Orders) -> None:
    @host.task
    def ship() -> None:
        with current_job().transaction() as tx:
            raw = tx.connection
            raw.executemany("INSERT INTO orders VALUES (?)", [(name,) for name in "abcde"])
            cursor = raw.cursor()
            assert cursor.execute("SELECT name FROM orders ORDER BY name").fetchone() == ("a",)
            assert cursor.fetchmany(2) == [("b",), ("c",)]
            assert list(cursor) == [("d",), ("e",)]
            raw.row_factory, raw.text_factory = sqlite3.Row, bytes
            assert raw.execute("SELECT name FROM orders").fetchone()["name"] == b"a"
            raw.execute("SAVEPOINT mine")
            raw.execute("DELETE FROM orders")
            raw.execute("ROLLBACK TO mine")

    ship.enqueue()
    assert work(host) == []
    assert orders() == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    "end",
    [
        lambda raw: raw.commit(),
        lambda raw: raw.rollback(),
        lambda raw: raw.close(),
        lambda raw: raw.executescript("SELECT 1"),
        lambda raw: raw.cursor().executescript("SELECT 1"),
        lambda raw: raw.__exit__(None, None, None),
        lambda raw: raw.execute("COMMIT"),
        lambda raw: raw.execute("END"),
        lambda raw: raw.execute("ROLLBACK"),
        lambda raw: raw.execute("BEGIN"),
    ],
)
def test_the_transaction_cannot_be_ended_inside_the_block(
    host: JobHost, orders: Orders, end: Callable[[Any], Any]
) -> None:
    @host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            with pytest.raises(sqlite3.ProgrammingError, match="forbidden within"):
                end(tx.connection)
            assert orders() == []

    ship.enqueue()
    assert work(host) == []
    assert orders() == ["a"]


def test_after_a_rollback_by_sqlite_nothing_more_is_written(host: JobHost, orders: Orders) -> None:
    @host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            raw = tx.connection
            raw.execute("CREATE UNIQUE INDEX once ON orders (name)")
            raw.execute(INSERT)
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute("INSERT OR ROLLBACK INTO orders VALUES ('a')")
            with pytest.raises(sqlite3.ProgrammingError, match="rolled back the transaction"):
                raw.execute("INSERT INTO orders VALUES ('alone')")

    job = ship.enqueue()
    (failed,) = work(host)
    assert "has rolled back the transaction of this block" in failed.error
    assert (orders(), job.status().state) == ([], "dead")


def test_the_connection_is_of_no_use_after_the_block(host: JobHost, orders: Orders) -> None:
    @host.task
    def ship() -> None:
        with current_job().transaction() as tx:
            pass
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            tx.connection.execute(INSERT)

    ship.enqueue()
    assert work(host) == []
    assert orders() == []


# --- What would wait for itself ----------------------------------------------------------------


@pytest.mark.parametrize("what", ["enqueue", "another block", "another connection"])
def test_what_would_wait_for_the_end_of_its_own_block_is_refused(
    path: Path, host: JobHost, orders: Orders, what: str
) -> None:
    @host.task
    def bill() -> None: ...

    @host.task
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            with pytest.raises(UsageError, match=r"enqueue_with\(tx\.connection"):
                if what == "enqueue":
                    bill.enqueue()
                elif what == "another block":
                    with current_job().transaction():
                        pass
                else:
                    with closing(sqlite3.connect(path)) as other:
                        bill.enqueue_with(other)

    @host.task
    async def ship_async() -> None:
        async with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            with pytest.raises(UsageError, match=r"enqueue_with\(tx\.connection"):
                if what == "enqueue":
                    await bill.aenqueue()
                elif what == "another block":
                    async with current_job().transaction():
                        pass
                else:
                    with closing(sqlite3.connect(path)) as other:
                        await bill.aenqueue_with(other)

    jobs = [ship.enqueue(), ship_async.enqueue()]
    assert work(host) == []
    assert [job.status().state for job in jobs] == ["succeeded", "succeeded"]
    assert orders() == ["a", "a"]


def test_others_of_the_process_wait_for_the_block_and_are_not_refused(
    path: Path, host: JobHost
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    @host.task
    def bill() -> None: ...

    @host.task
    def ship() -> None:
        with current_job().transaction():
            entered.set()
            assert go_on.wait(GUARD_SECONDS)

    ship.enqueue()
    worker = threading.Thread(target=work, args=(host,))
    worker.start()
    assert entered.wait(GUARD_SECONDS)
    producer = threading.Thread(target=bill.enqueue)
    producer.start()
    wait_until_held(path.with_name(path.name + "-run") / "gate")
    go_on.set()
    producer.join(GUARD_SECONDS)
    worker.join(GUARD_SECONDS)
    assert len(host.jobs(task="bill")) == 1


# --- The limit ---------------------------------------------------------------------------------


def test_the_limit_is_5_s_and_below_a_third_of_a_short_lease() -> None:
    assert completion.LIMIT_SECONDS == 5.0
    assert completion.LIMIT_OF_LEASE < 1 / 3


@pytest.mark.usefixtures("short_limit")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_block_that_does_nothing_for_too_long_is_rolled_back_while_it_waits(
    host: JobHost, orders: Orders, kind: str
) -> None:
    @host.task
    def bill() -> None: ...

    def wait_for_another_writer(tx: Any) -> None:
        other = threading.Thread(target=bill.enqueue)
        other.start()
        other.join(GUARD_SECONDS)
        assert not other.is_alive()  # although this block is still open
        with pytest.raises(TransactionTooLong):
            tx.connection.execute(INSERT)

    @host.task(name="sync", retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            wait_for_another_writer(tx)

    @host.task(name="async", retry=ONCE)
    async def ship_async() -> None:
        async with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            await asyncio.to_thread(wait_for_another_writer, tx)

    task: Task[[], None, Any] = host.tasks.get(kind)
    job = task.enqueue()
    (failed,) = work(host)
    assert "TransactionTooLong: this transaction was open for 0.2s" in failed.error
    assert (orders(), job.status().state) == ([], "dead")
    assert len(host.jobs(task="bill")) == 1


@pytest.mark.usefixtures("short_limit")
def test_a_statement_that_runs_for_too_long_is_interrupted(host: JobHost, orders: Orders) -> None:
    @host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            tx.connection.execute(ENDLESS).fetchall()

    job = ship.enqueue()
    (failed,) = work(host)
    assert "TransactionTooLong" in failed.error
    assert (orders(), job.status().state) == ([], "dead")


@pytest.mark.usefixtures("short_limit")
def test_rows_that_are_read_for_too_long_end(host: JobHost, orders: Orders) -> None:
    @host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            endless = (
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
            )
            for _ in tx.connection.execute(endless):
                pass

    job = ship.enqueue()
    (failed,) = work(host)
    assert "TransactionTooLong" in failed.error
    assert (orders(), job.status().state) == ([], "dead")


@pytest.mark.usefixtures("short_limit")
def test_an_error_of_the_limit_that_the_task_catches_completes_nothing(
    host: JobHost, orders: Orders
) -> None:
    @host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            with pytest.raises(TransactionTooLong):
                tx.connection.execute(ENDLESS).fetchall()
            tx.result = None

    job = ship.enqueue()
    (failed,) = work(host)
    assert "TransactionTooLong" in failed.error
    assert (orders(), job.status().state) == ([], "dead")


def test_a_block_is_over_before_a_third_of_a_short_lease(host: JobHost, orders: Orders) -> None:
    @host.task(retry=ONCE)
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            tx.connection.execute(ENDLESS).fetchall()

    ship.enqueue()
    (failed,) = work(host, lease="4s")
    assert "was open for 1.2s" in failed.error
    assert orders() == []


# --- The turn ----------------------------------------------------------------------------------


def finish() -> Ended:
    return Ended(0, 0, 0, COMPLETED, None)


def test_the_turn_is_given_back_after_each_way_out(path: Path, host: JobHost) -> None:
    store = host.store
    assert isinstance(store, SqliteStore)

    def block(error: BaseException | None) -> None:
        with store.completing(finish, lease_seconds=LEASE):
            if error is not None:
                raise error

    async def block_async(error: BaseException | None) -> None:
        async with store.completing_async(finish, lease_seconds=LEASE):
            if error is not None:
                raise error

    for error in (ValueError("a"), KeyboardInterrupt(), None):
        with pytest.raises(BaseException):  # noqa: B017, PT011 - the last one is LeaseLost
            block(error)
        with pytest.raises(BaseException):  # noqa: B017, PT011
            asyncio.run(block_async(error))
        with Program(TRY_TURN, path) as other:
            assert other.rest() == ["free"]


TRY_TURN = """
turnstile = Turnstile(Path(sys.argv[1] + "-run"))
turnstile.enter(Patience(0).wait())
say("free")
"""


def test_an_async_task_that_is_cancelled_while_it_waits_for_its_turn_does_not_keep_it(
    path: Path, host: JobHost
) -> None:
    store = host.store

    async def waits_in_vain() -> None:
        async with store.completing_async(finish, lease_seconds=LEASE):
            raise AssertionError("the turn is another's")

    async def shop() -> None:
        ended = Ended(0, 0, 0, COMPLETED, None)
        try:
            async with store.completing_async(lambda: ended, lease_seconds=LEASE):
                waiting = asyncio.create_task(waits_in_vain())
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                raise ValueError("enough")
        except ValueError:
            pass
        await asyncio.to_thread(host.task(name="later")(later).enqueue)

    asyncio.run(shop())
    assert len(host.jobs(task="later")) == 1


def later() -> None:
    """Enqueued when the turn is free again."""


def test_many_that_wait_for_their_turn_do_not_keep_the_commit_of_the_first_out(
    host: JobHost, orders: Orders
) -> None:
    @host.task
    async def ship(number: int) -> None:
        async with current_job().transaction() as tx:
            tx.connection.execute("INSERT INTO orders VALUES (?)", (str(number),))
            await asyncio.sleep(0.001)

    ship.enqueue_many([(number,) for number in range(40)])
    assert work(host, concurrency=40) == []
    assert len(orders()) == 40


OTHER_WRITER = """
store = SqliteStore(Path(sys.argv[1]), SystemClock())
for _ in range(int(sys.argv[2])):
    accept(store)
say("done")
"""


def test_other_processes_get_their_turns_between_transactions_of_tasks(
    path: Path, host: JobHost, orders: Orders
) -> None:
    @host.task
    def ship(number: int) -> None:
        with current_job().transaction() as tx:
            tx.connection.execute("INSERT INTO orders VALUES (?)", (str(number),))

    ship.enqueue_many([(number,) for number in range(60)])
    with Program(OTHER_WRITER, path, 60) as other:
        failed = work(host, concurrency=4)
        assert other.rest() == ["done"]
    assert failed == []
    assert len(orders()) == 60


def test_a_child_that_was_forked_in_a_block_does_not_keep_the_turn(
    path: Path, host: JobHost, orders: Orders
) -> None:
    context = multiprocessing.get_context("fork")
    go_on = context.Event()

    @host.task
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute(INSERT)
            child.start()

    @host.task
    def bill() -> None: ...

    child = context.Process(target=go_on.wait, args=(GUARD_SECONDS,))
    ship.enqueue()
    assert work(host) == []
    bill.enqueue()
    go_on.set()
    child.join(GUARD_SECONDS)
    assert orders() == ["a"]


FORKED = """
from jobhost import JobHost, UsageError, current_job

host = JobHost(f"sqlite:///{sys.argv[1]}")

@host.task
def ship() -> None:
    parent = os.getpid()
    try:
        with current_job().transaction() as tx:
            tx.connection.execute("INSERT INTO orders VALUES ('a')")
            child = os.fork()
            if child == 0:
                tx.connection.execute("INSERT INTO orders VALUES ('b')")
            os.waitpid(child, 0)
    except UsageError as error:
        if os.getpid() == parent:
            raise
        say(error)
        os._exit(0)

ship.enqueue()
host.worker(burst=True).run()
"""


def test_a_child_that_was_forked_in_a_block_cannot_go_on_with_it(
    path: Path, host: JobHost, orders: Orders
) -> None:
    with Program(FORKED, path) as forked:
        [refused] = forked.rest()
    assert "the transaction is its parent's" in refused
    assert orders() == ["a"]
    (job,) = host.jobs()
    assert job.state == "succeeded"


KILLED = """
from jobhost import JobHost, current_job

host = JobHost(f"sqlite:///{sys.argv[1]}")

@host.task
def ship() -> None:
    with current_job().transaction() as tx:
        tx.connection.execute("INSERT INTO orders VALUES ('a')")
        say("entered")
        hear()

host.worker(burst=True).run()
"""


def test_a_worker_that_is_killed_in_a_block_blocks_nobody(
    path: Path, host: JobHost, orders: Orders
) -> None:
    @host.task(name="ship")
    def ship() -> None:
        with current_job().transaction() as tx:
            tx.connection.execute("INSERT INTO orders VALUES ('again')")

    job = ship.enqueue()
    with Program(KILLED, path) as killed:
        assert killed.hear() == "entered"
        killed.kill()
    assert work(host) == []
    assert (orders(), job.status().state) == (["again"], "succeeded")
