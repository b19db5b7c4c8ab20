"""Jobs that were enqueued before the workers started: jobs/s from the first start to the last."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.cost import Reading
from bench.order import Order
from bench.processes import BenchError
from bench.records import Tally
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand

JOBS: Final = 50_000
PLAIN_JOBS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A backlog, and the workers that drain it."""

    jobs: int
    task: str = "note"
    workers: int = 1
    concurrency: int = 500
    options: dict[str, Any] | None = None
    """As for `Task.using`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of it.

    Args:
        rate: Jobs/s.
        tally: What became of the jobs.
        steadiness: Rate of the last third of the starts, in percent of that of the first.
        costs: Of a job, by the keys of the figures.
        enqueue_rate: Jobs/s of the producer, with no worker around.
        first_seconds: From the start of the workers to the first job.
    """

    rate: float
    tally: Tally
    steadiness: float
    costs: dict[str, float]
    enqueue_rate: float
    first_seconds: float


def drain_by_one_worker(stand: Stand) -> Sample:
    """One process."""
    return _drain_an_empty_store(stand, Load(jobs=stand.size(JOBS)))


def drain_by_two_workers(stand: Stand) -> Sample:
    """Two processes on one store."""
    return _drain_an_empty_store(stand, Load(jobs=stand.size(JOBS), workers=2))


def drain_by_two_workers_normal(stand: Stand) -> Sample:
    """Two processes on one store that may lose the last commits at a power cut."""
    load = Load(jobs=stand.size(JOBS), workers=2)
    return _drain_an_empty_store(stand, load, synchronous="normal")


def drain_by_threads(stand: Stand) -> Sample:
    """Plain functions, each in a thread of the worker."""
    load = Load(jobs=stand.size(PLAIN_JOBS), task="note_plain", concurrency=20)
    return _drain_an_empty_store(stand, load)


def drain(site: Site, load: Load) -> Drained:
    """Enqueue the load, let workers drain it and stop them.

    Counted after the workers have ended, so that no late start is missed. Costs are taken from
    the first sight of a start on, so that the workers' own start is not among them; but
    transactions are counted from their start to their end.
    """
    seconds = site.produce(Order(way="bulk", task=load.task, count=load.jobs, options=load.options))
    transactions = site.database.transactions()
    site.database.checkpoint()
    began_ns = time.monotonic_ns()
    workers = site.start_workers(load.workers, concurrency=load.concurrency)
    site.wait_for_records(1)
    begin = Reading.take(site, workers)
    site.wait_for_records(load.jobs)
    costs = begin.costs_until(Reading.take(site, workers))
    site.stop(*workers)
    starts = site.ledger.starts()
    after = site.database.transactions()
    if transactions is not None and after is not None:
        costs["transactions"] = 1000 * (after - transactions) / load.jobs
    return Drained(
        rate=per_second(starts.now_ns),
        tally=Tally.of(load.jobs, starts.seqs),
        steadiness=steadiness(starts.now_ns),
        costs=costs,
        enqueue_rate=load.jobs / seconds,
        first_seconds=(min(starts.now_ns) - began_ns) / 1e9,
    )


def per_second(starts_ns: Sequence[int], since_ns: int | None = None) -> float:
    """Starts per second up to the last one, from the first one or from `since_ns`.

    Raises BenchError where too few jobs started to tell.
    """
    if len(starts_ns) < 2:
        raise BenchError(f"only {len(starts_ns)} jobs started at all")
    began = min(starts_ns) if since_ns is None else since_ns
    return len(starts_ns) / (max(starts_ns) - began) * 1e9


def steadiness(starts_ns: Sequence[int]) -> float:
    """Rate of the last third of the starts, in percent of that of the first third."""
    instants = sorted(starts_ns)
    third = len(instants) // 3
    if third < 2:
        raise BenchError(f"{len(instants)} starts have no thirds")
    first, last = instants[:third], instants[-third:]
    return 100 * (first[-1] - first[0]) / max(last[-1] - last[0], 1)


def _drain_an_empty_store(stand: Stand, load: Load, *, synchronous: str = "full") -> Sample:
    with stand.new_site(synchronous=synchronous) as site:
        drained = drain(site, load)
    return Sample(values={"rate": drained.rate, **drained.costs}, tally=drained.tally)
