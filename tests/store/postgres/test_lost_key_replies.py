"""The connection dies while a job with keys is accepted: the call is repeated by itself, and comes
to the same one job."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from postgres_server import empty_schema, server_url, shared_schema, store_url

from jobhost import JobHost, StoreError, Task, UniqueKeyTaken
from jobhost.clock import SystemClock
from jobhost.store.postgres.target import read_target

from .crew import Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    empty_schema()
    made = Proxy()
    yield made
    made.close()


@pytest.fixture
def host(proxy: Proxy) -> Iterator[JobHost]:
    """A host whose store is behind the proxy."""
    with JobHost(proxy.url(shared_schema())) as made:

        @made.task(unique="u-{number}", idempotency_key="i-{number}")
        def charge(number: int, cents: int = 0) -> None: ...

        yield made
        proxy.lose = lambda answer: False


def charge(host: JobHost) -> Task[..., Any, Any]:
    return host.tasks.get("charge")


@pytest.mark.parametrize("policy", ["return", "replace", "raise"])
def test_a_commit_that_nobody_heard_of_is_found_again(
    host: JobHost, proxy: Proxy, policy: str
) -> None:
    charge(host).enqueue(0)
    proxy.lose_next(b"COMMIT\0")
    job = charge(host).using(on_taken=policy).enqueue(1)
    assert proxy.lost == 1
    assert job.is_new
    assert len(host.jobs()) == 2
    assert asyncio.run(charge(host).aenqueue(1)) == job


def test_a_batch_whose_commit_nobody_heard_of_is_found_again(host: JobHost, proxy: Proxy) -> None:
    first = charge(host).enqueue(1)
    proxy.lose_next(b"COMMIT\0")
    jobs = charge(host).enqueue_many([(number,) for number in range(5)])
    assert proxy.lost == 1
    assert [job.is_new for job in jobs] == [True, False, True, True, True]
    assert jobs[1] == first
    assert len(host.jobs()) == 5


def test_a_call_that_never_reached_the_server_is_made_again(host: JobHost, proxy: Proxy) -> None:
    charge(host).enqueue(0)
    proxy.withhold_next(b"COMMIT")
    job = charge(host).enqueue(1)
    assert job.is_new
    assert len(host.jobs()) == 2


def test_keys_on_an_asynchronous_connection_of_the_callers(host: JobHost) -> None:
    parameters = read_target(server_url(), SystemClock()).parameters

    async def shop() -> None:
        async with await psycopg.AsyncConnection.connect(**parameters) as raw:
            raw.prepare_threshold = None
            first = await charge(host).aenqueue_with(raw, 1)
            second, third = await charge(host).aenqueue_many_with(raw, [(1,), (2,)])
            assert (second == first, third.is_new) == (True, True)
            with pytest.raises(UniqueKeyTaken):
                await (
                    charge(host)
                    .using(on_taken="raise", idempotency_key="another")
                    .aenqueue_with(raw, 1)
                )
            await raw.commit()

    asyncio.run(shop())
    with JobHost(store_url(shared_schema())) as outside:
        assert len(outside.jobs()) == 2


def test_a_connection_to_another_database_is_refused_before_any_key_is_touched(
    host: JobHost,
) -> None:
    parameters = read_target(server_url(), SystemClock()).parameters
    with psycopg.connect(**{**parameters, "dbname": "template1"}) as raw:
        with pytest.raises(Exception, match="a transaction spans one database"):
            charge(host).enqueue_with(raw, 1)
        assert raw.execute("SELECT 1").fetchall() == [(1,)]


def test_in_a_transaction_with_one_snapshot_a_key_taken_since_is_an_error_to_repeat(
    host: JobHost,
) -> None:
    parameters = read_target(server_url(), SystemClock()).parameters
    with psycopg.connect(**parameters) as raw:
        raw.prepare_threshold = None
        raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        raw.execute("SELECT 1")
        first = charge(host).enqueue(1)
        with pytest.raises(StoreError, match="repeat"):
            charge(host).enqueue_with(raw, 1)
        raw.rollback()
        assert charge(host).enqueue_with(raw, 1) == first
