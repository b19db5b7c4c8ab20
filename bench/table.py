"""The table of figures: what is measured, and how fast jobhost wants to be.

The goals are for the default durability on two cores shared by producers, workers and server.
"""

from collections.abc import Mapping
from typing import Final

from bench import (
    ballast,
    deaths,
    drain,
    enqueue,
    executors,
    features,
    idle,
    kill,
    latency,
    life,
    memory,
    node_cost,
    snapshot,
)
from bench.database import StoreName
from bench.figure import NO_GOAL, Figure, Row
from bench.stand import Measure


def _goals(sqlite: str = NO_GOAL, postgres: str = NO_GOAL) -> Mapping[StoreName, str]:
    return {"sqlite": sqlite, "postgres": postgres}


def _rate(title: str, goals: Mapping[StoreName, str] | None = None) -> Row:
    return Row(key="rate", title=f"{title}, jobs/s", goals=goals or {})


def _row(key: str, title: str, goals: Mapping[StoreName, str], digits: int = 0) -> Row:
    return Row(key=key, title=title, goals=goals, digits=digits)


def _on_postgres(key: str, title: str, digits: int = 0) -> Row:
    return Row(key=key, title=title, digits=digits, stores=("postgres",))


def _percent(title: str, sqlite: str = NO_GOAL, postgres: str = NO_GOAL) -> Row:
    return Row(key="percent", title=f"  against {title}, %", goals=_goals(sqlite, postgres))


def _beside(others: str, measure: Measure, title: str) -> Figure:
    return Figure(
        name=f"beside-{others}",
        measure=measure,
        rows=(
            _rate(f"drain, 1 worker, {title}"),
            _percent("an empty store", ">= 80", ">= 80"),
            _row("first", "  start of the worker to the first job, s", {}, digits=2),
            _row("first_alone", "  the same in an empty store, s", {}, digits=2),
        ),
    )


def _recovery(
    name: str, measure: Measure, title: str, *, goal: str = NO_GOAL, slots: int
) -> Figure:
    """A figure of `deaths`: its run is a whole series of kills or stops."""
    return Figure(
        name=name,
        measure=measure,
        rows=(
            _row("median", f"{title}, median, s", _goals(goal, goal), digits=3),
            _row("p99", "  99th percentile, s", {}, digits=3),
            _row("max", "  longest, s", {}, digits=3),
            _row("extra", "  extra runs, most of one", _goals(f"<= {slots}", f"<= {slots}")),
            _row("twice", "  jobs that ran again after their end", _goals("0", "0")),
        ),
        runs=1,
        long=True,
    )


def _node_memory(key: str, when: str) -> tuple[Row, ...]:
    """Of a node with one worker, which is not in it."""
    return (
        _row(f"rss_{key}", f"memory of a node, {when}, resident, MiB", {}, digits=1),
        _row(f"pss_{key}", "  proportional", {}, digits=1),
        _row(f"keepers_rss_{key}", "  keeper of its worker, resident", {}, digits=1),
        _row(f"keepers_pss_{key}", "  keeper of its worker, proportional", {}, digits=1),
        _row(f"whole_pss_{key}", "  node and keeper together, proportional", {}, digits=1),
    )


_RECOVERY: Final = (
    _recovery(
        "recovery-worker",
        deaths.kill_workers,
        f"kill -9 of a worker under a node to the next start, {deaths.WORKER_KILLS} times",
        goal="<= 0.25",
        slots=deaths.JOBS,
    ),
    _recovery(
        "recovery-backlog",
        deaths.kill_workers_before_backlog,
        f"kill -9 of a worker under a node before 1,000,000 waiting, {deaths.WORKER_KILLS} times",
        goal="<= 0.25",
        slots=deaths.BUSY_SLOTS,
    ),
    _recovery(
        "recovery-node",
        deaths.kill_nodes,
        f"kill -9 of a node to the next start on another, {deaths.NODE_KILLS} times",
        slots=deaths.JOBS,
    ),
    _recovery(
        "recovery-lease",
        deaths.freeze_nodes,
        f"SIGSTOP of a node, lease of 3 s, to the next start, {deaths.FREEZES} times",
        slots=deaths.JOBS,
    ),
    Figure(
        name="recovery-cost",
        measure=node_cost.node_memory_and_starts,
        rows=(
            _row("start", "worker under a node, fork to first job, median, ms", {}),
            *_node_memory("idle", "idle"),
            *_node_memory("after", f"after {node_cost.RESTARTS} restarts"),
        ),
        runs=1,
        long=True,
    ),
    Figure(
        name="recovery-executor",
        measure=executors.processes_against_threads,
        rows=(
            _rate("drain, 1 worker, executor=process, 2 children"),
            _row("apart_ms", "  time of a slot, ms/job", {}, digits=3),
            _row("workers_us", "  processor time, children too, µs/job", {}, digits=1),
            _row("threads_rate", "  the same in 2 threads, jobs/s", {}),
            _row("threads_ms", "  time of a slot, ms/job", {}, digits=3),
            _row("threads_us", "  processor time, µs/job", {}, digits=1),
        ),
        runs=3,
        long=True,
    ),
)

_WAL: Final = _on_postgres("wal", "  WAL, bytes/job")

