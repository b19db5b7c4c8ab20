"""Nodes whose terminal closes."""

import os
import pty
import signal
import sys

import pytest
from sites import Site

from jobhost import State

PATIENCE = "90s"
both = pytest.mark.stores("sqlite", "postgres")


@both
def test_a_hangup_drains_however_often_it_is_told(site: Site):
    node = site.start("--stopping-wait-time", "10m").ready()
    job = site.toils.hold.enqueue("held")
    site.started("held")

    node.send(signal.SIGHUP)
    node.said("claims nothing more", times=2)
    node.send(signal.SIGHUP)
    site.go("held")

    assert node.wait() == 0
    assert job.status().state is State.SUCCEEDED
    assert node.log.count("the terminal has closed") == 1
    assert "jobs handed back:" not in node.log


@both
def test_the_second_signal_after_a_hangup_means_at_once(site: Site):
    node = site.start("--stopping-wait-time", "10m").ready()
    job = site.toils.hold.enqueue("held")
    site.started("held")

    node.send(signal.SIGHUP)
    node.said("claims nothing more", times=2)
    node.send(signal.SIGTERM)
    node.send(signal.SIGINT)
    node.wait()

    record = job.status()
    assert (record.state, record.failures, record.crashes) == (State.READY, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs setsid(1), which gives a terminal")
def test_a_terminal_that_closes_drains_the_node_that_it_had_started(site: Site):
    ours, theirs = pty.openpty()
    node = site.start(prefix=["setsid", "--ctty", "--wait"], stdin=theirs).ready()
    os.close(theirs)
    job = site.toils.hold.enqueue("held")
    site.started("held")

    os.close(ours)
    node.said("claims nothing more", times=2)
    site.go("held")

    assert node.wait() == 0
    assert job.status().state is State.SUCCEEDED


def test_under_nohup_a_hangup_means_nothing(site: Site):
    node = site.start(prefix=["nohup"]).ready()

    node.send(signal.SIGHUP)
    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"

    assert node.stop() == 0
    assert "the terminal has closed" not in node.log
