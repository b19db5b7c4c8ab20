"""The one table of every default that a user meets, with its reason; `generate.py` writes the page.

The values are read from the code when the page is written, so that it cannot say another one.
"""

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from datetime import timedelta
from typing import Any, Final, NamedTuple

from jobhost import zones
from jobhost.cli.worker import worker
from jobhost.durations import format_seconds
from jobhost.host import accepting, capacity, command, items
from jobhost.hosting import poison, slots, standstill
from jobhost.jobs import key_options, keys, options, outcomes, payload, retries
from jobhost.jobs.options import Resolved
from jobhost.jobs.retention import Retention
from jobhost.jobs.retries import Retry
from jobhost.settings import Settings
from jobhost.worker import job_logs, objectives, reporter
from jobhost.worker.config import WorkerConfig


class Default(NamedTuple):
    """One row. `name` is what a user writes; `value` what holds without that."""

    name: str
    value: Any
    reason: str


def _address() -> str:
    make: Any = next(item for item in fields(Settings) if item.name == "url").default_factory
    return str(make())


def _option(name: str) -> Any:
    return getattr(Resolved(), name)


def _retry(name: str) -> Any:
    return getattr(Retry(), name)


def _worker(name: str) -> Any:
    field = next(item for item in fields(WorkerConfig) if item.name == name)
    return "as many as processors" if field.default is MISSING else field.default


def _command_line(name: str) -> Any:
    return inspect.signature(worker).parameters[name].default


_DAY: Final = timedelta(days=1)

NEVER: Final = "never"
NO_LIMIT: Final = "no limit"

