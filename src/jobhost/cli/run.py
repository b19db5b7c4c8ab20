"""`jobhost run`: one job, once, in this process; for cron, timers and people."""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from jobhost.app import url_option
from jobhost.cli import logs
from jobhost.cli.enqueue import (
    TRIGGER,
    Arguments,
    TaskName,
    find_task,
    put_result,
    read_arguments,
)
from jobhost.cli.exits import CommandError, Exit, leave_threads_behind
from jobhost.cli.hosts import HostUrl, Place, load_host, prints_on_stderr, where_to_look
from jobhost.cli.waiting import shut_advice, shut_queues
from jobhost.errors import UniqueKeyTaken
from jobhost.jobs.states import State

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.host.task import CallOptions
    from jobhost.jobs.records import Delivery, JobRecord
    from jobhost.store.plan import Plan
    from jobhost.store.plans.enqueue import Batch
    from jobhost.store.seam import Store
    from jobhost.worker.worker import WorkerReport


def run(
    place: Place,
    task: TaskName,
    args: Arguments = "[]",
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="Use the task's retry policy: further attempts are left to the workers.",
        ),
    ] = False,
    url: HostUrl = None,
    log_level: logs.Level = logs.LogLevel.WARNING,
    log_json: logs.AsJson = False,
) -> None:
    """Run one job here and now; exit with what became of it, and print its result as JSON.

    The job is recorded like any other, and belongs to this process from the first
    moment: no worker is needed, and none can take it while this process lives.
    Its first failure is final, unless --retry is given.

    What is left over goes to the workers: a job that snoozed, one handed back
    after a signal, and one cut short when this process was killed.

    Fit for cron: it needs no terminal and reads nothing; what the task prints
    goes to stderr.

    Examples:

      jobhost run shop.jobs:host report
      jobhost run shop.jobs:host thumbnail --args '["cat.jpg"]'
      0 3 * * * cd /srv/shop && jobhost run shop.jobs:host clean_up
    """
    from jobhost.jobs.retries import Retry

    logs.configure(log_level, json_lines=log_json)
    positional, named = read_arguments(args)
    host = load_host(place, url)
    options: CallOptions = {"delay": timedelta(0)}
    if not retry:
        options["retry"] = Retry(max_attempts=1)
    bound = find_task(host, task).using(**options).triggered_by(TRIGGER)
    job, batch = bound.prepare(*positional, **named)
    _leave_the_end_to_us(job.id)
    with prints_on_stderr():
        report = host.worker(burst=True, concurrency=1).run(
            signals=True, first=lambda node: accept_and_claim(host.store, batch, node)
        )
    _tell_end(host, job.id, report)


def accept_and_claim(store: "Store", batch: "Batch", node: int) -> "Plan[Delivery | None]":
    """Accept the batch's one job and claim it in the same transaction: nobody else ever sees
    it waiting, and a crash before the commit leaves nothing behind."""
    from jobhost.store.plans.cycle import claim_one
    from jobhost.store.plans.hours import keep_hours
    from jobhost.store.plans.keys import accept

    own = batch.jobs[0].id
    for job_id, _ in (yield from accept(batch, store.hot.enqueue)):
        if job_id != own:
            raise UniqueKeyTaken(
                f"job {UUID(bytes=job_id)} has a key of this call, so nothing was run",
                job_id=job_id,
            )
    yield from keep_hours()  # perhaps nobody was there when the queue opened
    return (yield from claim_one(batch.jobs[0].id, batch.task, node))


def _tell_end(host: "JobHost", job_id: UUID, report: "WorkerReport") -> None:
    """Print the job's result, or raise CommandError for any other end."""
    try:
        record = host.job(job_id).status()
        if not record.is_final:
            raise _unfinished(host, record, report)
        put_result(host, job_id, "0s")
    except CommandError as error:
        leave_threads_behind(report, error.code, str(error))
        raise
    finally:
        host.close()
    leave_threads_behind(report, Exit.DONE)


def _unfinished(host: "JobHost", job: "JobRecord", report: "WorkerReport") -> CommandError:
    look = f"a worker goes on with it; {where_to_look(host, job.id)}"
    if report.stopped:
        return CommandError(f"interrupted; job {job.id} was handed back: {look}", Exit.INTERRUPTED)
    if job.state is State.BLOCKED:
        why = host.job(job.id).explain()
        return CommandError(f"job {job.id} is blocked: {why}", Exit.NOT_ENDED)
    for queue in shut_queues(host, [job]):
        told = shut_advice(queue, url_option(host))
        return CommandError(f"job {job.id} was accepted, and not run: {told}", Exit.NOT_ENDED)
    return CommandError(f"job {job.id} is {job.state} again: {look}", Exit.NOT_ENDED)


def _leave_the_end_to_us(job_id: UUID) -> None:
    """The end of this job is told once, by the command, and not by the worker's log as well."""
    own = str(job_id)
    logging.getLogger("jobhost.worker").addFilter(
        lambda record: getattr(record, "job", None) != own
    )
