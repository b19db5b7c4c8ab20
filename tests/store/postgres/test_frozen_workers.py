"""A worker that stands still in the middle of a transaction holds nobody up but its own rescue."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from postgres_server import empty_schema, shared_schema, store_url

from jobhost.clock import ManualClock
from jobhost.errors import StoreBusy
from jobhost.store.plan import Statement
from jobhost.store.plans.nodes import Kind, Rescue, live_nodes, rescue
from jobhost.store.postgres.arrays import Bigints
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.postgres.target import read_target

from ..conftest import DIALECTS, Direct
from ..world import World

LONG = timedelta(hours=1)
HURRY_SECONDS = 0.1

Freeze = Callable[[int], PostgresConnection]

STOPS_ITSELF = """
import os, signal, sys
from jobhost.clock import ManualClock
from jobhost.store.plan import Statement
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.target import read_target

connection = PostgresConnection(read_target(sys.argv[1], ManualClock()))
connection.begin()
assert connection.execute(Statement("hold_lease", {"node": int(sys.argv[2])})).rows
os.kill(os.getpid(), signal.SIGSTOP)
"""
"""A worker's process that is stopped after the first statement of a transaction."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    empty_schema()
    clock = ManualClock()
    store = PostgresStore(store_url(shared_schema()), clock)
    store.migrate()
    with closing(store):
        query = DIALECTS["postgres"].query
        yield World(store, clock, Direct(store), lambda sql: query(tmp_path, sql))


@pytest.fixture(params=["hold_lease", "hold_ended"])
def freeze(request: pytest.FixtureRequest, world: World) -> Iterator[Freeze]:
    """Has a worker stop after the statement with which its transactions begin."""

    def frozen(node: int) -> PostgresConnection:
        target = read_target(store_url(shared_schema()), world.clock)
        connection = opened.enter_context(closing(PostgresConnection(target)))
        connection.begin()
        params = {"node": node, "jobs": Bigints(())}
        assert connection.execute(Statement(request.param, params)).rows
        return connection

    with ExitStack() as opened:
        yield frozen


def test_a_node_renews_all_its_leases_while_a_worker_of_its_own_is_frozen(
    world: World, freeze: Freeze
) -> None:
    node = world.node(kind=Kind.NODE)
    workers = [world.node(supervisor=node) for _ in range(3)]
    freeze(workers[1])
    for _ in range(3):
        world.move(seconds=20)
        pulse = world.pulse(node)
        assert pulse.renewed
        assert pulse.family == {node, *workers}
    assert not [one for one in world.read(live_nodes) if one.lapsed]


def test_a_worker_renews_its_own_lease_while_its_other_thread_is_held_up(
    world: World, freeze: Freeze
) -> None:
    """Such as a rescuer that waits for the one it is to bury."""
    worker = world.node()
    freeze(worker)
    world.move(seconds=20)
    assert world.heartbeat(worker)


def test_a_frozen_worker_is_buried_only_when_its_transaction_has_ended(
    world: World, freeze: Freeze
) -> None:
    rescuer = world.node(lease=LONG)
    worker = world.node()
    job_id, _ = world.running(worker)
    frozen = freeze(worker)
    world.move(seconds=31)
    order = Rescue(node=worker, worker="here:1", rescuer=rescuer, died=False)
    with closing(world.store.session()) as session:
        session.hurry(HURRY_SECONDS)
        with pytest.raises(StoreBusy):
            session.write(lambda: rescue(order))
    frozen.rollback()
    assert world.rescue(worker, rescuer, died=False).returned == 1
    assert [taken.id for taken in world.claim(rescuer)] == [job_id]


def test_a_renewal_that_came_while_a_burial_waited_saves_the_node(
    world: World, freeze: Freeze
) -> None:
    rescuer = world.node(lease=LONG)
    worker = world.node()
    world.running(worker)
    world.move(seconds=20)
    freeze(worker)
    assert world.heartbeat(worker)
    world.move(seconds=20)
    report = world.rescue(worker, rescuer, died=False)
    assert (report.refused, report.total) == (True, 0)


def test_a_stopped_process_costs_its_siblings_no_lease_and_is_taken_over_once_it_is_dead(
    world: World,
) -> None:
    node = world.node(kind=Kind.NODE)
    stopped, sibling = world.node(supervisor=node), world.node(supervisor=node)
    world.running(stopped)
    url = store_url(shared_schema())
    process = subprocess.Popen([sys.executable, "-c", STOPS_ITSELF, url, str(stopped)])
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert process.poll() is None
        world.move(seconds=20)
        assert world.pulse(node).family == {node, stopped, sibling}
        world.move(seconds=20)
        assert world.cycle(sibling).lease_live
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert world.rescue(stopped, node, own_doing=False).returned == 1
