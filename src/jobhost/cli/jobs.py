"""`jobhost jobs`: look at jobs, cancel, resume, purge them, send them back."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from jobhost.app import JobHost
from jobhost.cli.exits import Exit, exit_of
from jobhost.cli.explain import explain
from jobhost.cli.hosts import StoreUrl, where_to_look
from jobhost.cli.jobs_logs import logs
from jobhost.cli.jobs_show import JsonOutput, show
from jobhost.cli.render import put, put_json, put_listing, tell
from jobhost.cli.waiting import advice, queues_without_worker, shut_advice, shut_queues
from jobhost.errors import IllegalMove, JobNotFound, UniqueKeyTaken, UsageError
from jobhost.ids import parse_id
from jobhost.jobs.options import DEFAULT_QUEUE, check_name
from jobhost.jobs.states import State

if TYPE_CHECKING:
    from jobhost.ids import JobId

LISTED_MAX: Final = 1000
"""The store's bound of a page."""

_INSTEAD: Final = {
    State.SCHEDULED: "it runs by itself when it is due",
    State.BLOCKED: "see 'jobhost jobs explain', or resume it if its task has set it aside",
    State.READY: "it runs as soon as a worker is free",
    State.RUNNING: "wait for its end, or stop it with 'jobhost jobs cancel'",
    State.SUSPENDED: "it goes on by itself",
    State.SUCCEEDED: "to do its work again, enqueue a new job",
}
"""What to do about a job that cannot be sent back."""

_NUMBER_DIGITS_MAX: Final = 18
"""Of a job's number; an id has more."""

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs.")]

app = typer.Typer(
    help="Look at jobs, cancel, resume, purge them, send them back.", no_args_is_help=True
)


@app.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only jobs of this queue.")] = None,
    task: Annotated[str | None, typer.Option(help="Only jobs of this task.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many at most.")] = 50,
    before: Annotated[
        int | None, typer.Option(help="Go on with a listing: the 'next' of the page before.")
    ] = None,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """List jobs, newest first.

    More than one page: go on with --before and the number that the page ends with.
    Jobs that wait where no worker serves are told on stderr, with the next step.
    Running ones are shown with their progress, if they tell it.

    Examples:

      jobhost jobs list
      jobhost jobs list --state dead --queue mail --limit 10
      jobhost jobs list --json
    """
    from jobhost.store.plan import drive
    from jobhost.store.plans import look

    for name, what in ((queue, "--queue"), (task, "--task")):
        if name is not None:
            check_name(name, what)
    wanted = look.Filter(state=state, queue=queue, task=task, limit=limit, before=before)
    with JobHost(url) as host:
        page = drive(host.store.read, look.list_with_progress(wanted))
        unserved = queues_without_worker(host, page.jobs)
        paused = shut_queues(host, page.jobs)
    if json_output:
        put_json({"jobs": [job.to_json() for job in page.jobs], "next": page.next})
        return
    if page.jobs:
        put_listing(page.jobs, page.next)
    else:
        tell("no such jobs")
    for name in unserved:
        tell(advice(name))
    for stopped in paused:
        tell(shut_advice(stopped))


app.command("show")(show)
app.command("explain")(explain)
app.command("logs")(logs)


@app.command("cancel")
def cancel(
    job_ids: Ids,
    reason: Annotated[
        str, typer.Option(help="Why; stays with the job.")
    ] = "cancelled on the command line",
    url: StoreUrl = None,
) -> None:
    """Cancel jobs.

    A waiting one ends at once; a running one is stopped by its worker.

    Examples:

      jobhost jobs cancel 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
      jobhost jobs cancel 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --reason "wrong file"
    """
    _each(job_ids, url, lambda host, job_id: _cancel(host, job_id, reason))


@app.command("redrive")
def redrive(
    job_ids: Ids,
    args: Annotated[
        str | None,
        typer.Option("--args", help='Other arguments, all of them: JSON, such as {"width": 80}.'),
    ] = None,
    url: StoreUrl = None,
) -> None:
    """Send dead or cancelled jobs back.

    They are ready again with fresh counts; their history is kept, also the former
    arguments. Many dead ones at once: 'jobhost dead redrive'.

    Examples:

      jobhost jobs redrive 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
      jobhost jobs redrive 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --args '{"width": 80}'
    """
    arguments = None if args is None else _arguments(args)
    _each(job_ids, url, lambda host, job_id: _redrive(host, job_id, arguments))


