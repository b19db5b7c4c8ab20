"""Workers that an operator asks to stop, through the store."""

import pytest

from jobhost import State
from jobhost.store.plans.operate import DrainResult, drain

pytestmark = pytest.mark.stores("sqlite", "postgres")

LEASE = "12s"
"""A worker hears of the request within a third of it, and does not lose it on a slow machine."""


def test_a_worker_that_is_asked_to_stop_lets_its_jobs_end_and_claims_no_more(yard):
    worker = yard.start(concurrency=1, lease=LEASE, stopping_wait_time="10m")
    job = yard.chores.hold.enqueue("held")
    yard.started("held")
    waiting = yard.chores.note.enqueue("waiting")
    (node,) = yard.host.nodes()
    assert (node.worker, node.running) == (worker.name, 1)

    assert yard.host.store.write(lambda: drain(node.number)) is DrainResult.REQUESTED
    worker.said("WorkerDraining(running=1")
    yard.go("held")

    report = worker.report()
    assert (report["ended"], report["released"]) == (1, 0)
    assert job.status().state is State.SUCCEEDED
    assert waiting.status().deliveries == 0
    (ended,) = yard.host.nodes(gone=True)
    assert (ended.state, ended.end_reason) == ("ended", "stopped")


def test_only_the_worker_that_is_asked_to_stop_does(yard):
    stays, goes = yard.start(lease=LEASE), yard.start(lease=LEASE)
    for worker in (stays, goes):
        worker.said("WorkerStarted")
    number = next(node.number for node in yard.host.nodes() if node.worker == goes.name)
    yard.host.store.write(lambda: drain(number))
    goes.report()
    assert [node.worker for node in yard.host.nodes()] == [stays.name]
    assert stays.lives
