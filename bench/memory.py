"""Memory of a worker process, in MiB of RAM."""

import time
from typing import Final

from bench.drain import JOBS
from bench.order import Order
from bench.records import Tally
from bench.sample import Sample
from bench.stand import Stand

SETTLE_SECONDS: Final = 1.0


def worker_memory(stand: Stand) -> Sample:
    """Of one worker that has never run a job, and of another that has just drained a backlog."""
    count = stand.size(JOBS)
    with stand.new_site() as site:
        [worker] = site.start_idle_workers(1, concurrency=500)
        time.sleep(SETTLE_SECONDS)
        idle = worker.resident_mib
        site.stop(worker)
        site.produce(Order(way="bulk", count=count))
        [worker] = site.start_workers()
        site.wait_for_records(count)
        time.sleep(SETTLE_SECONDS)
        after = worker.resident_mib
        site.stop(worker)
        tally = Tally.of(count, site.ledger.starts().seqs)
    return Sample(values={"idle": idle, "after": after}, tally=tally)