_COSTS: Final = (
    Row(key="workers_us", title="  processor time of the workers, µs/job", digits=1),
    _on_postgres("server_us", "  processor time of the server, µs/job", digits=1),
    _on_postgres("transactions", "  transactions per 1,000 jobs", digits=1),
    _WAL,
)

_MEMORY_GOALS: Final = _goals("<= 40", "<= 45")

_STEADINESS: Final = _row(
    "steadiness", "  last third against the first, %", _goals(postgres="not falling")
)

FIGURES: Final = (
    Figure(
        name="drain-1",
        measure=drain.drain_by_one_worker,
        rows=(_rate("drain, 1 worker", _goals(">= 70,000", ">= 35,000")), *_COSTS),
    ),
    Figure(
        name="drain-2",
        measure=drain.drain_by_two_workers,
        rows=(_rate("drain, 2 workers", _goals(">= 60,000", ">= 50,000")), *_COSTS),
        peers=True,
    ),
    Figure(
        name="drain-2-normal",
        measure=drain.drain_by_two_workers_normal,
        rows=(_rate("drain, 2 workers, NORMAL"),),
        stores=("sqlite",),
        peers=True,
    ),
    Figure(
        name="drain-threads",
        measure=drain.drain_by_threads,
        rows=(_rate("drain, 1 worker, plain functions in 20 threads"),),
    ),
    Figure(
        name="enqueue",
        measure=enqueue.enqueue_one_by_one,
        rows=(
            _rate("enqueue one at a time, full durability", _goals(">= 4,000", ">= 3,000")),
            _WAL,
        ),
        peers=True,
    ),
    Figure(
        name="enqueue-normal",
        measure=enqueue.enqueue_one_by_one_normal,
        rows=(_rate("enqueue one at a time, NORMAL", _goals(">= 20,000")),),
        stores=("sqlite",),
        peers=True,
    ),
    Figure(
        name="enqueue-bulk",
        measure=enqueue.enqueue_in_bulk,
        rows=(
            _rate("enqueue in bulk", _goals(">= 150,000", ">= 120,000")),
            _WAL,
        ),
        peers=True,
        many=True,
    ),
    Figure(
        name="life",
        measure=life.full_life,
        rows=(_rate("full life, 1 producer and 1 worker", _goals(">= 40,000", ">= 25,000")),),
    ),
    Figure(
        name="latency",
        measure=latency.enqueue_to_start,
        rows=(
            _row(
                "p50", "enqueue to start, idle worker, p50, ms", _goals("<= 1", "<= 1.5"), digits=2
            ),
            _row("p99", "enqueue to start, idle worker, p99, ms", _goals("<= 3", "<= 4"), digits=2),
        ),
        peers=True,
    ),
    Figure(
        name="memory",
        measure=memory.worker_memory,
        rows=(
            _row("idle", "memory of a worker, idle, MiB", _MEMORY_GOALS, digits=1),
            _row("after", "memory of a worker, after a drain, MiB", _MEMORY_GOALS, digits=1),
        ),
    ),
    Figure(
        name="idle",
        measure=idle.statements_of_an_idle_worker,
        rows=(
            _row(
                "statements",
                "statements of an idle worker per minute",
                _goals(postgres="<= 10"),
                digits=1,
            ),
        ),
        stores=("postgres",),
    ),
    _beside("finished", ballast.beside_finished, "1,000,000 finished"),
    _beside("other-queue", ballast.beside_other_queue, "1,000,000 waiting in another queue"),
    _beside(
        "unserved-task", ballast.beside_unserved_task, "1,000,000 of an unserved task in front"
    ),
    _beside("paused-queue", ballast.beside_paused_queue, "1,000,000 in a paused queue of its own"),
    _beside("lower-priority", ballast.beside_lower_priority, "1,000,000 waiting at lower priority"),
    Figure(
        name="snapshot",
        measure=snapshot.drain_beside_snapshot,
        rows=(
            _rate("drain of 1,000,000, 2 workers, beside an open snapshot"),
            Row(key="without", title="  without it, jobs/s"),
            _percent("without", postgres=">= 50"),
            _STEADINESS,
            Row(key="steadiness_without", title="  last third against the first without it, %"),
        ),
        stores=("postgres",),
    ),
    Figure(
        name="snapshot-long",
        measure=snapshot.life_beside_long_snapshot,
        rows=(
            _rate("full life, beside a snapshot open for 5 minutes"),
            _percent("before it", postgres=">= 50"),
            _STEADINESS,
        ),
        stores=("postgres",),
        runs=1,
        long=True,
    ),
    Figure(
        name="kill",
        measure=kill.kill_one_of_two,
        rows=(
            _row("seconds", "kill -9 to the next start, s", _goals("<= 0.25", "<= 0.25"), digits=3),
            _row("extra", "kill -9, extra runs with 10 slots", _goals("<= 10", "<= 10")),
            _row("twice", "kill -9, jobs finished twice", _goals("0", "0")),
        ),
        runs=kill.KILLS,
    ),
    *_RECOVERY,
    *features.FIGURES,
)

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "features": tuple(figure.name for figure in features.FIGURES),
    "unserved": ("beside-other-queue", "beside-unserved-task", "beside-paused-queue"),
    "recovery": tuple(figure.name for figure in _RECOVERY),
}
"""Figures that the command line takes by one name."""
