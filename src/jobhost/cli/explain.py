"""`jobhost jobs explain`: why is this job not running?"""

from typing import Annotated

import typer

from jobhost.cli.hosts import StoreUrl
from jobhost.cli.render import clean, put, put_json


def explain(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")],
    json_output: Annotated[
        bool, typer.Option("--json", help="Print JSON with stable keys.")
    ] = False,
    url: StoreUrl = None,
) -> None:
    """Say in one sentence why a job is where it is, with the next step.

    Examples:

      jobhost jobs explain 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10
      jobhost jobs explain 0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10 --json
    """
    from jobhost.app import JobHost

    with JobHost(url) as host:
        job = host.job(job_id)
        why = job.explain()
    if json_output:
        put_json({"id": str(job.id), **why.to_json()})
    else:
        put(clean(str(why)))
