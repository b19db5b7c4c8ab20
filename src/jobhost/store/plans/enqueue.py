"""A job is accepted: its row is written once, and it enters ready or scheduled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from jobhost.clock import Instant
from jobhost.jobs.expiry import Expiry
from jobhost.jobs.keys import Keyed
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
    store's present time. `expiry` is until when they may start; their envelopes say the same. One
    that is `keyed` is for `store.plans.keys.accept`. At most one portion of jobs, see
    `store.plans.portions`.
    """

    task: str
    queue: str
    priority: int
    jobs: Sequence[NewJob]
    parent: bytes | None = None
    run_at: Instant | None = None
    delay_us: int | None = None
    keyed: Keyed | None = None
    expiry: Expiry | None = None


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
    if batch.expiry is not None:
        yield Statement("set_expiry", {**span, **expiry_params(batch.expiry)})
    return inserted.changed


def expiry_params(expiry: Expiry) -> dict[str, int | bool]:
    """An expiry as the parameters of `set_expiry`; what is not given lies beyond all instants."""
    return {
        "at": _NEVER if expiry.at is None else expiry.at,
        "since": expiry.since or 0,
        "after_us": _NEVER if expiry.after_us is None else expiry.after_us,
        "dropped": expiry.dropped,
    }


_NEVER: Final = 2**61
"""Far behind the year 9999, and twice of it still fits into 64 bits."""
