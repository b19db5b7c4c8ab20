"""Who asks a worker to stop, and what it was doing: the first signal never means at once."""

import queue
import signal
import threading

import pytest

from jobhost import JobHost, State
from jobhost.events import WorkerDraining, WorkerRecycling
from jobhost.store.plans.operate import drain
from jobhost.worker.embedded import Embedding
from jobhost.worker.worker import WorkerReport

pytestmark = pytest.mark.stores("sqlite", "postgres")
LONG = "10m"
GUARD_SECONDS = 60.0
LEASE = "12s"
"""A worker hears of a drain within a third of it, and does not lose it on a slow machine."""


class _Recycling:
    """A worker that makes room for a fresh process while one job runs."""

    def __init__(self, host: JobHost, stopping_wait_time: str) -> None:
        self._running, self._go, recycling = (threading.Event() for _ in range(3))
        self.draining: queue.SimpleQueue[WorkerDraining] = queue.SimpleQueue()
        hold = host.task(name="hold")(self._hold)
        self.note = host.task(name="note")(lambda: None)
        self.worker = host.worker(
            concurrency=2, max_jobs=1, stopping_wait_time=stopping_wait_time, poll="20ms"
        )
        self.worker.events.subscribe(WorkerRecycling, lambda _: recycling.set())
        self.worker.events.subscribe(WorkerDraining, self.draining.put)
        self._reports: list[WorkerReport] = []
        self._thread = threading.Thread(target=self._run)
        self.job = hold.enqueue()
        self._thread.start()
        assert self._running.wait(GUARD_SECONDS)
        self.note.enqueue()
        assert recycling.wait(GUARD_SECONDS)

    def _hold(self) -> None:
        self._running.set()
        assert self._go.wait(GUARD_SECONDS)

    def _run(self) -> None:
        self._reports.append(self.worker.run())

    def end(self) -> WorkerReport:
        """Let the job end, and the worker with it."""
        self._go.set()
        self._thread.join(GUARD_SECONDS)
        [report] = self._reports
        return report


def test_a_worker_that_makes_room_lets_its_jobs_end_however_short_the_stopping_wait(host):
    recycling = _Recycling(host, stopping_wait_time="0s")
    waiting = recycling.note.enqueue()

    report = recycling.end()
    assert (report.ended, report.released, report.recycled) == (2, 0, True)
    assert recycling.draining.empty()
    assert recycling.job.status().state is State.SUCCEEDED
    assert waiting.status().deliveries == 0


def test_the_first_stop_of_a_worker_that_makes_room_gives_its_jobs_the_stopping_wait(host):
    recycling = _Recycling(host, stopping_wait_time="10m")
    recycling.worker.stop()
    assert recycling.draining.get(timeout=GUARD_SECONDS).running == 1

    report = recycling.end()
    assert (report.ended, report.released, report.stopped) == (2, 0, True)
    assert not report.recycled, "no fresh process is to follow"
    assert recycling.job.status().state is State.SUCCEEDED


def test_the_first_signal_after_a_drain_by_command_does_not_mean_at_once(yard):
    worker = yard.start(concurrency=1, lease=LEASE, stopping_wait_time=LONG)
    job = yard.chores.hold_async.enqueue("held")
    yard.started("held")
    (node,) = yard.host.nodes()
    yard.host.store.write(lambda: drain(node.number))
    worker.said("WorkerDraining(running=1")

    worker.send(signal.SIGTERM)
    yard.go("held")

    report = worker.report()
    assert (report["ended"], report["released"]) == (1, 0)
    assert job.status().state is State.SUCCEEDED


@pytest.mark.stores("sqlite")
@pytest.mark.parametrize("before", [0, 1])
def test_leaving_a_worker_that_was_stopped_is_no_second_stop(before):
    stops, stopped = [], threading.Event()

    def live(*, started) -> None:
        started()
        assert stopped.wait(GUARD_SECONDS)

    def stop() -> None:
        stops.append(1)
        stopped.set()

    embedding = Embedding(live, stop, lambda: bool(stops))
    embedding.enter()
    for _ in range(before):
        stop()
    embedding.leave(failing=False)

    assert len(stops) == 1
