"""A job that is enqueued in its caller's transaction, on every store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobhost import JobHost, Task, UsageError
from jobhost.errors import UniqueKeyTaken

from .conftest import Shop

Pack = Task[[str], str, str]


@pytest.fixture
def pack(shop: Shop) -> Pack:
    @shop.host.task
    def pack(order: str) -> str:
        return f"packed {order}"

    return pack


@contextmanager
def serving(host: JobHost) -> Iterator[None]:
    """A worker in a thread of this process while the block lasts."""
    worker = host.worker(concurrency=2)
    thread = threading.Thread(target=worker.run, name="worker-under-test")
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.mark.requirement("R-EVT-3")
def test_a_job_exists_if_and_only_if_its_caller_commits(shop: Shop, pack: Pack) -> None:
    with shop.caller() as caller:
        caller.execute(shop.insert("a"))
        pack.enqueue_with(caller, "a")
        caller.rollback()
        assert (shop.names, shop.payloads) == ([], [])
        caller.execute(shop.insert("b"))
        job = pack.enqueue_with(caller, "b")
        assert shop.payloads == []
        caller.commit()
    assert (shop.names, shop.payloads) == (["b"], ['{"order":"b"}'])
    assert job.status().state == "ready"


def test_a_job_alone_begins_the_transaction_of_its_caller(shop: Shop, pack: Pack) -> None:
    with shop.caller() as caller:
        pack.enqueue_with(caller, "gone")
        caller.rollback()
        pack.enqueue_with(caller, "kept")
        caller.execute(shop.insert("kept"))
        assert (shop.names, shop.payloads) == ([], [])
        caller.commit()
    assert (shop.names, shop.payloads) == (["kept"], ['{"order":"kept"}'])


def test_of_many_jobs_all_exist_or_none(shop: Shop, pack: Pack) -> None:
    calls = [(str(number),) for number in range(2_500)]
    with shop.caller() as caller:
        pack.enqueue_many_with(caller, calls)
        caller.rollback()
        assert shop.payloads == []
        jobs = pack.enqueue_many_with(caller, calls)
        caller.commit()
        assert shop.payloads == [f'{{"order":"{number}"}}' for number in range(2_500)]
        assert len(jobs) == 2_500
        assert pack.enqueue_many_with(caller, []) == []


def test_a_savepoint_of_the_caller_stays_the_callers(shop: Shop, pack: Pack) -> None:
    with shop.caller() as caller:
        pack.enqueue_with(caller, "before")
        caller.execute("SAVEPOINT mine")
        pack.enqueue_with(caller, "kept")
        caller.execute("RELEASE SAVEPOINT mine")
        caller.execute("SAVEPOINT mine")
        pack.enqueue_with(caller, "gone")
        caller.execute("ROLLBACK TO SAVEPOINT mine")
        caller.commit()
    assert shop.payloads == ['{"order":"before"}', '{"order":"kept"}']


def test_options_travel_with_a_job_of_its_callers_transaction(shop: Shop, pack: Pack) -> None:
    slow = pack.using(delay="1h", queue="slow", priority=7, tags=["x"])
    with shop.caller() as caller:
        later = slow.enqueue_with(caller, "ä€😀")
        caller.commit()
    found = later.status()
    assert (found.state, found.queue, found.priority) == ("scheduled", "slow", 7)
    assert (found.envelope.tags, found.payload) == (("x",), '{"order":"ä€😀"}')


def test_a_connection_that_commits_each_statement_is_refused(shop: Shop, pack: Pack) -> None:
    with shop.autocommitting() as caller:
        with pytest.raises(UsageError, match="commits each statement by itself"):
            pack.enqueue_with(caller, "a")
        with pytest.raises(UsageError, match="commits each statement by itself"):
            pack.enqueue_many_with(caller, [])
        caller.execute("BEGIN")
        pack.enqueue_with(caller, "b")
        caller.execute("COMMIT")
    assert shop.payloads == ['{"order":"b"}']


def test_a_connection_to_another_database_is_refused(shop: Shop, pack: Pack) -> None:
    with (
        shop.elsewhere() as caller,
        pytest.raises(UsageError, match=r"this connection leads to .*jobs of this host live in"),
    ):
        pack.enqueue_with(caller, "a")


def test_a_closed_connection_is_refused(shop: Shop, pack: Pack) -> None:
    with shop.caller() as caller:
        caller.close()
        with pytest.raises(UsageError, match="closed"):
            pack.enqueue_with(caller, "a")


def test_something_else_is_refused_with_what_is_accepted(shop: Shop, pack: Pack) -> None:
    with pytest.raises(UsageError, match=r"expected a connection of .*; got a builtins\.object"):
        pack.enqueue_with(object(), "a")


def test_a_key_that_is_taken_leaves_the_callers_transaction_as_it_was(
    shop: Shop, pack: Pack
) -> None:
    only = pack.using(unique="one", on_taken="raise")
    with shop.caller() as caller:
        caller.execute(shop.insert("a"))
        only.enqueue_with(caller, "first")
        with pytest.raises(UniqueKeyTaken):
            only.enqueue_with(caller, "second")
        pack.enqueue_with(caller, "third")
        caller.commit()
    assert (shop.names, shop.payloads) == (["a"], ['{"order":"first"}', '{"order":"third"}'])


def test_a_repeat_of_an_idempotency_key_in_one_transaction_gives_the_first_job(
    shop: Shop, pack: Pack
) -> None:
    once = pack.using(idempotency_key="order 7")
    with shop.caller() as caller:
        first = once.enqueue_with(caller, "a")
        again = once.enqueue_with(caller, "a")
        caller.commit()
    assert (first.id, len(shop.payloads)) == (again.id, 1)


@pytest.mark.requirement("R-EVT-3")
def test_an_idle_worker_starts_the_job_once_its_caller_has_committed(
    shop: Shop, pack: Pack
) -> None:
    with serving(shop.host), shop.caller() as caller:
        pack.enqueue("to be sure that the worker is there").result("20s")
        early = pack.enqueue_with(caller, "early")
        caller.execute(shop.insert("a"))
        assert len(shop.payloads) == 1
        caller.commit()
        assert early.result("20s") == "packed early"
        gone = pack.enqueue_with(caller, "gone")
        caller.rollback()
        due = pack.using(delay="10ms").enqueue_with(caller, "due")
        caller.commit()
        assert due.result("20s") == "packed due"
    assert gone.id not in {job.id for job in shop.host.jobs()}
