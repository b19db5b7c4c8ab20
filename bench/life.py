"""Full life: one process enqueues in bulk while one worker, idle before, runs the jobs."""

from typing import Final

from bench.drain import per_second
from bench.order import Order
from bench.records import Tally
from bench.sample import Sample
from bench.stand import Stand

JOBS: Final = 50_000


def full_life(stand: Stand) -> Sample:
    """Jobs/s from the first enqueue to the last start."""
    count = stand.size(JOBS)
    with stand.new_site() as site:
        [worker] = site.start_idle_workers(1, concurrency=500)
        site.database.checkpoint()
        site.produce(Order(way="bulk", count=count))
        site.wait_for_records(count)
        site.stop(worker)
        starts = site.ledger.starts()
    rate = per_second(starts.now_ns, since_ns=min(starts.sent_ns, default=0))
    return Sample(values={"rate": rate}, tally=Tally.of(count, starts.seqs))
