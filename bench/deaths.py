"""How long jobs wait when what runs them is killed or stopped: under nodes, again and again.

Each stroke falls on jobs of its own, so no job is in two deaths, which would set it aside.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import psutil

from bench.ballast import ROWS
from bench.nodes import GONE_SECONDS_MAX, Nodes, under_nodes
from bench.order import Order
from bench.processes import BenchError, Process
from bench.records import Kind, Tally
from bench.recovery import Death, Recovery, spread
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand

WORKER_KILLS: Final = 100
NODE_KILLS: Final = 20
FREEZES: Final = 10
STROKES_MIN: Final = 1

PROCESSES: Final = 2
"""Workers of each node."""

SHORT_LEASE: Final = "3s"
"""The shortest one that a loaded machine keeps up well. With it a node gives up a worker that has
been silent for 2 s, which has no part in these figures: whoever is stopped here is stopped together
with its node, and nothing else is silent."""

JOBS: Final = 10
"""Of one stroke: they fill half of a worker's slots at most, so that others are free."""

SLOTS: Final = 20

BUSY_SLOTS: Final = 10
"""Of each worker before a backlog, all of them taken all the time."""

ROWS_OF_A_KILL: Final = 5_000
"""More than two workers run between two kills."""

_TRIES: Final = 20
"""Batches or strokes in a row that came when all jobs had ended: the machine is busy."""

_KILLS_OF_WORTH: Final = 0.8
"""Part of the kills before a backlog that must have found jobs running."""

Strike = Callable[[Nodes, "Board"], Death]
"""Kills or stops somebody who has jobs, and returns when all is whole again."""


