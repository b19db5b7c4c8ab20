"""Enqueueing from one process with no worker around: jobs/s, durable as said."""

from typing import Final

from bench.producer import Order
from bench.records import Tally
from bench.sample import Sample, Size
from bench.site import new_site

FULL_JOBS: Final = 5_000
NORMAL_JOBS: Final = 20_000
BULK_JOBS: Final = 100_000

_NUMBERS_IN_STORE: Final = """
    SELECT json_extract(j.payload, '$.seq')
    FROM jobhost_ready r JOIN jobhost_job j ON j.number = r.job
"""


def enqueue_one_by_one(size: Size) -> Sample:
    """Every job is on the disk before the next."""
    return _enqueue("one_by_one", size(FULL_JOBS), "full")


def enqueue_one_by_one_normal(size: Size) -> Sample:
    """Every job survives a crash of the process, not surely a power cut."""
    return _enqueue("one_by_one", size(NORMAL_JOBS), "normal")


def enqueue_in_bulk(size: Size) -> Sample:
    """Every batch is on the disk before the next."""
    return _enqueue("bulk", size(BULK_JOBS), "full")


def _enqueue(way: str, count: int, synchronous: str) -> Sample:
    """Nothing runs here: lost is what the store does not hold."""
    with new_site(synchronous=synchronous) as site:
        seconds = site.produce(Order(way=way, task="note", count=count))
        tally = Tally.of(count, [seq for (seq,) in site.query(_NUMBERS_IN_STORE)])
    return Sample(values={"rate": count / seconds}, tally=tally)
