"""From just before `enqueue` to the start of the task, on a worker with nothing else to do."""

import statistics
import time
from typing import Final

from bench.order import Order
from bench.processes import BenchError
from bench.records import Tally
from bench.sample import Sample
from bench.stand import Stand

JOBS: Final = 300
GAP_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 1.0
"""After its first job, so that what a worker does once does not count."""


def enqueue_to_start(stand: Stand) -> Sample:
    """Single enqueues, far enough apart that each finds the worker asleep."""
    count = stand.size(JOBS)
    with stand.new_site() as site:
        worker = site.start_warm_worker()
        site.database.checkpoint()
        time.sleep(SETTLE_SECONDS)
        site.produce(Order(way="one_by_one", count=count, gap_seconds=GAP_SECONDS))
        site.wait_for_records(count)
        site.stop(worker)
        starts = site.ledger.starts()
    waits_ms = [
        (now_ns - sent_ns) / 1e6
        for sent_ns, now_ns in zip(starts.sent_ns, starts.now_ns, strict=True)
    ]
    if len(waits_ms) < 2:
        raise BenchError(f"only {len(waits_ms)} jobs started at all")
    percentiles = statistics.quantiles(waits_ms, n=100, method="inclusive")
    return Sample(
        values={"p50": percentiles[49], "p99": percentiles[98]},
        tally=Tally.of(count, starts.seqs),
    )
