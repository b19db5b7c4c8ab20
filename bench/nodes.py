"""jobhost's workers under nodes: how they are started, who they are, and how they end."""

import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Final

import psutil

from bench.processes import BenchError, Process
from bench.site import LOOK_SECONDS, Site
from bench.stand import Stand
from bench.variant import with_options

GONE_SECONDS_MAX: Final = 10.0
"""Workers that have lost their node end by themselves; this is far above what they take."""

BEGIN_SECONDS_MAX: Final = 120.0
"""Several interpreters start at once, perhaps on a machine that is busy."""

SETTLE_SECONDS: Final = 0.2
"""From the entry of a worker in the store to the end of the first turn of its work."""


def under_nodes(stand: Stand, *, processes: int, lease: str | None = None) -> Stand:
    """The same stand, where `Site.start_workers` starts nodes, each with so many workers."""
    options = ["--processes", str(processes)]
    if lease is not None:
        options += ["--lease", lease]
    return with_options(stand, *options)


class Nodes:
    """The living nodes of a site, each with the same number of workers.

    Args:
        site: Of a stand `under_nodes`.
        processes: Workers of each node.
        concurrency: Slots of each worker.
    """

    def __init__(self, site: Site, *, processes: int, concurrency: int) -> None:
        self._site = site
        self._processes = processes
        self._concurrency = concurrency
        self.living: list[Process] = []

    def start(self, count: int) -> None:
        """So many more; returns when all workers of all nodes run jobs."""
        self.living += self._site.start_workers(count, concurrency=self._concurrency)
        self.wait_until_whole()

    def workers(self) -> set[int]:
        """Process ids of the workers that the store takes for alive, in all nodes."""
        table = self._site.database.table("node")
        found = self._site.database.query(
            f"SELECT pid FROM {table} WHERE kind = 'worker' AND ended_at IS NULL"
        )
        return {pid for (pid,) in found}

    def workers_of(self, node: Process) -> list[psutil.Process]:
        """Those of one node."""
        known = self.workers()
        below = psutil.Process(node.pid).children(recursive=True)
        return [child for child in below if child.pid in known]

    def keepers_of(self, node: Process) -> list[psutil.Process]:
        """The processes between a node and its workers: one for each on Linux, none elsewhere."""
        return [
            above
            for worker in self.workers_of(node)
            for above in takewhile(lambda parent: parent.pid != node.pid, worker.parents())
        ]

    def wait_until_whole(self, *, without: frozenset[int] = frozenset()) -> None:
        """Wait until all nodes have all their workers, and none of those `without` is left."""
        wanted = self._processes * len(self.living)
        end = time.monotonic() + BEGIN_SECONDS_MAX
        while len(now := self.workers()) != wanted or now & without:
            if time.monotonic() > end:
                logs = "\n".join(node.output for node in self.living)
                raise BenchError(f"waited in vain until {wanted} workers begin: {logs}")
            time.sleep(LOOK_SECONDS)
        time.sleep(SETTLE_SECONDS)

    def kill_worker(self, pid: int) -> int:
        """Kill one worker; returns the instant, in nanoseconds of the monotonic clock."""
        for node in self.living:
            for worker in self.workers_of(node):
                if worker.pid == pid:
                    now_ns = time.monotonic_ns()
                    worker.kill()  # it compares the time of the start: never another process
                    return now_ns
        raise BenchError(f"worker {pid}, which was to be killed, is not there")

    def bury(self, node: Process) -> None:
        """Kill a node, if it still runs, and see to it that none of its workers is left."""
        offspring = _offspring(node)
        node.kill()
        self.see_gone(node, offspring, patience_seconds=0.0)

    def see_gone(
        self, node: Process, offspring: Sequence[psutil.Process], *, patience_seconds: float
    ) -> None:
        """A node is dead: wait until what it started has ended too, and kill what has not.

        Raises BenchError if any of them had to be killed though they were given time.
        """
        self.living.remove(node)
        psutil.wait_procs(offspring, timeout=patience_seconds)
        if left := [process for process in offspring if lives(process)]:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=GONE_SECONDS_MAX)
            if patience_seconds:
                raise BenchError(f"{len(left)} workers outlived their node")

    def stop(self) -> None:
        """End all nodes in order. Raises BenchError if one does not obey."""
        self._site.stop(*self.living)
        self.living.clear()


def _offspring(node: Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return list(psutil.Process(node.pid).children(recursive=True))
    return []


def lives(process: psutil.Process) -> bool:
    """Whether it has not ended; not so one that only waits for its new parent to read its end."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
