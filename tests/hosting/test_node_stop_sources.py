"""Nodes that are drained by command, and get a signal besides."""

import signal

import pytest
from sites import Site

from jobhost import State
from jobhost.store.plans.operate import drain

pytestmark = pytest.mark.stores("sqlite", "postgres")


def _drained(site: Site):
    """A node that drains by command while a job runs, and that job."""
    node = site.start("--stopping-wait-time", "10m", "--lease", "12s").ready()
    job = site.toils.hold.enqueue("held")
    site.started("held")
    for worker in site.host.nodes():
        site.host.store.write(lambda number=worker.number: drain(number))
    node.said("claims nothing more", times=2)
    return node, job


def test_the_first_signal_after_a_drain_lets_jobs_go_on(site: Site):
    node, job = _drained(site)
    node.send(signal.SIGTERM)
    site.go("held")

    assert node.wait() == 0
    assert job.status().state is State.SUCCEEDED
    assert "jobs handed back:" not in node.log


def test_the_second_signal_after_a_drain_means_at_once(site: Site):
    node, job = _drained(site)
    node.send(signal.SIGTERM)
    node.send(signal.SIGINT)
    node.wait()

    record = job.status()
    assert (record.state, record.failures, record.crashes) == (State.READY, 0, 0)