@app.command("resume")
def resume(
    jobs: Annotated[
        list[str], typer.Argument(metavar="ID|NUMBER...", help="Ids or numbers of jobs.")
    ],
    url: StoreUrl = None,
) -> None:
    """Have jobs run on that their own task has set aside.

    They are ready again, before those that wait; nothing is charged. The number of a
    job is shown by 'jobhost jobs show'.

    Examples:

      jobhost jobs resume 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
      jobhost jobs resume 4711
    """
    _each(jobs, url, _resume, read=_id_or_number)


@app.command("purge")
def purge(job_ids: Ids, url: StoreUrl = None) -> None:
    """Delete jobs that have ended, with all that belongs to them. There is no way back.

    Many dead ones at once: 'jobhost dead purge'.

    Examples:

      jobhost jobs purge 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
    """
    _each(job_ids, url, _purge)


@app.command("peek")
def peek(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Its name.")] = DEFAULT_QUEUE,
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many at most.")] = 10,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Show the jobs of a queue that are claimed next, in that order. It changes nothing.

    Examples:

      jobhost jobs peek mail
      jobhost jobs peek mail --limit 100 --json
    """
    with JobHost(url) as host:
        jobs = host.peek(queue, limit=limit)
    if json_output:
        put_json({"jobs": [job.to_json() for job in jobs]})
    elif jobs:
        put_listing(jobs, None)
    else:
        tell(f"no job is ready in queue {queue!r}")


def _each(
    job_ids: list[str],
    url: str | None,
    move: Callable[[JobHost, Any], str],
    *,
    read: Callable[[str], Any] = parse_id,
) -> None:
    """Move one job after the other and say what came of it. One that cannot be moved does not
    hold up the rest; the exit code is that of the first.

    All ids are read before anything is done.
    """
    wanted = [read(job_id) for job_id in job_ids]
    code = Exit.DONE
    with JobHost(url) as host:
        for job_id in wanted:
            try:
                put(f"{_named(job_id)} {move(host, job_id)}")
            except (JobNotFound, IllegalMove, UniqueKeyTaken) as error:
                tell(str(error))
                code = code or exit_of(error)
    raise typer.Exit(code)


def _cancel(host: JobHost, job_id: "JobId", reason: str) -> str:
    from jobhost.store.plans.operate import CancelResult

    job = host.job(UUID(bytes=job_id))
    done = job.cancel(reason)
    if done is CancelResult.REQUESTED:
        return "runs; its worker was asked to stop it"
    if done is CancelResult.TOO_LATE and (state := job.status().state) is not State.CANCELLED:
        raise IllegalMove(
            f"job {job.id} has ended before: it is {state}, and there is nothing left to cancel; "
            f"{where_to_look(host, job.id)}"
        )
    return "is cancelled"


def _redrive(host: JobHost, job_id: "JobId", arguments: dict[str, Any] | None) -> str:
    job = host.job(UUID(bytes=job_id))
    try:
        job.redrive(arguments)
    except IllegalMove as error:
        raise IllegalMove(f"{error}: {_INSTEAD[job.status().state]}") from None
    return "is ready again"


def _resume(host: JobHost, job: "JobId | int") -> str:
    if isinstance(job, int):
        return f"is ready again: {host.resume(job).id}"
    host.job(UUID(bytes=job)).resume()
    return "is ready again"


def _id_or_number(text: str) -> "JobId | int":
    is_number = text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS_MAX
    return int(text) if is_number else parse_id(text)


def _named(job: "JobId | int") -> str:
    return str(job) if isinstance(job, int) else str(UUID(bytes=job))


def _purge(host: JobHost, job_id: "JobId") -> str:
    host.job(UUID(bytes=job_id)).purge()
    return "is deleted"


def _arguments(text: str) -> dict[str, Any]:
    from jobhost.cli.enqueue import read_arguments

    positional, named = read_arguments(text)
    if positional or not text.strip().startswith("{"):
        raise UsageError(
            "--args must name every argument here, such as '{\"width\": 80}': the task's "
            "signature is not known without its program"
        )
    return named
