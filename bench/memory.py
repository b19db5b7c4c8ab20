"""Memory of a worker process, in MiB of RAM."""

import time
from typing import Final

from bench.drain import JOBS
from bench.producer import Order
from bench.records import Kind, Tally
from bench.sample import Sample, Size
from bench.site import new_site

SETTLE_SECONDS: Final = 1.0


def worker_memory(size: Size) -> Sample:
    """Of one worker that has never run a job, and of another that has just drained a backlog."""
    count = size(JOBS)
    with new_site() as site:
        [worker] = site.start_idle_workers(1, concurrency=500)
        time.sleep(SETTLE_SECONDS)
        idle = worker.resident_mib
        worker.stop()
        site.produce(Order(way="bulk", task="note", count=count))
        worker = site.start_worker()
        site.wait_for_records(count)
        time.sleep(SETTLE_SECONDS)
        after = worker.resident_mib
        worker.stop()
        tally = Tally.of(count, [start.seq for start in site.ledger.read(Kind.START)])
    return Sample(values={"idle": idle, "after": after}, tally=tally)
