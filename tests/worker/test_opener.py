"""When a worker looks at the hours of queues, and that it is awake when one opens."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobhost import JobHost, State
from jobhost.clock import ManualClock
from jobhost.events import Events, HoursUnreadable
from jobhost.store.plan import Statement
from jobhost.worker.opener import Opener

PASS_SECONDS = 60.0
HOUR = 3600.0


class Scene:
    """A host whose clock stands still at a midnight, an opener, and what was told."""

    def __init__(self, host: JobHost, clock: ManualClock) -> None:
        self.host = host
        self.clock = clock
        self.monotonic = 100.0
        self.told: list[HoursUnreadable] = []
        self.events = Events()
        self.events.subscribe(HoursUnreadable, self.told.append)

    def move(self, **span: float) -> None:
        self.clock.move(timedelta(**span))
        self.monotonic += timedelta(**span).total_seconds()


@pytest.fixture
def scene(tmp_path):
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    with JobHost(f"sqlite:///{tmp_path}/jobs.db", clock=clock) as host:
        host.migrate()
        yield Scene(host, clock)


@pytest.fixture
def opener(scene: Scene) -> Iterator[Opener]:
    with closing(scene.host.store.session()) as session:
        yield Opener(
            session, scene.events, pass_seconds=PASS_SECONDS, monotonic=lambda: scene.monotonic
        )


def test_without_hours_it_looks_once_a_pass(scene, opener):
    assert not opener.run_if_due()
    assert opener.due == scene.monotonic + PASS_SECONDS
    scene.monotonic += 1
    assert not opener.run_if_due()
    assert opener.due == scene.monotonic - 1 + PASS_SECONDS


def test_it_looks_at_the_opening_and_at_the_end_of_a_window(scene, opener):
    scene.host.queue("reports").set(hours="00:00-06:00")
    assert opener.run_if_due()
    scene.move(hours=6, seconds=-10)
    assert not opener.run_if_due()
    assert opener.due == scene.monotonic + 10
    scene.move(seconds=10)
    assert not opener.run_if_due()  # closed
    assert opener.due == scene.monotonic + PASS_SECONDS
    scene.move(hours=18, seconds=-5)
    assert not opener.run_if_due()
    assert opener.due == scene.monotonic + 5
    scene.move(seconds=5)
    assert opener.run_if_due()
    assert not opener.run_if_due()


def test_one_queue_that_opens_is_seen_beside_others_that_are_open(scene, opener):
    scene.host.queue("night").set(hours="22:00-06:00")
    scene.host.queue("day").set(hours="05:00-20:00")
    assert opener.run_if_due()
    scene.move(hours=5)
    assert opener.run_if_due()


def test_a_look_that_comes_a_moment_early_is_followed_by_another(scene, opener):
    """Clocks are not quite equal."""
    scene.host.queue("day").set(hours="08:00-20:00")
    scene.move(hours=8, microseconds=-1)
    assert not opener.run_if_due()
    assert scene.monotonic < opener.due < scene.monotonic + 0.1
    scene.move(milliseconds=100)
    assert opener.run_if_due()


def test_rings_in_a_row_do_not_cost_a_look_each(scene, opener):
    opener.run_once()
    opener.hurry()
    assert scene.monotonic < opener.due < scene.monotonic + 0.1


def test_an_opening_that_is_told_of_is_not_slept_through(scene, opener):
    opener.run_once()
    opener.expect(7.0)
    assert opener.due == scene.monotonic + 7.0
    opener.expect(50.0)
    assert opener.due == scene.monotonic + 7.0


def test_hours_that_cannot_be_read_are_told_once_and_looked_at_again_at_leisure(scene, opener):
    scene.host.queue("night").set(hours="22:00-06:00")
    scene.host.store.write(lambda: _store_as_it_is('{"hours": "at full moon"}'))
    for _ in range(3):
        opener.run_once()
        assert opener.due == scene.monotonic + PASS_SECONDS
    (told,) = scene.told
    assert told.queue == "night"
    assert "full moon" in told.reason
    scene.host.queue("night").set(hours="22:00-06:00")
    opener.run_once()
    scene.host.store.write(lambda: _store_as_it_is('{"hours": "at full moon"}'))
    opener.run_once()
    assert len(scene.told) == 2


def _store_as_it_is(changes: str) -> Any:
    yield Statement("set_queue", {"queue": "night", "changes": changes})


# --- under workers, on each store


def closed_now() -> str:
    """Hours that do not come for a while, whenever this runs."""
    soon = datetime.now(UTC) + timedelta(hours=6)
    return f"{soon:%H}:00-{soon:%H}:59"


def _open_at(queue: str, after_us: int) -> Any:
    """Has its next window begin so soon, which hours that are told in minutes cannot say."""
    (kept,) = (yield Statement("opening_hours", {"limit": 10})).rows
    name, hours, zone, _, _, now = kept
    assert name == queue
    over = {"queue": name, "hours": hours, "zone": zone, "open_from": 0, "open_until": now}
    yield Statement("set_queue", {"queue": name, "changes": f'{{"hours": "{hours}"}}'})
    window = {"open_from": now + after_us, "open_until": now + 10**12}
    yield Statement("move_opening", {**over, **window})
    return now + after_us


@pytest.mark.requirement("R-PART-5")
@pytest.mark.stores("sqlite", "postgres")
def test_a_worker_process_starts_nothing_before_the_queue_opens_and_is_awake_when_it_does(yard):
    yard.host.queue("default").set(hours=closed_now())
    yard.start(concurrency=2, queues=["default", "other"])
    waiting = [yard.chores.note.enqueue(f"waiting-{number}") for number in range(3)]
    for number in range(3):  # it looks at both queues each time
        yard.chores.note.using(queue="other").enqueue(f"beside-{number}").result(timeout="60s")
    assert [job.status().state for job in waiting] == [State.READY] * 3

    opens = yard.host.store.write(lambda: _open_at("default", 500_000))
    yard.host.store.announce(due=True)
    for job in waiting:
        job.result(timeout="60s")

    starts = [job.attempts()[0].claimed_at for job in waiting]
    assert all(start.timestamp() * 1_000_000 >= opens for start in starts)


@pytest.mark.stores("sqlite", "postgres")
def test_a_burst_worker_does_not_wait_for_a_closed_queue(host):
    @host.task
    def work() -> None: ...

    waiting = work.enqueue()
    other = work.using(queue="other").enqueue()
    host.queue("default").set(hours=closed_now())

    assert host.worker(burst=True, queues=["default", "other"]).run().ended == 1

    assert other.status().state is State.SUCCEEDED
    assert waiting.status().state is State.READY
    host.queue("default").set(hours="00:00-24:00")
    assert host.worker(burst=True).run().ended == 1


@pytest.mark.stores("sqlite", "postgres")
def test_a_worker_that_starts_opens_a_queue_whose_window_nobody_has_moved_on(host):
    @host.task
    def work() -> None: ...

    work.enqueue()
    host.queue("default").set(hours="00:00-24:00")
    host.store.write(lambda: _forget_window("default"))

    assert host.worker(burst=True).run().ended == 1


def _forget_window(queue: str) -> Any:
    changes = '{"hours": "00:00-24:00"}'
    yield Statement("set_queue", {"queue": queue, "changes": changes})


@pytest.mark.stores("sqlite", "postgres")
def test_hours_that_a_program_declares_hold_before_its_worker_starts_anything(host):
    @host.task
    def work() -> None: ...

    host.queue("default", hours=closed_now(), zone="UTC")
    job = work.enqueue()

    assert host.worker(burst=True).run().ended == 0

    assert job.status().state is State.READY
    assert host.queue("default").settings().closed


@pytest.mark.stores("sqlite", "postgres")
def test_hours_that_are_set_open_a_queue_under_a_sleeping_worker(yard):
    yard.host.queue("default").set(hours=closed_now())
    yard.start(concurrency=1)
    job = yard.chores.note.enqueue("waits")
    assert job.status().state is State.READY
    yard.host.queue("default").set(hours=None)
    assert job.result(timeout="60s") == "waits"
