"""A drain in a store that already holds a million other jobs, against drains in empty stores.

One of those runs before and one after, so that a machine that gets slower or faster meanwhile
tells less.
"""

import sqlite3
import statistics
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from bench.drain import JOBS, Load, drain
from bench.processes import BenchError
from bench.producer import Order
from bench.records import Tally
from bench.sample import Sample, Size
from bench.site import Site, new_site

ROWS: Final = 1_000_000

_FINISH_ALL: Final = """
    INSERT INTO jobhost_done
        (job, state, reason, outcome, ended_at, epoch, node, claimed_at, duration_us,
         deliveries, failures, crashes, result, error)
    SELECT r.job, d.state, d.reason, d.outcome, d.ended_at, d.epoch, d.node, d.claimed_at,
        d.duration_us, d.deliveries, d.failures, d.crashes, d.result, d.error
    FROM jobhost_ready r CROSS JOIN (SELECT * FROM jobhost_done LIMIT 1) d
    ORDER BY r.job
"""
"""What workers would have written, modelled on a row that one of them did write."""

_COUNT: Final = "SELECT (SELECT count(*) FROM jobhost_ready), (SELECT count(*) FROM jobhost_done)"


def beside_finished(size: Size) -> Sample:
    """Beside jobs that have succeeded."""
    return _beside(_finished, size)


def beside_other_queue(size: Size) -> Sample:
    """Beside jobs that wait in a queue which the worker does not serve."""
    return _beside(_waiting({"queue": "elsewhere"}), size)


def beside_lower_priority(size: Size) -> Sample:
    """Beside jobs that wait in the same queue, behind the measured ones."""
    return _beside(_waiting({"priority": -1}), size)


def _beside(fill: Callable[[Site, int], None], size: Size) -> Sample:
    load = Load(jobs=size(JOBS))
    before, tally_before = _alone(load)
    with new_site() as site:
        fill(site, size(ROWS))
        beside, tally_beside = drain(site, load)
    after, tally_after = _alone(load)
    return Sample(
        values={"rate": beside, "percent": 100 * beside / statistics.mean((before, after))},
        tally=tally_before + tally_beside + tally_after,
    )


def _alone(load: Load) -> tuple[float, Tally]:
    with new_site() as site:
        return drain(site, load)


def _waiting(options: dict[str, Any]) -> Callable[[Site, int], None]:
    def fill(site: Site, count: int) -> None:
        site.produce(Order(way="bulk", task="rest", count=count, options=options))
        _require(site, (count, 0))

    return fill


def _finished(site: Site, count: int) -> None:
    """Enqueue them really, let a worker run the first one, and finish the others at one stroke."""
    site.produce(Order(way="bulk", task="rest", count=1))
    worker = site.start_worker()
    site.wait_until(lambda: site.query(_COUNT) == [(0, 1)], "the first job is done")
    worker.stop()
    site.produce(Order(way="bulk", task="rest", count=count - 1))
    with closing(sqlite3.connect(site.store, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_FINISH_ALL)
        connection.execute("DELETE FROM jobhost_ready")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _require(site, (0, count))


def _require(site: Site, wanted: tuple[int, int]) -> None:
    """Ready and done, or the figure would tell of something else."""
    if (found := site.query(_COUNT)) != [wanted]:
        raise BenchError(f"the store should hold {wanted} ready and done jobs; it holds {found}")
