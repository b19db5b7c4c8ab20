"""What has ended is recorded, whatever else stands in its batch."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobhost import JobHost, Retry, State
from jobhost.events import Events, JobsLost
from jobhost.jobs.outcomes import COMPLETED, Counts, DeadLettered, Settlement, Snoozed, decide
from jobhost.jobs.records import Delivery, Ended
from jobhost.store.plans.cycle import Wanted
from jobhost.store.plans.nodes import NewNode, register
from jobhost.store.seam import Session
from jobhost.worker.recorder import Recorder

HOUR_US = 3_600_000_000
DEAD = decide(DeadLettered(reason="no"), Counts(), Retry(), chance=0.0)
LATER = decide(Snoozed(delay_seconds=5), Counts(), Retry(), chance=0.0)


class Clerk:
    """A recorder, and the node in whose name it records."""

    def __init__(self, session: Session) -> None:
        self.lost: list[int] = []
        events = Events()
        events.subscribe(JobsLost, lambda event: self.lost.append(event.jobs))
        self.recorder = Recorder(session, events)
        new = NewNode(
            id="one", host="here", pid=1, version="1", slots=9, queues=[], tasks=[],
            lease_us=HOUR_US,
        )  # fmt: skip
        self._node = session.write(lambda: register(new))

    def cycle(self, *, slots: int = 0) -> list[Delivery]:
        """Record what is pending, and claim."""
        tasks = json.dumps(["work"])
        wanted = Wanted(node=self._node, queues=["default"], tasks=tasks, slots=slots)
        return self.recorder.cycle(wanted).claimed

    def claim(self, count: int) -> list[Delivery]:
        """So many jobs, in as many cycles as it takes."""
        claimed: list[Delivery] = []
        while len(claimed) < count:
            more = self.cycle(slots=count - len(claimed))
            assert more, f"only {len(claimed)} of {count} jobs are there"
            claimed += more
        return claimed


@pytest.fixture
def clerk(host: JobHost) -> Iterator[Clerk]:
    session = host.store.session()
    yield Clerk(session)
    session.close()


def declare(host: JobHost) -> Any:
    @host.task
    def work() -> int: ...

    return work


def ended(delivery: Delivery, settlement: Settlement = COMPLETED) -> Ended:
    result = json.dumps(delivery.job) if settlement is COMPLETED else None
    return Ended(delivery.job, delivery.epoch, 1, settlement, result)


@pytest.mark.parametrize("again", [COMPLETED, DEAD, LATER], ids=["succeeded", "dead", "snoozed"])
@pytest.mark.parametrize("at", [0, 2, 4])
def test_an_attempt_that_ends_twice_in_a_batch_is_recorded_once_and_its_neighbours_are_too(
    host: JobHost, clerk: Clerk, at: int, again: Settlement
) -> None:
    jobs = declare(host).enqueue_many([()] * 5)
    claimed = clerk.claim(5)
    clerk.recorder.pending = [*map(ended, claimed), ended(claimed[at], again)]

    clerk.cycle()

    assert clerk.recorder.pending == []
    assert clerk.lost == []
    assert [job.result("0s") for job in jobs] == [one.job for one in claimed]
    assert {job.status().state for job in jobs} == {State.SUCCEEDED}
    assert {len(job.attempts()) for job in jobs} == {1}


@pytest.mark.parametrize(
    ("first", "state"), [(DEAD, State.DEAD), (LATER, State.SCHEDULED)], ids=["dead", "snoozed"]
)
def test_the_first_of_two_ends_of_one_attempt_counts(
    host: JobHost, clerk: Clerk, first: Settlement, state: State
) -> None:
    job = declare(host).enqueue()
    (claimed,) = clerk.cycle(slots=1)
    clerk.recorder.pending = [ended(claimed, first), ended(claimed)]

    clerk.cycle()

    assert job.status().state is state
    assert len(job.attempts()) == 1


@pytest.mark.parametrize("at", [0, 2, 4])
def test_an_end_that_was_recorded_before_does_not_keep_its_neighbours_from_being_so(
    host: JobHost, clerk: Clerk, at: int
) -> None:
    jobs = declare(host).enqueue_many([()] * 5)
    claimed = clerk.claim(5)
    clerk.recorder.pending = [ended(claimed[at])]
    clerk.cycle()
    clerk.recorder.pending = list(map(ended, claimed))

    clerk.cycle()

    assert clerk.recorder.pending == []
    assert clerk.lost == [1]
    assert [job.result("0s") for job in jobs] == [one.job for one in claimed]
    assert {len(job.attempts()) for job in jobs} == {1}
