"""A producer and a queue with a bound: refused, made to wait, or let in for the oldest one."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobhost import JobHost, QueueFull, State
from jobhost.host.capacity import Gate
from jobhost.host.task import Task

GUARD_SECONDS = 60.0


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def host(url: str) -> Iterator[JobHost]:
    with JobHost(url) as made:
        made.migrate()
        yield made


@pytest.fixture
def work(host: JobHost) -> Task:
    @host.task(queue="small")
    def work(number: int = 0) -> None: ...

    return work


@pytest.mark.requirement("R-PART-4")
@pytest.mark.requirement("R-MSG-13")
def test_a_full_queue_refuses_with_its_name_and_its_bound(host: JobHost, work: Task) -> None:
    host.queue("small", capacity=3)
    for number in range(3):
        work.enqueue(number)

    with pytest.raises(QueueFull, match="queue 'small' is full: 3 jobs wait there") as told:
        work.enqueue(3)
    assert (told.value.queue, told.value.capacity) == ("small", 3)
    with pytest.raises(QueueFull):
        asyncio.run(work.aenqueue(3))
    with pytest.raises(QueueFull):
        work.enqueue_many([(3,)])
    work.using(queue="other").enqueue(3)
    assert len(host.jobs(queue="small")) == 3


@pytest.mark.requirement("R-PART-4")
def test_an_enqueue_waits_for_a_place_and_no_longer_than_it_should(
    host: JobHost, work: Task
) -> None:
    host.queue("small", capacity=1, when_full="wait", wait="1ms")
    job = work.enqueue()
    with pytest.raises(QueueFull, match="had no room within 1ms"):
        work.enqueue()

    host.queue("small", wait="60s")
    more = []
    waiting = threading.Thread(target=lambda: more.append(work.enqueue()))
    waiting.start()
    job.cancel()
    waiting.join(GUARD_SECONDS)
    assert more[0].status().state is State.READY


def test_a_coroutine_waits_for_a_place_without_holding_up_its_loop(
    host: JobHost, work: Task
) -> None:
    host.queue("small", capacity=1, when_full="wait", wait="60s")

    async def both() -> State:
        job = await work.aenqueue()
        waiting = asyncio.create_task(work.aenqueue())
        await asyncio.sleep(0)
        await job.acancel()
        second = await asyncio.wait_for(waiting, GUARD_SECONDS)
        return (await second.astatus()).state

    assert asyncio.run(both()) is State.READY


@pytest.mark.requirement("R-PART-4")
def test_the_oldest_job_goes_when_a_newer_one_comes(host: JobHost, work: Task) -> None:
    host.queue("small", capacity=3, when_full="drop_oldest")
    jobs = [work.enqueue(number) for number in range(5)]
    states = [job.status().state for job in jobs]
    assert states == [State.CANCELLED] * 2 + [State.READY] * 3
    assert jobs[0].status().reason == "dropped: the queue was full"


def test_a_batch_is_let_in_as_a_whole_while_there_is_room_for_a_part_of_it(
    host: JobHost, work: Task
) -> None:
    host.queue("small", capacity=3)
    assert len(work.enqueue_many([(number,) for number in range(10)])) == 10
    with pytest.raises(QueueFull):
        work.enqueue_many([(1,)])


def test_what_is_stored_of_a_queue_counts_in_every_process(url: str, work: Task) -> None:
    with JobHost(url) as operator:
        operator.queue("small").set(capacity=1)
    work.enqueue()
    with pytest.raises(QueueFull):
        work.enqueue()


def test_producers_with_threads_keep_the_bound_but_for_their_credit(
    host: JobHost, work: Task
) -> None:
    host.queue("small", capacity=20)
    refused = []

    def produce() -> None:
        for number in range(10):
            try:
                work.enqueue(number)
            except QueueFull as error:
                refused.append(error)

    threads = [threading.Thread(target=produce) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_SECONDS)
    accepted = len(host.jobs(queue="small", limit=1000))
    assert accepted + len(refused) == 60
    assert 20 <= accepted <= 20 + 6 * 2  # a tenth of the bound for each that counted at once


def test_the_store_is_asked_about_queues_now_and_then_and_not_for_each_job(host: JobHost) -> None:
    clock = [100.0]
    gate = Gate({}, lambda: told.append(1), monotonic=lambda: clock[0])
    told: list[int] = []
    gate.look(host.store)
    host.queue("small").set(capacity=7)
    gate.look(host.store)
    assert gate.bound("small") is None

    clock[0] += 5.0
    gate.look(host.store)
    bound = gate.bound("small")
    assert bound is not None
    assert bound.capacity == 7
    assert told == [1]
