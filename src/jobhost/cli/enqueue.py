"""`jobhost enqueue`: accept one job, and perhaps wait for its result."""

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from jobhost.cli.exits import CommandError, Exit, exit_of
from jobhost.cli.hosts import HostUrl, Place, load_host, where_to_look
from jobhost.cli.render import put, put_json, tell
from jobhost.cli.waiting import advice, queues_without_worker
from jobhost.errors import (
    JobCancelled,
    JobDead,
    ResultTimeout,
    ResultUnstorable,
    StoreError,
    UsageError,
)

if TYPE_CHECKING:
    from uuid import UUID

    from jobhost.app import JobHost
    from jobhost.host.task import CallOptions, Task

TRIGGER: Final = "command line"

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")]
Arguments = Annotated[
    str,
    typer.Option("--args", help='JSON: a list, or an object by name, such as {"width": 80}.'),
]


def enqueue(
    place: Place,
    task: TaskName,
    args: Arguments = "[]",
    queue: Annotated[str | None, typer.Option(help="The queue. Default: the task's.")] = None,
    priority: Annotated[
        int | None, typer.Option(help="-100 to 100, higher first. Default: the task's.")
    ] = None,
    delay: Annotated[str | None, typer.Option(help="Run it after this, such as 10m.")] = None,
    run_at: Annotated[
        str | None, typer.Option(help="Run it then, such as 2030-01-31T09:00:00Z.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="A repeat with this key gives the first job.")
    ] = None,
    idempotency_window: Annotated[
        str | None, typer.Option(help="For how long. Default: 10m.")
    ] = None,
    unique: Annotated[
        str | None, typer.Option(help="At most one job of the task with this key lives.")
    ] = None,
    unique_until: Annotated[
        str | None, typer.Option(help="start or end of the job. Default: end.")
    ] = None,
    on_taken: Annotated[
        str | None,
        typer.Option(help="When another job has the key: return, raise or replace."),
    ] = None,
    debounce: Annotated[
        str | None, typer.Option(help="Run it this long after the last call with the key.")
    ] = None,
    debounce_max: Annotated[
        str | None, typer.Option(help="But no longer after the first one.")
    ] = None,
    throttle: Annotated[
        str | None, typer.Option(help="The key is taken this long at least.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it has ended; print its result.")
    ] = False,
    timeout: Annotated[str | None, typer.Option(help="Longest wait, such as 30s.")] = None,
    url: HostUrl = None,
) -> None:
    """Accept one job and print its id, or with --wait its result as JSON.

    The arguments are checked against the task's signature first. With a key it may be
    an earlier call's job: then its id is printed, and stderr says so.

    Examples:

      jobhost enqueue shop.jobs:host thumbnail --args '["cat.jpg", 256]'
      jobhost enqueue shop.jobs:host thumbnail --args '{"width": 80}' --delay 1h
      jobhost enqueue shop.jobs:host report --wait --timeout 5m
      jobhost enqueue shop.jobs:host report --unique nightly --on-taken raise
    """
    if timeout is not None and not wait:
        raise UsageError("--timeout is how long to wait: give --wait as well")
    if timeout is not None:
        from jobhost.durations import parse_duration

        parse_duration(timeout, "--timeout")
    positional, named = read_arguments(args)
    given: dict[str, Any] = {"queue": queue, "priority": priority, "delay": delay}
    given["run_at"] = None if run_at is None else read_moment(run_at)
    given |= {"idempotency_key": idempotency_key, "idempotency_window": idempotency_window}
    given |= {"unique": unique, "unique_until": unique_until, "on_taken": on_taken}
    given |= {"debounce": debounce, "debounce_max": debounce_max, "throttle": throttle}
    options: CallOptions = {  # type: ignore[assignment]  # checked by using()
        name: value for name, value in given.items() if value is not None
    }
    with load_host(place, url) as host:
        bound = find_task(host, task).using(**options).triggered_by(TRIGGER)
        job = bound.enqueue(*positional, **named)
        if not job.is_new:
            tell(f"job {job.id} has a key of this call, and was enqueued before")
        if queue is not None and queue not in host.worker().queues:
            _tell_if_unserved(host, job.id)
        if wait:
            put_result(host, job.id, timeout)
        else:
            put(str(job.id))


def find_task(host: "JobHost", name: str) -> "Task[..., Any, Any]":
    """The task of that name; of a former one the present name is told. Raises UnknownTask."""
    task = host.tasks.get(name)
    if task.name != name:
        tell(f"task {name!r} is named {task.name!r} now")
    return task


def _tell_if_unserved(host: "JobHost", job_id: "UUID") -> None:
    """A queue that no task names is easily one that no worker serves, too. The job is accepted in
    any case, also where this login may not look."""
    with suppress(StoreError):
        for name in queues_without_worker(host, [host.job(job_id).status()]):
            tell(advice(name))


def read_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Positional arguments and arguments by name. Raises UsageError for other JSON, or none."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"--args must be JSON, such as '[1, \"two\"]' or '{{\"name\": 1}}': {error}"
        ) from None
    if isinstance(value, list):
        return value, {}
    if isinstance(value, dict):
        return [], value
    raise UsageError(
        f"--args must be a JSON list, or an object by name; got {text!r}: try '[{text}]'"
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def read_moment(text: str) -> datetime:
    """An instant in ISO 8601 with its offset. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise UsageError(
            f"--run-at must be a date and time with an offset, such as 2030-01-31T09:00:00Z or "
            f"2030-01-31T09:00:00+01:00; got {text!r}"
        )
    return moment


def put_result(host: "JobHost", job_id: "UUID", timeout: str | None) -> None:
    """Wait for a job's end and print its result. Raises CommandError for any other end."""
    look = where_to_look(host, job_id)
    try:
        put_json(host.job(job_id).result(timeout))
    except ResultUnstorable as error:
        tell(f"{error}; {look}")
    except (JobDead, JobCancelled, ResultTimeout) as error:
        raise CommandError(f"{error}; {look}", exit_of(error)) from error
    except KeyboardInterrupt:
        raise CommandError(f"interrupted; job {job_id} goes on: {look}", Exit.INTERRUPTED) from None
