"""Everything that only reads. Each plan is one consistent snapshot; `Looks` are several."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jobhost.clock import to_datetime
from jobhost.errors import InvalidOption, did_you_mean
from jobhost.jobs.envelope import Envelope
from jobhost.jobs.notes import ItemReport, Progress
from jobhost.jobs.outcomes import ErrorInfo
from jobhost.jobs.records import Attempt, JobRecord, Tally
from jobhost.jobs.states import State
from jobhost.store.plan import Looks, Plan, Row, Statement

PAGE_MAX: Final = 1000
"""Jobs of one listing: more is read page by page."""

LONG_GONE: Final = "long gone"
"""Stands for a worker whose row was pruned; the attempts of the job have its number."""

NEWEST: Final = 2**62
"""Above the number of every job: a listing begins there."""

_TOLD_COLUMNS: Final = 6
"""Of a job's progress, at the end of its row."""

_LIST_OF: Final = {
    None: "list_jobs",
    State.READY: "list_ready",
    State.SCHEDULED: "list_scheduled",
    State.BLOCKED: "list_blocked",
    State.RUNNING: "list_running",
    State.SUCCEEDED: "list_succeeded",
    State.DEAD: "list_unsuccessful",
    State.CANCELLED: "list_unsuccessful",
}


def check_limit(limit: object) -> None:
    """Raises InvalidOption for what is no number of jobs of one listing, 1 to PAGE_MAX."""
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise InvalidOption(f"limit must be a whole number; got {limit!r}")
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidOption(f"limit must be from 1 to {PAGE_MAX}; got {limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs to list: newest first, at most `limit` (1 to PAGE_MAX).

    `before` continues a listing: the `next` of the page before.

    Raises InvalidOption for a state that does not exist or a limit out of range.
    """

    state: State | str | None = None
    queue: str | None = None
    task: str | None = None
    limit: int = 50
    before: int | None = None

    def __post_init__(self) -> None:
        known = [state.value for state in State]
        if self.state is not None and self.state not in known:
            hint = did_you_mean(self.state, known)
            raise InvalidOption(f"{self.state!r} is no state of a job: {hint}")
        if self.before is not None and not 0 <= self.before <= NEWEST:
            raise InvalidOption(f"before must be the 'next' of an earlier page; got {self.before}")
        check_limit(self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing; `next` is None on the last one."""

    jobs: list[JobRecord]
    next: int | None


def show(job_id: bytes) -> Plan[JobRecord | None]:
    """One job; None when there is none of that id."""
    found = yield Statement("show_job", {"id": job_id})
    if found.first is None:
        return None
    record, told = found.first[:-_TOLD_COLUMNS], found.first[-_TOLD_COLUMNS:]
    return _record(record, None if told[-1] is None else progress_from(told))


def attempts(job_id: bytes) -> Plan[list[Attempt]]:
    """The ended attempts of a job, oldest first."""
    found = yield Statement("attempts_of", {"id": job_id})
    return [_attempt(row) for row in found.rows]


def list_jobs(wanted: Filter) -> Plan[Page]:
    """One page of jobs, newest first."""
    state = None if wanted.state is None else State(wanted.state)
    if state is State.SUSPENDED:
        return Page(jobs=[], next=None)
    found = yield Statement(
        _LIST_OF[state],
        {
            "state": state,
            "queue": wanted.queue,
            "task": wanted.task,
            "before": NEWEST if wanted.before is None else wanted.before,
            "limit": wanted.limit,
        },
    )
    return page_of(found.rows, wanted.limit)


def list_with_progress(wanted: Filter) -> Looks[Page]:
    """A page with the progress of the jobs that run, and without the reports of their items."""
    page: Page = yield lambda: list_jobs(wanted)
    running = [job.number for job in page.jobs if job.state is State.RUNNING]
    if not running:
        return page
    told = yield lambda: progress_of(running)
    return replace(page, jobs=[replace(job, progress=told.get(job.number)) for job in page.jobs])


def progress_of(jobs: Sequence[int]) -> Plan[dict[int, Progress]]:
    """How far these jobs have come, by their numbers; one that never told is left out."""
    found = yield Statement("progress_of", {"jobs": json.dumps(list(jobs))})
    return {number: progress_from(told) for number, *told in found.rows}


def page_of(rows: Sequence[Row], limit: int) -> Page:
    """A page from the rows of a listing of at most `limit` jobs."""
    full = len(rows) == limit
    return Page(jobs=[_record(row) for row in rows], next=rows[-1][0] if full else None)


def peek(queue: str, limit: int) -> Plan[list[JobRecord]]:
    """The ready jobs of a queue in the order in which they are claimed; 1 to PAGE_MAX of them.

    Raises InvalidOption for a limit out of range.
    """
    check_limit(limit)
    found = yield Statement("peek", {"queue": queue, "limit": limit})
    return [_record(row) for row in found.rows]


def tally() -> Plan[Tally]:
    """How many jobs are in each state. Counts rows: for people, not for the worker."""
    found = yield Statement("tally")
    counts = {State(state): count for state, count, _ in found.rows}
    due = [due_at for _, _, due_at in found.rows if due_at is not None]
    return Tally(states=counts, next_due_at=to_datetime(due[0]) if due else None)


def served_queues() -> Plan[frozenset[str]]:
    """The queues that some worker serves whose lease is live."""
    found = yield Statement("served_queues")
    return frozenset(queue for (queue,) in found.rows)


def progress_from(row: Sequence[Any]) -> Progress:
    """A progress from the columns that stand at the end of a statement's rows."""
    epoch, done, total, message, items, told = row
    return Progress(
        epoch=epoch,
        done=done,
        total=total,
        message=message,
        told_at=to_datetime(told),
        items=None if items is None else ItemReport.from_json(json.loads(items)),
    )


def _record(row: Row, progress: Progress | None = None) -> JobRecord:
    """A job that was claimed by a worker whose row was pruned says so."""
    (number, job_id, task, queue, priority, state, reason, created_at, due_at, claimed_at, ended_at,
     epoch, deliveries, failures, crashes, worker, payload, envelope, parent, result, error,
     cancel_requested) = row  # fmt: skip
    return JobRecord(
        id=UUID(bytes=job_id),
        number=number,
        task=task,
        queue=queue,
        priority=priority,
        state=State(state),
        reason=reason,
        created_at=to_datetime(created_at),
        due_at=_moment(due_at),
        claimed_at=_moment(claimed_at),
        ended_at=_moment(ended_at),
        epoch=epoch,
        deliveries=deliveries,
        failures=failures,
        crashes=crashes,
        worker=LONG_GONE if worker is None and claimed_at is not None else worker,
        payload=payload,
        envelope=_envelope(envelope),
        parent=None if parent is None else UUID(bytes=parent),
        result=result,
        error=_error(error),
        cancel_requested=bool(cancel_requested),
        progress=progress,
    )


def _envelope(text: str | None) -> Envelope:
    """A row that somebody damaged is shown all the same; the worker that claims it ends it."""
    try:
        return Envelope.from_text(text)
    except (ValueError, TypeError, AttributeError, InvalidOption):
        return Envelope(trigger_detail="unreadable")


def _attempt(row: Row) -> Attempt:
    epoch, outcome, claimed_at, ended_at, duration_us, worker, error = row
    return Attempt(
        epoch=epoch,
        outcome=outcome,
        claimed_at=_moment(claimed_at),
        ended_at=to_datetime(ended_at),
        duration_seconds=None if duration_us is None else duration_us / 1_000_000,
        worker=worker,
        error=_error(error),
    )


def _moment(instant: int | None) -> datetime | None:
    return None if instant is None else to_datetime(instant)


def _error(text: str | None) -> ErrorInfo | None:
    plain: dict[str, Any] | None = None if text is None else json.loads(text)
    return None if plain is None else ErrorInfo(**plain)
