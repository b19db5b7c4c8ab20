"""Full life: one process enqueues in bulk while one worker, idle before, runs the jobs."""

from typing import Final

from bench.drain import per_second
from bench.producer import Order
from bench.records import Kind, Tally
from bench.sample import Sample, Size
from bench.site import new_site

JOBS: Final = 50_000


def full_life(size: Size) -> Sample:
    """Jobs/s from the first enqueue to the last start."""
    count = size(JOBS)
    with new_site() as site:
        [worker] = site.start_idle_workers(1, concurrency=500)
        site.produce(Order(way="bulk", task="note", count=count))
        site.wait_for_records(count)
        worker.stop()
        starts = site.ledger.read(Kind.START)
    first_ns = min((start.sent_ns for start in starts), default=0)
    rate = per_second([start.now_ns for start in starts], since_ns=first_ns)
    return Sample(values={"rate": rate}, tally=Tally.of(count, [start.seq for start in starts]))
