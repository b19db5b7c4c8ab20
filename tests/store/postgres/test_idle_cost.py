"""What a worker costs its server while there is nothing to do, and how many connections it holds.

The statements are counted in the log of a server of this module's own. Time is compressed by a
short lease: a heartbeat a second, and so the number of heartbeats is the measure of time.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobhost import JobHost
from jobhost.jobs.states import LIVE
from jobhost.worker.config import WorkerConfig

from .crew import OwnServer, until, working

HEARTBEAT = "WITH late AS ("
"""Begins the statement that renews a lease."""

_LINE = re.compile(r"^(\w+) \w+:  (?:statement|execute [^:]*): (.*)$")


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    made = OwnServer("fsync=off", "log_statement=all", "log_line_prefix=%a ")
    yield made
    made.stop()


@pytest.fixture
def outside(server: OwnServer) -> Iterator[JobHost]:
    server.ask("DROP SCHEMA IF EXISTS jobhost CASCADE")
    with JobHost(f"{server.url}&application_name=outside") as host:
        host.migrate()
        yield host


@contextmanager
def worker_host(server: OwnServer) -> Iterator[JobHost]:
    with JobHost(f"{server.url}&application_name=worker") as host:
        yield host


def said(server: OwnServer) -> list[str]:
    """The first lines of the statements that workers have sent so far."""
    found = []
    for line in server.log.splitlines():
        match = _LINE.match(line)
        if match and match[1] == "worker":
            found.append(match[2])
    return found


def heartbeats(server: OwnServer) -> int:
    return said(server).count(HEARTBEAT)


def test_an_idle_worker_sends_its_heartbeats_and_nothing_else(
    server: OwnServer, outside: JobHost
) -> None:
    with worker_host(server) as host:

        @host.task
        def nothing() -> None: ...

        with working(host.worker(lease="2.4s")) as thread:
            until(thread.started.is_set)
            until(lambda: heartbeats(server) >= 6, "a lease is over, and what is done once in each")
            before = said(server)
            until(lambda: heartbeats(server) >= 13)
            since = said(server)[len(before) :]
    others = Counter(line for line in since if line != HEARTBEAT)
    assert not others, f"beside {len(since)} heartbeats: {others}"


def test_the_default_settings_come_to_at_most_ten_statements_a_minute(outside: JobHost) -> None:
    """Heartbeats, and the looks that nothing has asked for: the cycle of a poll; BEGIN, due,
    served, unserved, next_due and COMMIT of a stager; next_expiry; live_nodes and orphans for the
    leases."""
    pace, heartbeat_seconds = outside.store.pace, WorkerConfig().heartbeat_seconds
    looks = 1 / pace.poll_seconds + 7 / pace.stage_seconds
    looks += 2 / (pace.lease_look_seconds or heartbeat_seconds)
    assert 60 * (1 / heartbeat_seconds + looks) <= 10


@pytest.mark.requirement("R-COMP-2")
def test_a_worker_holds_two_connections_also_while_its_tasks_enqueue(
    server: OwnServer, outside: JobHost
) -> None:
    with worker_host(server) as host:

        @host.task(name="leaf")
        def leaf(number: int) -> int:
            return number

        @host.task(name="parent")
        def parent(number: int) -> None:
            for each in range(5):
                leaf.enqueue(number * 10 + each)

        @host.task(name="async_parent")
        async def async_parent(number: int) -> None:
            for each in range(5):
                await leaf.aenqueue(number * 10 + each)

        with working(host.worker(lease="3s", concurrency=8)) as thread:
            until(thread.started.is_set)
            jobs = [task.enqueue(n) for n in range(10) for task in (parent, async_parent)]
            highest = 0
            while any(job.status().state in LIVE for job in jobs):
                highest = max(highest, len(server.backends("worker")))
            until(lambda: len(server.backends("worker")) == 2)
            done = "SELECT count(*) FROM jobhost.done WHERE state = 'succeeded'"
            until(lambda: server.ask(done) == [(120,)])
            highest = max(highest, len(server.backends("worker")))
    assert highest == 2
