"""What features cost: the comparisons of jobs that use one with plain jobs.

What a feature costs those who do not use it is told by the cases in which others do.
"""

from collections.abc import Callable
from typing import Any, Final

from bench.ballast import ELSEWHERE, finish
from bench.comparison import Comparison, Producing, Rate, Running
from bench.drain import JOBS
from bench.order import Order
from bench.processes import BenchError
from bench.site import Site
from bench.tasks import REPORTS
from jobhost import JobHost

ONE_BY_ONE_JOBS: Final = 5_000
WORDY_JOBS: Final = 20_000
"""Where each of them has something to write."""

DURABLE_JOBS: Final = 3_000
"""Where each of them waits for a transaction."""

PROCESS_JOBS: Final = 2_000
PROGRAM_JOBS: Final = 150
SLOTS_APART: Final = 2
"""Processes and programs at a time: one for each of two cores."""

SLOTS_OF_CONNECTIONS: Final = 20
"""Where each job that runs has a connection of its own: a server takes 100 by default."""

CAPACITY: Final = 4 * JOBS
"""Never reached. Producers count when they have used up a tenth of the room."""

_OLD_US: Final = 8 * 86_400 * 1_000_000
"""Finished so long ago, jobs are to be deleted: a day later than by default."""


def _wait_elsewhere(task: str = "rest", **options: Any) -> Callable[[Site, int], None]:
    """Jobs that use the feature wait in another queue."""

    def prepare(site: Site, count: int) -> None:
        options_there = {"queue": ELSEWHERE, **options}
        site.produce(Order(way="bulk", task=task, count=count, options=options_there))

    return prepare


def _set(queue: str, **settings: Any) -> Callable[[Site, int], None]:
    """A queue has settings in the store."""

    def prepare(site: Site, count: int) -> None:
        with JobHost(site.database.url) as host:
            host.queue(queue).set(**settings)

    return prepare


def _pause_elsewhere(site: Site, count: int) -> None:
    """Jobs wait in a paused queue."""
    with JobHost(site.database.url) as host:
        host.queue(ELSEWHERE).pause()
    _wait_elsewhere()(site, count)


def _finish_long_ago(site: Site, count: int) -> None:
    """Jobs have ended before what is kept."""
    finish(site, count)
    done, job = site.database.table("done"), site.database.table("job")
    site.database.change(
        [
            f"UPDATE {done} SET ended_at = ended_at - {_OLD_US}",
            f"UPDATE {job} SET created_at = created_at - {_OLD_US}",
        ]
    )
    site.database.tidy()


def _see_pruned(site: Site, count: int) -> None:
    """Some of the old ones are gone."""
    done = site.database.table("done")
    newest = f"SELECT max(ended_at) FROM {done}"
    old = f"SELECT count(*) FROM {done} WHERE ended_at <= ({newest}) - {_OLD_US}"
    if site.database.query(old)[0][0] >= count:
        raise BenchError("nothing was pruned while the jobs were drained")


_ALL: Final[tuple[Rate, ...]] = ("enqueue", "drain", "cost")
_PLAIN: Final = Running(name="plain", title="plain", tells=_ALL)

