"""Many long payloads and results: a worker takes them in portions, and comes to the end."""

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest

from jobhost import JobHost, State
from jobhost.events import Events, JobsLost
from jobhost.jobs.outcomes import COMPLETED
from jobhost.jobs.records import Delivery, Ended
from jobhost.store.plans.cycle import Wanted
from jobhost.store.plans.nodes import NewNode, register
from jobhost.worker.recorder import Recorder

pytestmark = pytest.mark.stores("sqlite", "postgres")

PATIENCE = "60s"
MEGABYTE = "x" * 1_000_000


class Clerk:
    """A recorder, and the node in whose name it records and claims."""

    def __init__(self, host: JobHost) -> None:
        self.lost: list[JobsLost] = []
        events = Events()
        events.subscribe(JobsLost, self.lost.append)
        self.session = host.store.session()
        self.recorder = Recorder(self.session, events)
        new = NewNode(
            id="one", host="here", pid=1, version="1", slots=99, queues=[], tasks=[],
            lease_us=3_600_000_000,
        )  # fmt: skip
        self._node = self.session.write(lambda: register(new))

    def cycle(self, *, slots: int) -> list[Delivery]:
        wanted = Wanted(
            node=self._node, queues=["default"], tasks=json.dumps(["work"]), slots=slots
        )
        return self.recorder.cycle(wanted).claimed


@pytest.fixture
def clerk(host: JobHost) -> Iterator[Clerk]:
    made = Clerk(host)
    yield made
    made.session.close()


def declare(host: JobHost):
    @host.task
    def work(text: str = "") -> str: ...

    return work


def test_long_payloads_are_claimed_a_few_at_a_time_and_in_order(host, clerk):
    jobs = declare(host).enqueue_many([(MEGABYTE,)] * 10)

    claimed = []
    while sum(map(len, claimed)) < len(jobs):
        claimed.append(clerk.cycle(slots=99))

    assert all(1 <= len(some) <= 4 for some in claimed)
    assert [one.id for some in claimed for one in some] == [job.id.bytes for job in jobs]


def test_long_results_are_recorded_a_few_at_a_time_and_each_keeps_its_slot_until_then(host, clerk):
    work = declare(host)
    jobs = work.enqueue_many([()] * 10)
    claimed = []
    while len(claimed) < 10:
        claimed += clerk.cycle(slots=10 - len(claimed))
    clerk.recorder.pending = [
        Ended(one.job, one.epoch, 5, COMPLETED, json.dumps(MEGABYTE)) for one in claimed
    ]
    work.enqueue_many([()] * 40)

    numbers = [one.job for one in claimed]
    while before := len(clerk.recorder.pending):
        more = clerk.cycle(slots=10)
        left = [end.job for end in clerk.recorder.pending]
        assert 1 <= before - len(left) <= 4
        assert left == numbers[len(numbers) - len(left) :]
        assert len(more) <= 10 - len(left)

    assert clerk.lost == []
    assert [job.result("0s") for job in jobs] == [MEGABYTE] * 10


def test_many_jobs_that_end_together_with_long_results_are_all_recorded(host, working):
    count = 30
    together = asyncio.Event()
    running = 0

    @host.task
    async def swell(number: int) -> str:
        nonlocal running
        running += 1
        if running == count:
            together.set()
        await together.wait()
        return str(number) + MEGABYTE

    jobs = swell.enqueue_many([(number,) for number in range(count)])
    with working(host.worker(concurrency=count)):
        for number, job in enumerate(jobs):
            assert job.result(PATIENCE) == str(number) + MEGABYTE

    assert {job.status().state for job in jobs} == {State.SUCCEEDED}
    assert {job.status().deliveries for job in jobs} == {1}


def test_a_worker_that_is_told_to_stop_records_the_long_results_of_all_it_ran(host, working):
    count = 12
    running = [threading.Event() for _ in range(count)]
    go = threading.Event()

    @host.task
    def swell(number: int) -> str:
        running[number].set()
        assert go.wait(60)
        return MEGABYTE

    jobs = swell.enqueue_many([(number,) for number in range(count)])
    with working(host.worker(concurrency=count)) as thread:
        assert all(event.wait(60) for event in running)
        thread.worker.stop()
        go.set()
        thread.wait()

    assert [job.result("0s") for job in jobs] == [MEGABYTE] * count
