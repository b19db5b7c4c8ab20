"""kill -9 of one of two workers while jobs run on it."""

import signal
import time
from collections import Counter
from typing import Final

from bench.order import Order
from bench.processes import BenchError, Process
from bench.records import Kind, Tally
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand

KILLS: Final = 10
JOBS: Final = 1_000
JOBS_MIN: Final = 400
"""Fewer would be over before both workers have some."""

SLOTS: Final = 10
_FREEZES_MAX: Final = 200


def kill_one_of_two(stand: Stand) -> Sample:
    """From the kill to the next start of a job that ran on the dead worker, and what ran again.

    `extra` are further starts of jobs that the dead worker had started; they are the price of
    at-least-once, so only further starts of other jobs count as duplicates.
    """
    count = max(stand.size(JOBS), JOBS_MIN)
    with stand.new_site() as site:
        victim, survivor = site.start_idle_workers(2, concurrency=SLOTS)
        site.database.checkpoint()
        site.produce(Order(way="bulk", task="work", count=count))
        site.wait_for_records(count // 4)
        running = _freeze_with_running_jobs(site, victim)
        killed_ns = time.monotonic_ns()
        victim.kill()
        site.wait_until(lambda: len(_seqs(site, Kind.END)) == count, "all jobs have ended")
        site.stop(survivor)
        return _sample(site, count, (victim.pid, running, killed_ns))


def _freeze_with_running_jobs(site: Site, victim: Process) -> set[int]:
    """Stop the process in a moment in which it has started jobs that have not ended."""
    for _ in range(_FREEZES_MAX):
        victim.send(signal.SIGSTOP)
        started, ended = (
            {record.seq for record in site.ledger.read(kind) if record.pid == victim.pid}
            for kind in (Kind.START, Kind.END)
        )
        if started - ended:
            return started - ended
        victim.send(signal.SIGCONT)
        time.sleep(0.005)
    raise BenchError("no job was ever seen running on the worker to kill")


def _seqs(site: Site, kind: Kind) -> Counter[int]:
    return Counter(record.seq for record in site.ledger.read(kind))


def _sample(site: Site, count: int, death: tuple[int, set[int], int]) -> Sample:
    pid, running, killed_ns = death
    starts = site.ledger.read(Kind.START)
    by_dead = {start.seq for start in starts if start.pid == pid}
    again = [start for start in starts if start.pid != pid and start.seq in by_dead]
    next_ns = min((start.now_ns for start in again if start.seq in running), default=None)
    if next_ns is None:
        raise BenchError("no job of the killed worker was started again")
    return Sample(
        values={
            "seconds": (next_ns - killed_ns) / 1e9,
            "extra": len(again),
            "twice": sum(times > 1 for times in _seqs(site, Kind.END).values()),
        },
        tally=Tally(
            count,
            count - len({start.seq for start in starts}),
            len(starts) - len({start.seq for start in starts}) - len(again),
        ),
    )
