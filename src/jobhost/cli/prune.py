"""`jobhost prune`: delete now what the workers would delete by and by."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs import JsonOutput
from jobhost.cli.render import put, put_json
from jobhost.plurals import counted

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.store.plans.retention import Slice

_FOR_EVER: Final = "forever"
"""What stands for a state whose jobs are kept."""

Kept = Annotated[str, typer.Option(metavar="TIME", help="Keep such jobs so long, or 'forever'.")]


def prune(
    succeeded: Kept = "7d",
    cancelled: Kept = "7d",
    dead: Kept = "90d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many jobs would be deleted.")
    ] = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Delete jobs that ended long ago, with all that belongs to them.

    Workers do the same by themselves, with the times that the program gave to
    JobHost(retention=...). Jobs that have not ended are never deleted.

    Examples:

      jobhost prune --dry-run
      jobhost prune --succeeded 1d --cancelled 1d --dead forever
      jobhost prune --json
    """
    from jobhost.app import JobHost
    from jobhost.jobs.retention import Retention
    from jobhost.store.plans.retention import Slice

    given = {"succeeded": succeeded, "cancelled": cancelled, "dead": dead}
    kept = Retention(**{name: None if text == _FOR_EVER else text for name, text in given.items()})
    with JobHost(url) as host:
        counts = {
            state.value: _walk(host, Slice(state=state, keep_us=keep_us), dry_run=dry_run)
            for state, keep_us in kept.spans().items()
        }
    if json_output:
        put_json({"dry_run": dry_run, "pruned": counts})
        return
    told = (
        ", ".join(f"{counted(count, 'job')} {name}" for name, count in counts.items()) or "nothing"
    )
    put(f"{'would delete' if dry_run else 'deleted'}: {told}")


def _walk(host: "JobHost", at: "Slice", *, dry_run: bool) -> int:
    """All slices of one walk; how many jobs they came to."""
    from jobhost.store.plans.retention import prune

    total, over = 0, False
    while not over:
        report = host.store.write(partial(prune, at, dry_run=dry_run))
        total += report.pruned
        at, over = replace(at, after=report.after), report.over
    return total