COMPARISONS: Final = (
    Comparison(
        name="features-keys",
        title="keys",
        plain=_PLAIN,
        cases=(
            Running(
                name="idempotency",
                title="each with an idempotency key",
                task="note_idempotent",
                tells=_ALL,
            ),
            Running(name="unique", title="each with a unique key", task="note_unique", tells=_ALL),
            Running(
                name="held",
                title="without, beside 50,000 unique keys held elsewhere",
                prepare=_wait_elsewhere("note_unique"),
                tells=_ALL,
            ),
        ),
    ),
    Comparison(
        name="features-queues",
        title="queues",
        plain=_PLAIN,
        cases=(
            Running(
                name="expiry",
                title="each with an expiry",
                options={"expires": "1h"},
                tells=_ALL,
            ),
            Running(
                name="expiry_beside",
                title="without, beside 50,000 that expire elsewhere",
                prepare=_wait_elsewhere(expires="1h"),
                tells=_ALL,
            ),
            Running(
                name="capacity",
                title="capacity of the queue",
                prepare=_set("default", capacity=CAPACITY),
                tells=_ALL,
            ),
            Running(
                name="capacity_beside",
                title="capacity of another queue",
                prepare=_set(ELSEWHERE, capacity=CAPACITY),
                tells=_ALL,
            ),
            Running(
                name="objective",
                title="objective of the queue",
                prepare=_set("default", objective="30s"),
                tells=_ALL,
            ),
            Running(
                name="objective_beside",
                title="objective of another queue",
                prepare=_set(ELSEWHERE, objective="30s"),
                tells=_ALL,
            ),
            Running(
                name="paused_beside",
                title="beside a paused queue with 50,000",
                worker=("--queues", f"{ELSEWHERE},default"),
                prepare=_pause_elsewhere,
                tells=_ALL,
            ),
        ),
    ),
    Comparison(
        name="features-notes",
        title="what running jobs say",
        in_units=True,
        plain=Running(name="plain", title="plain"),
        cases=(
            Running(name="alive", title="stalled_after, one heartbeat each", task="note_alive"),
            Running(
                name="progress",
                title="progress told once each",
                task="note_progress",
                jobs=WORDY_JOBS,
            ),
            Running(
                name="often",
                title=f"progress told {REPORTS} times each",
                task="note_often",
                jobs=WORDY_JOBS,
            ),
            Running(
                name="log_off",
                title="one log line each, not kept",
                task="note_log",
                worker=("--job-logs", "off"),
            ),
            Running(name="log", title="one log line each", task="note_log", jobs=WORDY_JOBS),
            Running(
                name="checkpoint",
                title="one checkpoint each",
                task="note_checkpoint",
                jobs=DURABLE_JOBS,
            ),
        ),
    ),
    Comparison(
        name="features-completion",
        title="completion, 20 slots",
        plain=Running(name="plain", title="plain", slots=SLOTS_OF_CONNECTIONS),
        in_units=True,
        cases=(
            Running(
                name="completion",
                title="in a transaction of the job's own",
                task="note_completion",
                jobs=DURABLE_JOBS,
                slots=SLOTS_OF_CONNECTIONS,
            ),
        ),
    ),
    Comparison(
        name="features-enqueue-with",
        title="one at a time",
        plain=Producing(name="plain", title="plain", way="one_by_one", jobs=ONE_BY_ONE_JOBS),
        cases=(
            Producing(
                name="within",
                title="each in a transaction of the caller's own",
                way="one_by_one",
                jobs=ONE_BY_ONE_JOBS,
                within=True,
            ),
        ),
    ),
    Comparison(
        name="features-enqueue-many-with",
        title="in bulk",
        plain=Producing(name="plain", title="plain", way="bulk", jobs=JOBS),
        cases=(
            Producing(
                name="within",
                title="1,000 in a transaction of the caller's own",
                way="bulk",
                jobs=JOBS,
                within=True,
            ),
        ),
    ),
    Comparison(
        name="features-retention",
        title="retention",
        plain=Running(name="plain", title="plain"),
        cases=(
            Running(
                name="pruning",
                title="while 50,000 old jobs are being pruned",
                app="bench.prompt_tasks:host",
                prepare=_finish_long_ago,
                check=_see_pruned,
            ),
        ),
    ),
    Comparison(
        name="features-executors",
        title="executors",
        in_units=True,
        plain=Running(name="plain", title="plain"),
        cases=(
            Running(
                name="threads",
                title="plain functions in 2 threads",
                task="note_plain",
                jobs=PROCESS_JOBS,
                slots=SLOTS_APART,
            ),
            Running(
                name="processes",
                title="executor=process, 2 processes",
                task="note_apart",
                jobs=PROCESS_JOBS,
                slots=SLOTS_APART,
                worker=("--job-processes", str(SLOTS_APART)),
            ),
            Running(
                name="programs",
                title="command, 2 at a time",
                task="mark",
                jobs=PROGRAM_JOBS,
                slots=SLOTS_APART,
            ),
        ),
    ),
)

FIGURES: Final = tuple(comparison.figure() for comparison in COMPARISONS)
