"""What is told of queues whose jobs wait too long, and of those that fill up."""

from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from jobhost import JobHost
from jobhost.clock import ManualClock, to_datetime
from jobhost.events import Events, QueueFilling, QueueHasRoom, QueueInTime, QueueLate
from jobhost.store.plans.nodes import NewNode, register
from jobhost.worker.objectives import LOOK_SECONDS, Objectives

QUIET = 60.0


class Scene:
    """A host whose clock stands still, the first of its workers, and what was told."""

    def __init__(self, host: JobHost, clock: ManualClock) -> None:
        self.host = host
        self.clock = clock
        self.monotonic = 100.0
        self.told: list[Any] = []
        self.events = Events()
        for kind in (QueueLate, QueueInTime, QueueFilling, QueueHasRoom):
            self.events.subscribe(kind, self.told.append)
        self.work = host.task(name="work")(lambda: None)
        self.me = self.enter()

    def enter(self) -> int:
        new = NewNode(
            id=uuid4().hex,
            host="here",
            pid=1,
            version="1",
            slots=1,
            queues=["default"],
            tasks=["work"],
            lease_us=timedelta(days=30) // timedelta(microseconds=1),
        )
        return self.host.store.write(lambda: register(new))

    def move(self, **span: float) -> None:
        self.clock.move(timedelta(**span))
        self.monotonic += timedelta(**span).total_seconds()

    def take(self) -> list[Any]:
        told, self.told[:] = list(self.told), []
        return told


@pytest.fixture
def scene(tmp_path, clock):
    with JobHost(f"sqlite:///{tmp_path}/jobs.db", clock=clock) as host:
        host.migrate()
        yield Scene(host, clock)


@pytest.fixture
def objectives(scene):
    with closing(scene.host.store.session()) as session:
        yield Objectives(
            session, scene.events, {}, quiet_seconds=QUIET, monotonic=lambda: scene.monotonic
        )


@pytest.mark.requirement("R-SCALE-1")
def test_a_late_queue_is_told_once_and_its_recovery_too(scene, objectives):
    queue = scene.host.queue("default")
    queue.set(objective="30s")
    job = scene.work.enqueue()
    objectives.run_once(scene.me)
    scene.move(seconds=30)
    objectives.run_once(scene.me)
    assert scene.take() == []

    scene.move(seconds=1)
    objectives.run_once(scene.me)
    objectives.run_once(scene.me)
    assert scene.take() == [
        QueueLate(queue="default", oldest_seconds=31.0, objective_seconds=30.0, paused=False)
    ]
    assert queue.stats().late

    job.cancel("not wanted")
    objectives.run_once(scene.me)
    objectives.run_once(scene.me)
    assert scene.take() == [QueueInTime(queue="default", objective_seconds=30.0)]
    assert not queue.stats().late


def test_a_paused_queue_that_is_late_is_told_as_paused(scene, objectives):
    queue = scene.host.queue("default")
    queue.set(objective="30s")
    queue.pause()
    scene.work.enqueue()
    scene.move(seconds=60)
    objectives.run_once(scene.me)
    (late,) = scene.take()
    assert late.paused


def test_what_a_job_waits_while_its_queue_is_closed_is_not_late(scene, objectives):
    queue = scene.host.queue("default")
    at = to_datetime(scene.clock.now())
    scene.move(seconds=(at.replace(hour=23, minute=0) - at).total_seconds())
    queue.set(objective="30s", hours="08:00-18:00")
    scene.work.enqueue()
    scene.move(minutes=30)
    objectives.run_once(scene.me)
    assert scene.take() == []
    assert not queue.stats().late
    scene.move(hours=8, minutes=30, seconds=30)
    objectives.run_once(scene.me)
    assert scene.take() == []  # it has been open for as long as that
    scene.move(seconds=1)
    objectives.run_once(scene.me)
    (late,) = scene.take()
    assert late.oldest_seconds == 31.0
    assert queue.stats().late


def test_a_job_that_came_back_is_late_even_if_nothing_is_accepted_after_it(scene, objectives):
    """Nothing tells when it became ready but that it stands there, look after look."""
    scene.host.queue("default").set(objective="30s")
    scene.work.using(delay="1h").enqueue()
    scene.move(hours=1)
    scene.host.worker(burst=True, queues=["none"]).run()  # stages it
    for _ in range(4):
        objectives.run_once(scene.me)
        scene.move(seconds=LOOK_SECONDS)
    assert scene.take() == []
    objectives.run_once(scene.me)
    (late,) = scene.take()
    assert late.oldest_seconds == 40.0


@pytest.mark.requirement("R-MSG-13")
def test_a_queue_that_fills_up_is_told_before_it_is_full(scene, objectives):
    scene.host.queue("default").set(capacity=10)
    jobs = [scene.work.enqueue() for _ in range(7)]
    objectives.run_once(scene.me)
    assert scene.take() == []
    jobs.append(scene.work.enqueue())
    for _ in range(2):
        objectives.run_once(scene.me)
    assert scene.take() == [QueueFilling(queue="default", jobs=8, capacity=10)]
    jobs[0].cancel("not wanted")
    objectives.run_once(scene.me)
    assert scene.take() == []  # still about there
    jobs[1].cancel("not wanted")
    objectives.run_once(scene.me)
    assert scene.take() == [QueueHasRoom(queue="default", jobs=6, capacity=10)]


def test_one_worker_looks_for_all(scene, objectives):
    scene.host.queue("default").set(objective="30s")
    scene.work.enqueue()
    scene.move(seconds=60)
    objectives.run_once(scene.enter())
    assert scene.take() == []
    objectives.run_once(scene.me)
    assert len(scene.take()) == 1


def test_it_looks_often_only_where_there_is_something_to_look_at(scene, objectives):
    objectives.run_if_due(scene.me)
    assert objectives.due == scene.monotonic + QUIET
    scene.host.queue("default").set(objective="30s")
    objectives.run_if_due(scene.me)  # not yet
    scene.monotonic = objectives.due
    objectives.run_if_due(scene.me)
    assert objectives.due == scene.monotonic + LOOK_SECONDS


def test_a_queue_that_lost_its_objective_is_forgotten(scene, objectives):
    queue = scene.host.queue("default")
    queue.set(objective="30s", capacity=1)
    scene.work.enqueue()
    scene.move(seconds=60)
    objectives.run_once(scene.me)
    assert len(scene.take()) == 2
    queue.set(objective=None, capacity=None)
    objectives.run_once(scene.me)
    queue.set(objective="30s")
    objectives.run_once(scene.me)
    (again,) = scene.take()
    assert isinstance(again, QueueLate)
