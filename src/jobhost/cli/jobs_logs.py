"""`jobhost jobs logs`: what a job has logged, also while it runs."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jobhost.app import JobHost
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.render import clean, put, put_json, tell

if TYPE_CHECKING:
    from jobhost.host.job import Job
    from jobhost.jobs.notes import LogLine

_LOOK_SECONDS: Final = 0.5
"""Between looks of --follow: as often as a worker writes."""


def logs(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print each line as a JSON object with stable keys.")
    ] = False,
    url: StoreUrl = None,
) -> None:
    """Show what a job has logged.

    Python's log records of its task and what its command wrote, of the newest attempts;
    of a long log the beginning and the end.

    Examples:

      jobhost jobs logs 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
      jobhost jobs logs 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --follow
      jobhost jobs logs 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --json
    """
    with JobHost(url) as host:
        job = host.job(job_id)
        last = None
        for line in _lines(job, follow=follow):
            if json_output:
                put_json(line.to_json())
            else:
                _put_line(line, last)
            last = line
        if last is None and not json_output:
            tell(f"job {job.id} has logged nothing")


def _lines(job: "Job[object]", *, follow: bool) -> "Iterator[LogLine]":
    """Raises JobNotFound."""
    after: LogLine | None = None
    while True:
        ended = job.status().is_final  # first: what is logged until then is read below
        for line in job.logs(after):
            after = line
            yield line
        if ended or not follow:
            return
        time.sleep(_LOOK_SECONDS)


def _put_line(line: "LogLine", last: "LogLine | None") -> None:
    if line.epoch > 1 and (last is None or last.epoch != line.epoch):
        put(f"attempt {line.epoch}:")
    if line.left_out:
        put(f"… {line.left_out:,} lines left out …")
    said = clean(line.message, lines=True).replace("\n", "\n    ")
    put(f"{line.written_at:%Y-%m-%d %H:%M:%S}Z {line.level} {clean(line.source)}: {said}")
