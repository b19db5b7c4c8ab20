"""`jobhost jobs show`: everything about one job, once or until it has ended."""

from typing import Annotated

import typer

from jobhost.app import JobHost
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.render import as_json, put_job, put_json, tell
from jobhost.cli.waiting import advice, queues_without_worker, shut_advice, shut_queues

JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")]


def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")],
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show how far it is until it has ended.")
    ] = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Show everything about one job.

    Its state and the reason, times, counts, keys, options, arguments, result, and every
    attempt with its error and traceback.

    With --watch its state and progress are shown until it has ended, and then all this;
    Ctrl-C leaves, and the job goes on. Elsewhere than on a terminal each change is a
    line, and with --json an object on a line of its own, the last one with everything.
    However the job ends, the exit code is 0.

    Examples:

      jobhost jobs show 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
      jobhost jobs show 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --watch
      jobhost jobs show 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --json
    """
    with JobHost(url) as host:
        if watch:
            from jobhost.cli.jobs_watch import watch_job

            if not watch_job(host, job_id, json_output=json_output):
                return
        job = host.job(job_id)
        record, attempts = job.status(), job.attempts()
        unserved = queues_without_worker(host, [record])
        paused = shut_queues(host, [record])
    if json_output:
        put_json(as_json(record, attempts), line=watch)
        return
    put_job(record, attempts)
    for name in unserved:
        tell(advice(name))
    for stopped in paused:
        tell(shut_advice(stopped))
