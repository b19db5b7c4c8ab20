"""Work while somebody's transaction stays open, so that no dead row can be swept away."""

import statistics
import time
from typing import Final

from bench.drain import Load, drain, per_second
from bench.order import Order
from bench.processes import Process
from bench.records import Tally
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand

JOBS: Final = 1_000_000

ROUND_JOBS: Final = 50_000
ROUNDS_BEFORE: Final = 3
LONG_SECONDS: Final = 300


def drain_beside_snapshot(stand: Stand) -> Sample:
    """A long drain from before the first enqueue, against the same without a snapshot."""
    load = Load(jobs=stand.size(JOBS), workers=2)
    with stand.new_site() as site:
        without = drain(site, load)
    with stand.new_site() as site, site.database.hold_snapshot():
        beside = drain(site, load)
    return Sample(
        values={
            "without": without.rate,
            "rate": beside.rate,
            "percent": 100 * beside.rate / without.rate,
            "steadiness_without": without.steadiness,
            "steadiness": beside.steadiness,
        },
        tally=without.tally + beside.tally,
    )


def life_beside_long_snapshot(stand: Stand) -> Sample:
    """Full lives, round after round with one worker, for five minutes of one snapshot, against
    some rounds before it."""
    with stand.new_site() as site:
        [worker] = site.start_idle_workers(1, concurrency=500)
        rounds = Rounds(site, stand.size(ROUND_JOBS))
        before = [rounds.run() for _ in range(ROUNDS_BEFORE)]
        rates: list[float] = []
        with site.database.hold_snapshot():
            end = time.monotonic() + stand.size(LONG_SECONDS)
            while time.monotonic() < end or len(rates) < ROUNDS_BEFORE:
                rates.append(rounds.run())
        rounds.finish(worker)
    third = len(rates) // 3
    beside = statistics.median(rates)
    return Sample(
        values={
            "rate": beside,
            "percent": 100 * beside / statistics.median(before),
            "steadiness": 100 * statistics.mean(rates[-third:]) / statistics.mean(rates[:third]),
        },
        tally=rounds.tally,
    )


class Rounds:
    """Full lives on one site, each counted by itself: all together would be millions.

    Args:
        site: With a worker.
        jobs: Of each round.
    """

    def __init__(self, site: Site, jobs: int) -> None:
        self._site = site
        self._jobs = jobs
        self._first = 0
        self.tally = Tally()

    def run(self) -> float:
        """One round; jobs/s from its first enqueue to its last start."""
        site, jobs, first = self._site, self._jobs, self._first
        site.produce(Order(way="bulk", count=jobs, first=first))
        site.wait_for_records(jobs)
        starts = site.ledger.starts()
        site.ledger.clear()
        self.tally += Tally.of(jobs, starts.seqs, first=first)
        self._first += jobs
        return per_second(starts.now_ns, since_ns=min(starts.sent_ns, default=0))

    def finish(self, worker: Process) -> None:
        """Stop the worker; what it started after its round was over ran once too often."""
        self._site.stop(worker)
        self.tally += Tally.of(0, self._site.ledger.starts().seqs)
