"""The pruner: one worker deletes what was kept long enough, slice by slice, and tells of it."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import pytest

from jobhost import JobExpired, JobHost, JobNotFound, Retention, State
from jobhost.clock import ManualClock
from jobhost.events import Events, JobsPruned
from jobhost.ids import new_ids
from jobhost.store.plans.nodes import NewNode, register
from jobhost.store.plans.retention import PRUNE_SLICE
from jobhost.worker.pruner import Pruner


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def host(url: str, clock: ManualClock) -> Iterator[JobHost]:
    with JobHost(url, clock=clock, retention=Retention(succeeded="1d", dead=None)) as made:
        made.migrate()
        yield made


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Prune:
    """Pruners of one store, with what they tell and the time they go by."""

    def __init__(self, host: JobHost, stack: ExitStack) -> None:
        self._host = host
        self._stack = stack
        self.seconds = Seconds()
        self.told: list[JobsPruned] = []

    def pruner(self, retention: Retention | None = None) -> Pruner:
        events = Events()
        events.subscribe(JobsPruned, self.told.append)
        session = self._stack.enter_context(closing(self._host.store.session()))
        kept = retention or Retention(succeeded="1d", dead=None)
        return Pruner(session, kept, events, monotonic=self.seconds)

    def walk(self, pruner: Pruner) -> list[int]:
        """One walk; what each slice deleted."""
        counts = [pruner.run_once()]
        while pruner.walking:
            counts.append(pruner.run_once())
        return counts


@pytest.fixture
def prune(host: JobHost) -> Iterator[Prune]:
    with ExitStack() as stack:
        yield Prune(host, stack)


@pytest.fixture
def done(host: JobHost) -> Any:
    """Makes jobs that have succeeded."""

    @host.task
    def work(number: int) -> int:
        return number

    def make(count: int) -> Any:
        jobs = work.enqueue_many([(number,) for number in range(count)])
        host.worker(burst=True, concurrency=100).run()
        return jobs

    return make


@pytest.mark.requirement("R-RES-7")
@pytest.mark.stores("sqlite", "postgres")
def test_a_walk_deletes_all_that_is_old_in_slices_and_tells_how_many(
    prune: Prune, done: Any, clock: ManualClock
) -> None:
    old = done(PRUNE_SLICE + 5)
    clock.move(timedelta(days=1))
    young = done(1)
    counts = prune.walk(prune.pruner())

    assert sum(counts) == PRUNE_SLICE + 5
    assert max(counts) <= PRUNE_SLICE
    assert prune.told == [JobsPruned(jobs=PRUNE_SLICE + 5)]
    with pytest.raises(JobNotFound):
        old[0].status()
    assert young[0].status().state is State.SUCCEEDED


def test_the_next_walk_goes_on_where_the_last_one_ended_and_now_and_then_begins_afresh(
    prune: Prune, done: Any, clock: ManualClock, host: JobHost
) -> None:
    pruner = prune.pruner(Retention(succeeded="1d", cancelled="2d", dead=None))
    done(1)
    cancelled = host.tasks.get("work").enqueue(1)
    cancelled.cancel()
    clock.move(timedelta(days=1, hours=1))
    assert sum(prune.walk(pruner)) == 1
    clock.move(timedelta(days=1))
    prune.seconds.now += 600
    assert sum(prune.walk(pruner)) == 0  # it was passed by before it was old
    prune.seconds.now += 6 * 3600
    assert sum(prune.walk(pruner)) == 1
    with pytest.raises(JobNotFound):
        cancelled.status()


def test_between_slices_it_rests_longer_than_it_worked(
    prune: Prune, done: Any, clock: ManualClock
) -> None:
    done(PRUNE_SLICE + 1)
    clock.move(timedelta(days=1))
    pruner = prune.pruner()
    pruner.run_once()
    assert pruner.walking
    assert prune.seconds.now < pruner.due < prune.seconds.now + 60
    prune.walk(pruner)
    assert pruner.due > prune.seconds.now + 60


def test_a_worker_that_is_not_the_first_of_those_that_live_leaves_it_to_that_one(
    prune: Prune, done: Any, clock: ManualClock, host: JobHost
) -> None:
    done(3)
    clock.move(timedelta(days=1))
    first, second = (
        host.store.write(
            lambda: register(
                NewNode(
                    id=new_ids(1)[0].hex(),
                    host="here",
                    pid=1,
                    version="1",
                    slots=1,
                    queues=["default"],
                    tasks=["work"],
                    lease_us=10**9,
                )
            )
        )
        for _ in range(2)
    )
    bystander, pruner = prune.pruner(), prune.pruner()
    prune.seconds.now += 600  # long after the start
    bystander.run_if_due(second)
    assert not bystander.walking
    pruner.run_if_due(first)
    assert pruner.walking


@pytest.mark.stores("sqlite", "postgres")
def test_two_pruners_at_once_delete_each_job_once_and_hurt_nobody(
    prune: Prune, done: Any, clock: ManualClock
) -> None:
    done(PRUNE_SLICE + 5)
    clock.move(timedelta(days=1))
    one, other = prune.pruner(), prune.pruner()
    total = 0
    for _ in range(4):
        total += one.run_once() + other.run_once()
    assert total == PRUNE_SLICE + 5


@pytest.mark.requirement("R-RES-7")
@pytest.mark.stores("sqlite", "postgres")
def test_an_old_id_that_is_not_there_is_told_apart_from_one_that_was_never_there(
    url: str, prune: Prune
) -> None:
    with JobHost(url, retention=Retention(succeeded="1ms", cancelled=None, dead=None)) as strict:

        @strict.task
        def work() -> None: ...

        job = work.enqueue()
        strict.worker(burst=True).run()
        job.result()
        old = new_ids(1)[0].hex()
        for _ in range(10_000):  # its milliseconds are over soon
            if work.enqueue().id.int >> 80 > job.id.int >> 80:
                break
        with pytest.raises(JobExpired, match="any more"):
            strict.job(old).status()
    with JobHost(url) as patient:
        with pytest.raises(JobNotFound, match="there is no job") as told:
            patient.job(old).status()
        assert not isinstance(told.value, JobExpired)
