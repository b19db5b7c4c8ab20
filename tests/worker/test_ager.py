"""When a worker raises what waits for long, and that it does so under load."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import pytest

from jobhost import JobHost
from jobhost.clock import ManualClock
from jobhost.events import Events, PrioritiesRaised
from jobhost.jobs.ageing import PARTS
from jobhost.store.plans import ageing
from jobhost.store.plans.nodes import NewNode, register
from jobhost.worker.ager import SHORTEST_PAUSE_SECONDS, Ager

QUIET = 60.0
AGE_SECONDS = 80.0


class Scene:
    """A host whose clock stands still, the first of its workers, and what was told."""

    def __init__(self, host: JobHost, clock: ManualClock) -> None:
        self.host = host
        self.clock = clock
        self.monotonic = 100.0
        self.told: list[PrioritiesRaised] = []
        self.events = Events()
        self.events.subscribe(PrioritiesRaised, self.told.append)
        self.work = host.task(name="work")(lambda: None)
        self.queue = host.queue("default")
        self.me = self.enter()

    def enter(self) -> int:
        new = NewNode(
            id=uuid4().hex, host="here", pid=1, version="1", slots=1, queues=["default"],
            tasks=["work"], lease_us=timedelta(days=30) // timedelta(microseconds=1),
        )  # fmt: skip
        return self.host.store.write(lambda: register(new))

    def move(self, seconds: float) -> None:
        self.clock.move(timedelta(seconds=seconds))
        self.monotonic += seconds


@pytest.fixture
def scene(tmp_path, clock):
    with JobHost(f"sqlite:///{tmp_path}/jobs.db", clock=clock) as host:
        host.migrate()
        yield Scene(host, clock)


@pytest.fixture
def ager(scene: Scene) -> Iterator[Ager]:
    with closing(scene.host.store.session()) as session:
        yield Ager(session, scene.events, quiet_seconds=QUIET, monotonic=lambda: scene.monotonic)


def test_without_an_age_it_looks_seldom(scene, ager):
    ager.run_if_due(scene.me)
    assert ager.due == scene.monotonic + QUIET
    scene.queue.set(raise_priority_after="80s")
    ager.run_if_due(scene.me)  # not yet
    assert ager.due == scene.monotonic + QUIET


def test_with_one_it_looks_for_each_part_of_it(scene, ager):
    scene.queue.set(raise_priority_after="80s")
    for _ in range(2 * PARTS):
        ager.run_if_due(scene.me)
        assert ager.due == scene.monotonic + AGE_SECONDS / PARTS
        scene.move(AGE_SECONDS / PARTS)


def test_one_worker_does_it_for_all(scene, ager):
    scene.queue.set(raise_priority_after="80s")
    ager.run_if_due(scene.enter())
    assert ager.due == scene.monotonic + QUIET


def test_what_was_raised_is_told_and_a_full_slice_is_followed_soon(scene, ager, monkeypatch):
    monkeypatch.setattr(ageing, "RAISE_BATCH", 2)
    scene.queue.set(raise_priority_after="80s")
    scene.work.enqueue_many([()] * 3)
    scene.work.using(priority=1).enqueue()
    assert ager.run_once(scene.me) == 0
    scene.move(AGE_SECONDS)
    assert ager.run_once(scene.me) == 2
    assert ager.due == scene.monotonic + SHORTEST_PAUSE_SECONDS
    assert ager.run_once(scene.me) == 1
    assert ager.due == scene.monotonic + AGE_SECONDS / PARTS
    assert [event.jobs for event in scene.told] == [2, 1]


@pytest.mark.requirement("R-PRIO-3")
@pytest.mark.stores("sqlite", "postgres")
def test_a_low_job_comes_to_its_turn_under_high_ones_that_never_end(host, working):
    """Each high job is followed by another before it ends, until the low one has run."""
    over = threading.Event()

    @host.task(queue="mail", priority=9)
    def high() -> None:
        if not over.is_set():
            high.enqueue()

    @host.task(queue="mail")
    def low() -> None:
        over.set()

    host.queue("mail").set(raise_priority_after="1s")
    for _ in range(3):
        high.enqueue()
    job = low.enqueue()
    try:
        with working(host.worker(concurrency=1)):
            job.result(timeout="60s")
    finally:
        over.set()
