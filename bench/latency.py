"""From just before `enqueue` to the start of the task, on a worker with nothing else to do."""

import statistics
import time
from typing import Final

from bench.processes import BenchError
from bench.producer import Order
from bench.records import Kind, Tally
from bench.sample import Sample, Size
from bench.site import new_site

JOBS: Final = 300
GAP_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 1.0
"""After its start, so that what a worker does once does not count."""


def enqueue_to_start(size: Size) -> Sample:
    """Single enqueues, far enough apart that each finds the worker asleep."""
    count = size(JOBS)
    with new_site() as site:
        [worker] = site.start_idle_workers(1, concurrency=500)
        time.sleep(SETTLE_SECONDS)
        order = Order(way="paced", task="note", count=count, gap_seconds=GAP_SECONDS)
        site.produce(order)
        site.wait_for_records(count)
        worker.stop()
        starts = site.ledger.read(Kind.START)
    waits_ms = [(start.now_ns - start.sent_ns) / 1e6 for start in starts]
    if len(waits_ms) < 2:
        raise BenchError(f"only {len(waits_ms)} jobs started at all")
    percentiles = statistics.quantiles(waits_ms, n=100, method="inclusive")
    return Sample(
        values={"p50": percentiles[49], "p99": percentiles[98]},
        tally=Tally.of(count, [start.seq for start in starts]),
    )
