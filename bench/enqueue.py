"""Enqueueing from one process with no worker around: jobs/s, durable as said."""

from typing import Final, Literal

from bench.order import Order
from bench.records import Tally
from bench.sample import Sample
from bench.stand import Stand

FULL_JOBS: Final = 5_000
NORMAL_JOBS: Final = 20_000
BULK_JOBS: Final = 100_000


def enqueue_one_by_one(stand: Stand) -> Sample:
    """Every job is on the disk before the next."""
    return _enqueue(stand, "one_by_one", stand.size(FULL_JOBS))


def enqueue_one_by_one_normal(stand: Stand) -> Sample:
    """Every job survives a crash of the process, not surely a power cut."""
    return _enqueue(stand, "one_by_one", stand.size(NORMAL_JOBS), synchronous="normal")


def enqueue_in_bulk(stand: Stand) -> Sample:
    """Every batch is on the disk before the next."""
    return _enqueue(stand, "bulk", stand.size(BULK_JOBS))


def _enqueue(
    stand: Stand, way: Literal["one_by_one", "bulk"], count: int, *, synchronous: str = "full"
) -> Sample:
    """Nothing runs here: lost is what the store does not hold."""
    with stand.new_site(synchronous=synchronous) as site:
        site.database.checkpoint()
        before = site.database.usage().wal_bytes
        seconds = site.produce(Order(way=way, count=count))
        after = site.database.usage().wal_bytes
        tally = Tally.of(count, site.waiting())
    values = {"rate": count / seconds}
    if before is not None and after is not None:
        values["wal"] = (after - before) / count
    return Sample(values=values, tally=tally)