class Board:
    """The jobs of the strokes, batch by batch.

    Args:
        site: Where they run.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sent = 0

    def deal(self) -> Counter[int]:
        """Enqueue jobs until some are seen running; how many on which worker, by process id."""
        for _ in range(_TRIES):
            batch = range(self.sent, self.sent + JOBS)
            order = Order(way="bulk", task="linger", count=JOBS, first=self.sent)
            self.sent += JOBS
            self.site.produce(order)
            self.site.wait_until(partial(self._have_begun, batch), "the jobs begin")
            if running := self._running():
                return running
        raise BenchError("jobs were never seen running")

    def wait_for_ends(self) -> None:
        """All jobs so far have ended somewhere."""
        self.site.wait_until(lambda: len(self._numbers(Kind.END)) == self.sent, "all jobs end")

    def had_running(self, death: Death) -> bool:
        """Whether some job of the dead never came to its end there."""
        started, ended = (
            {(one.pid, one.seq) for one in self.site.ledger.read(kind) if one.pid in death.pids}
            for kind in (Kind.START, Kind.END)
        )
        return bool(started - ended)

    def _have_begun(self, batch: range) -> bool:
        return self._numbers(Kind.START).issuperset(batch)

    def _numbers(self, kind: Kind) -> set[int]:
        return {record.seq for record in self.site.ledger.read(kind)}

    def _running(self) -> Counter[int]:
        ended = self._numbers(Kind.END)
        starts = self.site.ledger.read(Kind.START)
        return Counter(start.pid for start in starts if start.seq not in ended)


def kill_workers(stand: Stand) -> Sample:
    """kill -9 of one of two workers of a node, while the other one has free slots."""
    return _strokes(under_nodes(stand, processes=PROCESSES), WORKER_KILLS, 1, _kill_a_worker)


def kill_nodes(stand: Stand) -> Sample:
    """kill -9 of one of two nodes on a machine: its workers end with it.

    On SQLite the survivor sees the lock free, with a lease of 30 s. On PostgreSQL the lease is
    3 s: where nothing proves the death earlier, its end does.
    """
    lease = SHORT_LEASE if stand.databases.store == "postgres" else None
    return _strokes(
        under_nodes(stand, processes=PROCESSES, lease=lease), NODE_KILLS, 2, _kill_a_node
    )


def freeze_nodes(stand: Stand) -> Sample:
    """SIGSTOP of one of two nodes with all its workers: only the end of its lease of 3 s tells."""
    nodes = under_nodes(stand, processes=PROCESSES, lease=SHORT_LEASE)
    return _strokes(nodes, FREEZES, 2, _freeze_a_node)


def kill_workers_before_backlog(stand: Stand) -> Sample:
    """kill -9 of one of two workers of a node, both with all slots taken, while a million jobs
    wait in the same queue: what it ran must go before them."""
    kills = max(stand.size(WORKER_KILLS), STROKES_MIN)
    rows = max(stand.size(ROWS), kills * ROWS_OF_A_KILL)
    with under_nodes(stand, processes=PROCESSES).new_site() as site:
        site.produce(Order(way="bulk", task="stint", count=rows))
        site.database.tidy()
        nodes = Nodes(site, processes=PROCESSES, concurrency=BUSY_SLOTS)
        nodes.start(1)
        deaths: list[Death] = []
        old, young = sorted(nodes.workers())
        for _ in range(kills):
            deaths.append(Death(pids=frozenset({old}), at_ns=nodes.kill_worker(old)))
            nodes.wait_until_whole(without=frozenset({old}))
            # The younger one has been at work for as long as a start takes.
            old, young = young, (nodes.workers() - {young}).pop()
        nodes.stop()
        recovery = _recovery(site, deaths)
        waiting = site.waiting()
    if not waiting:
        raise BenchError("the backlog was used up before the last kill")
    known = recovery.started.union(waiting)
    if len(recovery.seconds) < _KILLS_OF_WORTH * kills:
        raise BenchError(f"only {len(recovery.seconds)} of {kills} kills found jobs running")
    return _sample(recovery, Tally(rows, rows - len(known), recovery.duplicates))


def _strokes(stand: Stand, full: int, count: int, strike: Strike) -> Sample:
    """One stroke after the other on `count` nodes."""
    with stand.new_site() as site:
        nodes = Nodes(site, processes=PROCESSES, concurrency=SLOTS)
        nodes.start(count)
        board = Board(site)
        strokes = range(max(stand.size(full), STROKES_MIN))
        deaths = [_strike_until_it_hits(strike, nodes, board) for _ in strokes]
        nodes.stop()
        recovery = _recovery(site, deaths)
    lost = board.sent - len(recovery.started)
    return _sample(recovery, Tally(board.sent, lost, recovery.duplicates))


def _strike_until_it_hits(strike: Strike, nodes: Nodes, board: Board) -> Death:
    for _ in range(_TRIES):
        death = strike(nodes, board)
        if board.had_running(death):
            return death
    raise BenchError("the jobs had always ended before the stroke")


def _kill_a_worker(nodes: Nodes, board: Board) -> Death:
    [(victim, _)] = board.deal().most_common(1)
    death = Death(pids=frozenset({victim}), at_ns=nodes.kill_worker(victim))
    board.wait_for_ends()
    nodes.wait_until_whole(without=death.pids)
    return death


def _kill_a_node(nodes: Nodes, board: Board) -> Death:
    node, workers = _busiest(nodes, board)
    now_ns = time.monotonic_ns()
    node.kill()
    nodes.see_gone(node, workers, patience_seconds=GONE_SECONDS_MAX)
    return _replace(nodes, board, Death(pids=_pids(workers), at_ns=now_ns))


def _freeze_a_node(nodes: Nodes, board: Board) -> Death:
    node, workers = _busiest(nodes, board)
    now_ns = time.monotonic_ns()
    try:
        node.send(signal.SIGSTOP)
        for worker in workers:
            worker.suspend()
        board.wait_for_ends()
    finally:
        nodes.bury(node)
    return _replace(nodes, board, Death(pids=_pids(workers), at_ns=now_ns))


def _replace(nodes: Nodes, board: Board, death: Death) -> Death:
    board.wait_for_ends()
    nodes.start(1)
    return death


def _busiest(nodes: Nodes, board: Board) -> tuple[Process, list[psutil.Process]]:
    """The node on whose workers the most jobs run, and those workers."""
    running = board.deal()
    crews = [(node, nodes.workers_of(node)) for node in nodes.living]
    return max(crews, key=lambda crew: sum(running[worker.pid] for worker in crew[1]))


def _pids(workers: list[psutil.Process]) -> frozenset[int]:
    return frozenset(worker.pid for worker in workers)


def _recovery(site: Site, deaths: list[Death]) -> Recovery:
    records = [record for kind in Kind for record in site.ledger.read(kind)]
    return Recovery.of(records, deaths)


def _sample(recovery: Recovery, tally: Tally) -> Sample:
    values = {
        **spread(recovery.seconds),
        "extra": max(recovery.extra),
        "twice": recovery.twice,
    }
    return Sample(values=values, tally=tally)
