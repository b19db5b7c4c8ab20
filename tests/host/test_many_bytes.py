"""Many jobs at once: they go in batches bounded in bytes, and those of a generator as they come."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jobhost import InvalidPayload, JobHost
from jobhost.store.plans import look
from jobhost.store.plans.portions import BATCH_MAX

MEGABYTE = "x" * 1_000_000


@pytest.fixture(params=["sqlite", "postgres"])
def host(request: pytest.FixtureRequest, url: str) -> Iterator[JobHost]:
    """A host with an empty store, of both kinds."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    with JobHost(url) as made:
        made.migrate()
        yield made


def count_jobs(host: JobHost) -> int:
    return sum(host.store.read(look.tally).states.values())


def declare(host: JobHost) -> Any:
    @host.task
    def note(number: int, text: str = "") -> int: ...

    return note


def enqueue(task: Any, method: str, calls: Any) -> Any:
    """All of them, also from an event loop."""
    if method == "enqueue_many":
        return task.enqueue_many(calls)

    async def wait() -> Any:
        return await task.aenqueue_many(calls)

    return asyncio.run(wait())


METHODS = pytest.mark.parametrize("method", ["enqueue_many", "aenqueue_many"])


@METHODS
def test_of_a_generator_what_makes_a_batch_is_accepted_before_more_is_asked_for(
    host: JobHost, method: str
) -> None:
    note = declare(host)
    seen: list[int] = []

    def calls() -> Iterator[Sequence[Any]]:
        for number in range(2 * BATCH_MAX + 1):
            if number % BATCH_MAX == 0:
                seen.append(count_jobs(host))
            yield (number,)

    jobs = enqueue(note, method, calls())

    assert seen == [0, BATCH_MAX, 2 * BATCH_MAX]
    assert len({job.id for job in jobs}) == count_jobs(host) == 2 * BATCH_MAX + 1
    assert jobs[-1].status().payload == '{"number":2000}'


@METHODS
def test_long_payloads_are_accepted_in_batches_of_few(host: JobHost, method: str) -> None:
    note = declare(host)
    seen: list[int] = []

    def calls() -> Iterator[Sequence[Any]]:
        for number in range(10):
            seen.append(count_jobs(host))
            yield number, MEGABYTE

    jobs = enqueue(note, method, calls())

    assert seen == [0, 0, 0, 0, 0, 4, 4, 4, 4, 8]
    payloads = [job.status().payload for job in jobs]
    assert payloads == [f'{{"number":{number},"text":"{MEGABYTE}"}}' for number in range(10)]


@METHODS
@pytest.mark.parametrize("text", ["", MEGABYTE], ids=["short", "long"])
def test_a_wrong_argument_at_the_end_of_a_long_list_keeps_all_of_it_out(
    host: JobHost, method: str, text: str
) -> None:
    note = declare(host)
    calls = [(number, text) for number in range(9 if text else BATCH_MAX + 1)]

    with pytest.raises(InvalidPayload, match="got 'wrong'"):
        enqueue(note, method, [*calls, ("wrong", text)])

    assert count_jobs(host) == 0


def test_a_wrong_argument_of_a_generator_leaves_the_batches_before_it(host: JobHost) -> None:
    note = declare(host)

    def calls() -> Iterator[Sequence[Any]]:
        yield from ((number,) for number in range(BATCH_MAX + 5))
        yield ("wrong",)

    with pytest.raises(InvalidPayload, match="got 'wrong'"):
        note.enqueue_many(calls())

    assert count_jobs(host) == BATCH_MAX


def test_a_list_longer_than_a_batch_is_accepted_as_it_stands(host: JobHost) -> None:
    note = declare(host)

    jobs = note.enqueue_many([(number, MEGABYTE) for number in range(11)])

    numbers = [int(job.status().payload[10:].split(",")[0]) for job in jobs]
    assert numbers == list(range(11))
    assert count_jobs(host) == 11
