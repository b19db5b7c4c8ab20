"""What it costs to run a job in a process that can be killed, against a thread of the worker."""

from typing import Final

from bench.drain import Drained, Load, drain
from bench.sample import Sample
from bench.stand import Stand
from bench.variant import with_options

JOBS: Final = 10_000
SLOTS: Final = 2
"""Jobs at a time; one process for each."""


def processes_against_threads(stand: Stand) -> Sample:
    """Drains of the same trivial task, with as many slots.

    `apart_ms` and `threads_ms` are the time of a slot for each job. A process is replaced when it
    has run the usual number of jobs, and that is in it.
    """
    apart = _drained(with_options(stand, "--job-processes", str(SLOTS)), "note_apart")
    threads = _drained(stand, "note_plain")
    values = {
        "rate": apart.rate,
        "apart_ms": 1000 * SLOTS / apart.rate,
        "threads_rate": threads.rate,
        "threads_ms": 1000 * SLOTS / threads.rate,
    }
    for key, drained in (("workers_us", apart), ("threads_us", threads)):
        if (cost := drained.costs.get("workers_us")) is not None:
            values[key] = cost
    return Sample(values=values, tally=apart.tally + threads.tally)


def _drained(stand: Stand, task: str) -> Drained:
    with stand.new_site() as site:
        return drain(site, Load(jobs=stand.size(JOBS), task=task, concurrency=SLOTS))
