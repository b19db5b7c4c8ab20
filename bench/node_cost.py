"""What a node costs: its memory and that of the keepers between it and its workers, and the time
in which it has a fresh worker at work.

The workers themselves are not counted: they are there without a node too. Proportional is what the
kernel tells of each process in /proc/PID/smaps, where a page that several processes share counts
for its part in each; so these sizes may be added up.
"""

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from bench.nodes import Nodes, under_nodes
from bench.order import Order
from bench.processes import BenchError, Process
from bench.records import Kind, Record, Tally
from bench.recovery import Death, Recovery
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand

RESTARTS: Final = 100
RESTARTS_MIN: Final = 1
SETTLE_SECONDS: Final = 1.0

JOBS_OF_A_LIFE: Final = 50
"""More than a worker with one slot runs from its first job to the kill."""

_ENDS: Final = 2
"""The first job that ends may be one that was handed back; the next one was not. So no job is in
two deaths, which would set it aside."""

_START_FIELD: Final = 19
"""Of the fields of /proc/PID/stat after the name: when the process began, in ticks."""


def node_memory_and_starts(stand: Stand) -> Sample:
    """A node with one worker, which is killed again and again.

    A worker is taken for ready when its first job starts: there always is one that waits.
    """
    restarts = max(stand.size(RESTARTS), RESTARTS_MIN)
    with under_nodes(stand, processes=1).new_site() as site:
        nodes = Nodes(site, processes=1, concurrency=1)
        nodes.start(1)
        [node] = nodes.living
        time.sleep(SETTLE_SECONDS)
        values = memory_of(nodes, node, "idle")
        count = JOBS_OF_A_LIFE * (restarts + 1)
        site.produce(Order(way="bulk", task="work", count=count))
        deaths: list[Death] = []
        starts_ms: list[float] = []
        [worker] = nodes.workers()
        for _ in range(restarts):
            _wait_for_ends(site, worker)
            deaths.append(Death(pids=frozenset({worker}), at_ns=nodes.kill_worker(worker)))
            nodes.wait_until_whole(without=frozenset({worker}))
            [worker] = nodes.workers()
            _wait_for_ends(site, worker)
            if (forked_ns := _forked_ns(worker)) is not None:
                starts_ms.append((_first_start_ns(site, worker) - forked_ns) / 1e6)
        time.sleep(SETTLE_SECONDS)
        values |= memory_of(nodes, node, "after")
        nodes.stop()
        recovery = Recovery.of(_records(site), deaths)
        waiting = site.waiting()
    if not waiting:
        raise BenchError("the jobs were used up before the last kill")
    if starts_ms:
        values["start"] = statistics.median(starts_ms)
    lost = count - len(recovery.started.union(waiting))
    return Sample(values=values, tally=Tally(count, lost, recovery.duplicates))


def _records(site: Site) -> list[Record]:
    return [record for kind in Kind for record in site.ledger.read(kind)]


def _wait_for_ends(site: Site, pid: int) -> None:
    site.wait_until(
        lambda: sum(record.pid == pid for record in site.ledger.read(Kind.END)) >= _ENDS,
        f"worker {pid} runs jobs",
    )


def _first_start_ns(site: Site, pid: int) -> int:
    return min(record.now_ns for record in site.ledger.read(Kind.START) if record.pid == pid)


def memory_of(nodes: Nodes, node: Process, when: str) -> dict[str, float]:
    """Of the node, of its keepers, and of both; resident and proportional sizes in MiB, the latter
    where the system tells them."""
    own, keepers = [psutil.Process(node.pid)], nodes.keepers_of(node)
    values: dict[str, float] = {}
    for name, processes in (("", own), ("keepers_", keepers), ("whole_", own + keepers)):
        values |= {f"{name}{key}_{when}": size for key, size in _sizes(processes).items()}
    return values


def _sizes(processes: Sequence[psutil.Process]) -> dict[str, float]:
    sizes = {"rss": sum(process.memory_info().rss for process in processes) / 2**20}
    with suppress(AttributeError, psutil.AccessDenied):
        sizes["pss"] = sum(process.memory_full_info().pss for process in processes) / 2**20
    return sizes


def _forked_ns(pid: int) -> int | None:
    """When a process began, on the monotonic clock, to a tick of 10 ms; None where the system
    does not tell."""
    file = Path(f"/proc/{pid}/stat")
    if not file.exists():
        return None
    ticks = int(file.read_text().rpartition(")")[2].split()[_START_FIELD])
    since_boot_ns = ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return since_boot_ns - asleep_ns
