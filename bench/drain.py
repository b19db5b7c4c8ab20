"""Jobs that were enqueued before the workers started: jobs/s from the first start to the last."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.processes import BenchError
from bench.producer import Order
from bench.records import Kind, Tally
from bench.sample import Sample, Size
from bench.site import Site, new_site

JOBS: Final = 50_000
PLAIN_JOBS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A backlog, and the workers that drain it."""

    jobs: int
    task: str = "note"
    workers: int = 1
    concurrency: int = 500


def drain_by_one_worker(size: Size) -> Sample:
    """One process."""
    return _drain_an_empty_store(Load(jobs=size(JOBS)))


def drain_by_two_workers(size: Size) -> Sample:
    """Two processes on one store."""
    return _drain_an_empty_store(Load(jobs=size(JOBS), workers=2))


def drain_by_threads(size: Size) -> Sample:
    """Plain functions, each in a thread of the worker."""
    load = Load(jobs=size(PLAIN_JOBS), task="note_plain", concurrency=20)
    return _drain_an_empty_store(load)


def drain(site: Site, load: Load) -> tuple[float, Tally]:
    """Enqueue the load, let workers drain it and stop them; jobs/s, and what became of the jobs.

    Counted after the workers have ended, so that no late start is missed.
    """
    site.produce(Order(way="bulk", task=load.task, count=load.jobs))
    workers = [site.start_worker(concurrency=load.concurrency) for _ in range(load.workers)]
    site.wait_for_records(load.jobs)
    for worker in workers:
        worker.stop()
    starts = site.ledger.read(Kind.START)
    instants = [start.now_ns for start in starts]
    return per_second(instants), Tally.of(load.jobs, [start.seq for start in starts])


def per_second(starts_ns: Sequence[int], since_ns: int | None = None) -> float:
    """Starts per second up to the last one, from the first one or from `since_ns`.

    Raises BenchError where too few jobs started to tell.
    """
    if len(starts_ns) < 2:
        raise BenchError(f"only {len(starts_ns)} jobs started at all")
    began = min(starts_ns) if since_ns is None else since_ns
    return len(starts_ns) / (max(starts_ns) - began) * 1e9


def _drain_an_empty_store(load: Load) -> Sample:
    with new_site() as site:
        rate, tally = drain(site, load)
    return Sample(values={"rate": rate}, tally=tally)
