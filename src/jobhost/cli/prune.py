"""`jobhost prune`: delete now what the workers would delete by and by."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs_show import JsonOutput
from jobhost.cli.render import put, put_json
from jobhost.errors import InvalidOption, UsageError
from jobhost.jobs.retention import Retention
from jobhost.plurals import counted

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.store.plans.retention import Slice

_FOR_EVER: Final = "forever"
"""What stands for a state whose jobs are kept."""

_NOTHING_DELETED: Final = Retention(succeeded=None, cancelled=None, dead=None)
"""Without a program nobody has said how long jobs are kept: another's default is no permission."""

Program = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODULE:HOST]",
        help="The program whose times hold, such as shop.jobs:host; imported from the working "
        "directory.",
    ),
]
Kept = Annotated[
    str | None, typer.Option(metavar="TIME", help="Keep such jobs so long, or 'forever'.")
]


def prune(
    program: Program = None,
    succeeded: Kept = None,
    cancelled: Kept = None,
    dead: Kept = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many jobs would be deleted.")
    ] = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Delete jobs that ended long ago, with all that belongs to them.

    Workers do the same by themselves, with the times that the program gave to
    JobHost(retention=...). With MODULE:HOST those times hold here too, and its store
    is meant unless --url names another; an option comes before them. Without it only
    jobs are deleted for which an option says how long they are kept. Jobs that have
    not ended are never deleted.

    Examples:

      jobhost prune shop.jobs:host --dry-run
      jobhost prune shop.jobs:host --dead forever --json
      jobhost prune --succeeded 1d --cancelled 1d --url sqlite:////var/lib/shop/jobs.db
    """
    from jobhost.app import JobHost
    from jobhost.cli.hosts import load_host
    from jobhost.store.plans.retention import Slice

    times = {"succeeded": succeeded, "cancelled": cancelled, "dead": dead}
    given = {name: text for name, text in times.items() if text is not None}
    if program is None and not given:
        raise UsageError(
            "say how long jobs are kept: give MODULE:HOST, such as shop.jobs:host, for what its "
            "JobHost(retention=...) says, or a time, such as --succeeded 7d"
        )
    with JobHost(url) if program is None else load_host(program, url) as host:
        kept = _kept(given, _NOTHING_DELETED if program is None else host.retention)
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


def _kept(given: Mapping[str, str], otherwise: Retention) -> Retention:
    """The times that were given, and those of the program for what was not."""
    try:
        return replace(
            otherwise, **{name: None if text == _FOR_EVER else text for name, text in given.items()}
        )
    except InvalidOption as error:
        raise InvalidOption(f"{error}; {_FOR_EVER!r} keeps all") from None


def _walk(host: "JobHost", at: "Slice", *, dry_run: bool) -> int:
    """All slices of one walk; how many jobs they came to."""
    from jobhost.store.plans.retention import prune

    total, over = 0, False
    while not over:
        report = host.store.write(partial(prune, at, dry_run=dry_run))
        total += report.pruned
        at, over = replace(at, after=report.after), report.over
    return total
