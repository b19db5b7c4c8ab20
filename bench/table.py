"""The table of figures: what is measured, and how fast jobhost wants to be.

The goals are for the default durability on two cores shared by producers and workers.
"""

from dataclasses import dataclass
from typing import Final

from bench import ballast, drain, enqueue, kill, latency, life, memory
from bench.sample import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result: a value of the figure, with its goal in words."""

    key: str
    title: str
    goal: str = "-"
    digits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement and the rows that it fills.

    Args:
        name: As on the command line.
        measure: One run of it.
        rows: Its lines.
        runs: Its own number of runs; default: what the command line says.
    """

    name: str
    measure: Measure
    rows: tuple[Row, ...]
    runs: int | None = None


def _rate(title: str, goal: str = "-") -> Row:
    return Row(key="rate", title=f"{title}, jobs/s", goal=goal)


def _beside(others: str, measure: Measure, title: str) -> Figure:
    return Figure(
        name=f"beside-{others}",
        measure=measure,
        rows=(
            _rate(f"drain, 1 worker, {title}"),
            Row(key="percent", title="  against an empty store, %", goal=">= 80"),
        ),
    )


FIGURES: Final = (
    Figure(
        name="drain-1",
        measure=drain.drain_by_one_worker,
        rows=(_rate("drain, 1 worker", ">= 70,000"),),
    ),
    Figure(
        name="drain-2",
        measure=drain.drain_by_two_workers,
        rows=(_rate("drain, 2 workers", ">= 60,000"),),
    ),
    Figure(
        name="drain-threads",
        measure=drain.drain_by_threads,
        rows=(_rate("drain, 1 worker, plain functions in 20 threads"),),
    ),
    Figure(
        name="enqueue",
        measure=enqueue.enqueue_one_by_one,
        rows=(_rate("enqueue one at a time, FULL", ">= 4,000"),),
    ),
    Figure(
        name="enqueue-normal",
        measure=enqueue.enqueue_one_by_one_normal,
        rows=(_rate("enqueue one at a time, NORMAL", ">= 20,000"),),
    ),
    Figure(
        name="enqueue-bulk",
        measure=enqueue.enqueue_in_bulk,
        rows=(_rate("enqueue in bulk", ">= 150,000"),),
    ),
    Figure(
        name="life",
        measure=life.full_life,
        rows=(_rate("full life, 1 producer and 1 worker", ">= 40,000"),),
    ),
    Figure(
        name="latency",
        measure=latency.enqueue_to_start,
        rows=(
            Row(key="p50", title="enqueue to start, idle worker, p50, ms", goal="<= 1", digits=2),
            Row(key="p99", title="enqueue to start, idle worker, p99, ms", goal="<= 3", digits=2),
        ),
    ),
    Figure(
        name="memory",
        measure=memory.worker_memory,
        rows=(
            Row(key="idle", title="memory of a worker, idle, MiB", goal="<= 40", digits=1),
            Row(
                key="after", title="memory of a worker, after a drain, MiB", goal="<= 40", digits=1
            ),
        ),
    ),
    _beside("finished", ballast.beside_finished, "1,000,000 finished"),
    _beside("other-queue", ballast.beside_other_queue, "1,000,000 waiting in another queue"),
    _beside("lower-priority", ballast.beside_lower_priority, "1,000,000 waiting at lower priority"),
    Figure(
        name="kill",
        measure=kill.kill_one_of_two,
        rows=(
            Row(key="seconds", title="kill -9 to the next start, s", goal="<= 0.25", digits=3),
            Row(key="extra", title="kill -9, extra runs with 10 slots", goal="<= 10"),
            Row(key="twice", title="kill -9, jobs finished twice", goal="0"),
        ),
        runs=kill.KILLS,
    ),
)
