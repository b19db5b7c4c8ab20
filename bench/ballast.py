"""A drain in a store that already holds a million other jobs, against drains in empty stores.

`first` is the time from the start of the worker to its first job, `first_alone` that in an empty
store: the rate counts from that job on, and would not show what kept the worker from it.

One of those runs before and one after, so that a machine that gets slower or faster meanwhile
tells less.
"""

import statistics
from collections.abc import Callable
from typing import Any, Final

from bench.drain import JOBS, Drained, Load, drain
from bench.order import Order
from bench.processes import BenchError
from bench.sample import Sample
from bench.site import Site
from bench.stand import Stand
from bench.variant import with_options
from jobhost import JobHost

ROWS: Final = 1_000_000

ELSEWHERE: Final = "elsewhere"
"""Another queue than the one of the measured jobs."""

_FINISH_ALL: Final = """
    INSERT INTO {done}
        (job, state, reason, outcome, ended_at, epoch, node, claimed_at, duration_us,
         deliveries, failures, crashes, result, error)
    SELECT r.job, d.state, d.reason, d.outcome, d.ended_at, d.epoch, d.node, d.claimed_at,
        d.duration_us, d.deliveries, d.failures, d.crashes, d.result, d.error
    FROM {ready} r CROSS JOIN (SELECT * FROM {done} LIMIT 1) d
    ORDER BY r.job
"""
"""What workers would have written, modelled on a row that one of them did write."""


def beside_finished(stand: Stand) -> Sample:
    """Beside jobs that have succeeded."""
    return _beside(stand, finish)


def beside_other_queue(stand: Stand) -> Sample:
    """Beside jobs that wait in a queue which the worker does not serve."""
    return _beside(stand, _waiting({"queue": ELSEWHERE}))


def beside_lower_priority(stand: Stand) -> Sample:
    """Beside jobs that wait in the same queue, behind the measured ones."""
    return _beside(stand, _waiting({"priority": -1}))


def beside_unserved_task(stand: Stand) -> Sample:
    """Behind jobs that wait in the same queue, of a task that no worker knows."""
    return _beside(stand, _waiting({}, task="stranger"))


def beside_paused_queue(stand: Stand) -> Sample:
    """Beside jobs that wait in a paused queue which the worker serves, and asks first."""

    def fill(site: Site, count: int) -> None:
        with JobHost(site.database.url) as host:
            host.queue(ELSEWHERE).pause()
        _waiting({"queue": ELSEWHERE})(site, count)

    return _beside(with_options(stand, "--queues", f"{ELSEWHERE}:100,default"), fill)


def _beside(stand: Stand, fill: Callable[[Site, int], None]) -> Sample:
    load = Load(jobs=stand.size(JOBS))
    before = _alone(stand, load)
    with stand.new_site() as site:
        fill(site, stand.size(ROWS))
        site.database.tidy()
        beside = drain(site, load)
    after = _alone(stand, load)
    alone = statistics.mean((before.rate, after.rate))
    return Sample(
        values={
            "rate": beside.rate,
            "percent": 100 * beside.rate / alone,
            "first": beside.first_seconds,
            "first_alone": statistics.mean((before.first_seconds, after.first_seconds)),
        },
        tally=before.tally + beside.tally + after.tally,
    )


def _alone(stand: Stand, load: Load) -> Drained:
    with stand.new_site() as site:
        return drain(site, load)


def _waiting(options: dict[str, Any], task: str = "rest") -> Callable[[Site, int], None]:
    def fill(site: Site, count: int) -> None:
        site.produce(Order(way="bulk", task=task, count=count, options=options))
        _require(site, (count, 0))

    return fill


def finish(site: Site, count: int) -> None:
    """So many finished jobs: enqueue them really, let a worker run the first one, and finish the
    others at one stroke."""
    site.produce(Order(way="bulk", task="rest", count=1))
    [worker] = site.start_workers()
    site.wait_until(lambda: _held(site) == (0, 1), "the first job is done")
    site.stop(worker)
    site.produce(Order(way="bulk", task="rest", count=count - 1))
    tables = {name: site.database.table(name) for name in ("done", "ready")}
    site.database.change([_FINISH_ALL.format(**tables), f"DELETE FROM {tables['ready']}"])
    _require(site, (0, count))


def _held(site: Site) -> tuple[int, int]:
    """Jobs ready and done."""
    ready, done = site.database.table("ready"), site.database.table("done")
    [counts] = site.database.query(
        f"SELECT (SELECT count(*) FROM {ready}), (SELECT count(*) FROM {done})"
    )
    return counts[0], counts[1]


def _require(site: Site, wanted: tuple[int, int]) -> None:
    """Ready and done, or the figure would tell of something else."""
    if (found := _held(site)) != wanted:
        raise BenchError(f"the store should hold {wanted} ready and done jobs; it holds {found}")
