"""A job is accepted: its row is written once, and it enters ready or scheduled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobhost.clock import Instant
from jobhost.store.plan import Plan, Statement


class NewJob(NamedTuple):
    """One job to accept: the id is the producer's, payload and envelope are JSON text."""

    id: bytes
    payload: str
    envelope: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs of one task with the same options; they are accepted all or not at all.

    `run_at` or `delay_us`, if given, make them due later; a delay counts from the
    store's present time. At most one portion of jobs, see `store.plans.portions`.
    """

    task: str
    queue: str
    priority: int
    jobs: Sequence[NewJob]
    parent: bytes | None = None
    run_at: Instant | None = None
    delay_us: int | None = None


def enqueue(batch: Batch) -> Plan[int]:
    """Accept a batch, in its order. Returns how many were new: a repeated id is not."""
    count = len(batch.jobs)
    drawn = yield Statement("job_numbers", {"count": count})
    last, now = drawn.rows[0]
    after = last - count
    task, queue, priority, parent = batch.task, batch.queue, batch.priority, batch.parent
    rows = [
        (number, job.id, task, queue, priority, job.payload, job.envelope, parent, now)
        for number, job in enumerate(batch.jobs, after + 1)
    ]
    inserted = yield Statement("insert_jobs", rows=rows)
    span = {"after": after, "last": last}
    if batch.run_at is None and not batch.delay_us:
        yield Statement("make_ready", span)
    else:
        due = {"run_at": batch.run_at, "delay_us": batch.delay_us}
        yield Statement("make_scheduled", {**span, **due})
    return inserted.changed