PARTS: Final[dict[str, list[Default]]] = {
    "A host": [
        Default(
            "`JobHost(url)`, `JOBHOST_URL`",
            f"`{_address()}`",
            "nothing to install and nothing to set up: a file beside the program",
        ),
        Default(
            "`payload_bytes_max`",
            payload.PAYLOAD_BYTES_MAX,
            "who claims the job holds it in memory; large data belongs into a file or object store",
        ),
        Default(
            "`Retention(succeeded=)`",
            Retention().succeeded,
            "a week is enough to ask what became of a job, and keeps the file small",
        ),
        Default("`Retention(cancelled=)`", Retention().cancelled, "as for succeeded ones"),
        Default(
            "`Retention(dead=)`",
            Retention().dead,
            "work that nobody has done: somebody must have the time to find it",
        ),
    ],
    "A job": [
        Default("`queue`", f"`{_option('queue')}`", "one lane until there is a reason for two"),
        Default("`priority`", _option("priority"), "the middle, so that some can be less urgent"),
        Default("`delay`, `run_at`", "none", "ready at once"),
        Default(
            "`timeout`",
            options.DEFAULT_TIMEOUT,
            "no job is immortal by accident; most jobs end within minutes. `None` is no limit",
        ),
        Default(
            "`expires`", NEVER, "late work is mostly better than none; who knows better says so"
        ),
        Default("`on_expiry`", "`dead`", "nothing goes without a trace unless asked for"),
        Default("`stalled_after`", NEVER, "only who calls `heartbeat()` can be missed"),
        Default("`tags`, `headers`", "none", "a plain job pays for nothing it does not use"),
        Default("length of a name", options.NAME_CHARS_MAX, "stands in index keys and on one line"),
        Default("`tags` at most", options.TAGS_MAX, "labels, not data"),
        Default(
            "`headers` at most (bytes)", options.HEADERS_BYTES_MAX, "travel with every delivery"
        ),
    ],
    "Retries": [
        Default(
            "`Retry(max_attempts=)`",
            _retry("max_attempts"),
            "with these delays a minute and a half: outlives a restart of what is called",
        ),
        Default(
            "`first_delay`", _retry("first_delay"), "what fails at once often fails again at once"
        ),
        Default("`factor`", _retry("factor"), "soon at first, and never a flood"),
        Default("`max_delay`", _retry("max_delay"), "what is mended is noticed within the hour"),
        Default(
            "`jitter`", _retry("jitter"), "jobs that failed together do not come back together"
        ),
        Default(
            "attempts at most",
            retries.MAX_ATTEMPTS_CEILING,
            "a typing error must not run for years",
        ),
        Default(
            "kills of a worker until dead",
            outcomes.MAX_CRASHES,
            "a crash may have another cause once or twice; each costs a process",
        ),
        Default(
            "deliveries without a verdict until dead",
            outcomes.MAX_LOST_DELIVERIES,
            "bounds what no other count charges",
        ),
    ],
    "Keys": [
        Default(
            "`idempotency_window`",
            timedelta(microseconds=keys.IDEMPOTENCY_WINDOW_US),
            "longer than any client repeats a request by itself",
        ),
        Default(
            "`idempotency_window` at most", key_options.WINDOW_MAX, "every key is a row until then"
        ),
        Default("`unique_until`", "`end`", 'the safe reading of "one at a time"'),
        Default("length of a key", keys.KEY_CHARS_MAX, "stands in an index"),
    ],
    "Queues": [
        Default("`capacity`", NO_LIMIT, "a bound refuses work, so somebody must want it"),
        Default("`when_full`", "`reject`", "the caller hears at once"),
        Default(
            "longest wait for a place",
            timedelta(seconds=capacity.DEFAULT_WAIT_SECONDS),
            "about as long as a person waits for an answer",
        ),
        Default("`objective`", "none", "only who promised something can break it"),
        Default("`hours`", "at any time", "most work is wanted at once"),
        Default("`zone`", zones.DEFAULT_ZONE, "the same everywhere, and no hour comes twice"),
        Default("`raise_priority_after`", NEVER, "a priority means what was said"),
        Default("look at objectives", timedelta(seconds=objectives.LOOK_SECONDS), "costs a query"),
    ],
    "Enqueue": [
        Default(
            "tries while the store is away",
            timedelta(seconds=accepting.TRY_SECONDS),
            "a server's restart is over then, and a caller who is asked by a person can wait",
        ),
    ],
    "A worker": [
        Default(
            "`queues`",
            "those that the host's tasks name",
            "a queue that nobody serves is a mistake",
        ),
        Default(
            "`concurrency`",
            _worker("concurrency"),
            "enough for jobs that wait for others, few enough threads",
        ),
        Default(
            "`lease`",
            _worker("lease"),
            "longer than a pause of a loaded machine; deaths are seen without it",
        ),
        Default(
            "`poll`",
            "1 s on SQLite; 5 min on PostgreSQL, 1 s behind a pooler",
            "only a net below the bell: a wake-up may be lost",
        ),
        Default(
            "`stopping_wait_time`",
            _worker("stopping_wait_time"),
            "what service managers wait, less what it takes to hand back",
        ),
        Default("`cancel_grace`", _worker("cancel_grace"), "time to close files and connections"),
        Default("`job_processes`", _worker("job_processes"), "more only take turns"),
        Default(
            "`max_jobs_per_process`", _worker("max_jobs_per_process"), "bounds what a leak can take"
        ),
        Default("`max_jobs`, `max_memory`", NO_LIMIT, "a fresh process costs its imports"),
        Default(
            "`stall_after`",
            _worker("stall_after"),
            "a loop that stands so long is felt by its siblings",
        ),
        Default(
            "`job_logs`",
            f"`{_worker('job_logs')}`",
            "what a program says normally; debug is for the file",
        ),
        Default(
            "kept log of an attempt (lines)",
            f"first {job_logs.FIRST_LINES}, last {job_logs.LAST_LINES}",
            "the beginning says what it was about, the end what it died of",
        ),
        Default(
            "writes of progress",
            f"one each {format_seconds(reporter.PAUSE_SECONDS)}",
            "faster is seen by nobody",
        ),
        Default(
            "`each(...)`: checkpoint",
            timedelta(seconds=items.CHECKPOINT_SECONDS),
            "what a kill repeats at most",
        ),
        Default("`output_bytes` of a command", command.OUTPUT_BYTES, "the last screens of it"),
    ],
    "A node": [
        Default(
            "`--processes`",
            "none: one worker without a node",
            "one process until there is a reason for two",
        ),
        Default(
            "`--unresponsive-after`",
            "20 s, or two thirds of a shorter lease",
            "longer than any honest pause, and before the lease is lost",
        ),
        Default(
            "`--start-limit`",
            _command_line("start_limit"),
            "imports of large programs on a cold disk",
        ),
        Default(
            "stopped in the middle of a write on SQLite",
            timedelta(seconds=standstill.HELD_UP_SECONDS),
            "until it is killed everybody else waits",
        ),
        Default("proofs until a task is set aside", poison.PROOFS, "as many as kill one job"),
        Default(
            "restarts at once",
            f"{slots.RESTARTS_MAX} in {format_seconds(slots.RESTARTS_SECONDS)}",
            "then pauses that double: a crash at every start must not burn a processor",
        ),
    ],
}


def lines() -> Iterator[str]:
    """The tables of the page."""
    for part, rows in PARTS.items():
        yield f"## {part}"
        yield ""
        yield "| what | default | why |"
        yield "|---|---|---|"
        for row in rows:
            yield f"| {row.name} | {_shown(row.value)} | {row.reason} |"
        yield ""


def _shown(value: Any) -> str:
    if isinstance(value, timedelta) and value >= _DAY and not value % _DAY:
        return f"{value // _DAY}d"
    if isinstance(value, timedelta):
        return format_seconds(value.total_seconds())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
