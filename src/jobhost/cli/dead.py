"""`jobhost dead`: look at dead letters, send them back, purge them."""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import wraps
from inspect import Signature, signature
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    TypeVar,
    cast,
)

import typer

from jobhost.app import JobHost
from jobhost.cli.exits import Exit
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs import LISTED_MAX
from jobhost.cli.jobs_show import JsonOutput, show
from jobhost.cli.render import put, put_json, put_listing, put_table, tell
from jobhost.clock import SystemClock, to_datetime
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption, UsageError
from jobhost.plurals import counted

if TYPE_CHECKING:
    from jobhost.host.dead import Progressed, Which
    from jobhost.jobs.dead import DeadGroup
    from jobhost.store.plans.dead import DeadCount

app = typer.Typer(
    help="Look at dead letters: jobs that failed for good. Send them back, or purge them.",
    no_args_is_help=True,
)

P = ParamSpec("P")
T = TypeVar("T")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many.")]

MESSAGE_CHARS_MAX: Final = 120
"""Of a message in a table: enough to know it again."""

_NONE: Final = "no such dead letters"

_HEADS: Final = ("count", "task", "cause", "first", "last", "newest", "message")


def _filter(
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only of this queue.")] = None,
    error: Annotated[
        str | None,
        typer.Option(help="Only with a last error of this class, such as TimeoutError."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only with this in their reason, such as expired.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Died since then: 2h (ago), or 2030-01-31T09:00:00Z."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Died before then; likewise.")
    ] = None,
) -> "Which":
    """The words of a filter that were given; its parameters are the options of each command that
    is about `_which_ones`."""
    given = {
        "task": task,
        "queue": queue,
        "error": error,
        "reason": reason,
        "since": _instant(since, "--since"),
        "until": _instant(until, "--until"),
    }
    return cast("Which", {name: value for name, value in given.items() if value is not None})


def _instant(text: str | None, option: str) -> datetime | None:
    """A moment, or how long ago it was."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        with suppress(InvalidOption):
            return to_datetime(SystemClock().now()) - parse_duration(text, option)
    else:
        if moment.utcoffset() is not None:
            return moment
    raise UsageError(
        f"{option} must be a time ago, such as 2h, or a date and time with an offset, such as "
        f"2030-01-31T09:00:00Z; got {text!r}"
    )


def _which_ones(command: Callable[Concatenate["Which", P], T]) -> Callable[..., T]:
    """A command whose first parameter is a filter has the options of `_filter` in its place."""
    words = signature(_filter).parameters
    own = list(signature(command).parameters.values())[1:]
    parameters = [*words.values(), *own]

    @wraps(command)
    def with_options(*args: P.args, **given: P.kwargs) -> T:
        options: dict[str, Any] = given
        which = _filter(**{name: options.pop(name) for name in words})
        return command(which, *args, **given)

    seen: Any = with_options
    seen.__signature__ = Signature(parameters)
    seen.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


@app.command("list")
@_which_ones
def list_dead(
    which: "Which",
    group: Annotated[
        bool, typer.Option("--group", help="Those that died alike as one line.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many at most.")] = 50,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """List dead letters, newest first; with --group by task and error, the most frequent first.

    Examples:

      jobhost dead list --group
      jobhost dead list --task mail --error TimeoutError --since 2h
      jobhost dead list --json
    """
    with JobHost(url) as host:
        if group:
            groups = host.dead.groups(**which)
            _put_groups(groups[:limit], json_output=json_output)
            if len(groups) > limit and not json_output:
                tell("there are more groups: --limit, or a narrower filter")
            return
        jobs = host.dead.jobs(limit=limit, **which)
    if json_output:
        put_json({"jobs": [job.to_json() for job in jobs]})
    elif jobs:
        put_listing(jobs, None)
        if len(jobs) == limit:
            tell("there may be more: --limit, or a narrower filter; --group sums them up")
    else:
        tell(_NONE)


_SHOWN: Final = (inspect.getdoc(show) or "").replace("jobhost jobs show", "jobhost dead show")
app.command("show", help=_SHOWN)(show)


@app.command("redrive")
@_which_ones
def redrive(
    which: "Which",
    everything: Annotated[
        bool, typer.Option("--all", help="All there are, if nothing else says which.")
    ] = False,
    rate: Annotated[
        str | None, typer.Option(help="How many at most, such as 10/s or 300/m.")
    ] = None,
    dry_run: DryRun = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Send dead letters back, oldest first, with fresh counts; their history is kept.

    A single one: 'jobhost jobs redrive ID'.

    Examples:

      jobhost dead redrive --task mail --error TimeoutError --dry-run
      jobhost dead redrive --task mail --error TimeoutError --rate 10/s
      jobhost dead redrive --all
    """
    _require(which, everything=everything)
    with JobHost(url) as host:
        if dry_run:
            _tell_count("would be sent back", host.dead.count(**which), json_output=json_output)
            return
        with _progress(host, which, "sending back") as watch:
            done = host.dead.redrive(rate=rate, watch=watch, **which)
    _tell_end("sent back", done, json_output=json_output)


@app.command("purge")
@_which_ones
def purge(
    which: "Which",
    everything: Annotated[
        bool, typer.Option("--all", help="All there are, if nothing else says which.")
    ] = False,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Delete dead letters with all that belongs to them. There is no way back.

    On a terminal it asks first; elsewhere it wants --yes.

    Examples:

      jobhost dead purge --task mail --until 30d --dry-run
      jobhost dead purge --task mail --until 30d --yes
    """
    _require(which, everything=everything)
    with JobHost(url) as host:
        if dry_run:
            _tell_count("would be deleted", host.dead.count(**which), json_output=json_output)
            return
        if not yes:
            _ask(host.dead.count(**which))
        with _progress(host, which, "deleting") as watch:
            done = host.dead.purge(watch=watch, **which)
    _tell_end("deleted", done, json_output=json_output)


def _put_groups(groups: Sequence["DeadGroup"], *, json_output: bool) -> None:
    if json_output:
        put_json({"groups": [one.to_json() for one in groups]})
        return
    if not groups:
        tell(_NONE)
        return
    rows = [
        (
            f"{one.count:,}", one.task, one.cause, _minute(one.first_at), _minute(one.last_at),
            str(one.newest), one.message[:MESSAGE_CHARS_MAX],
        )
        for one in groups
    ]  # fmt: skip
    put_table(_HEADS, rows)


def _require(which: "Which", *, everything: bool) -> None:
    if everything and which:
        raise UsageError("--all means every dead letter: leave it out where a filter says which")
    if not everything and not which:
        raise UsageError("say which ones, such as --task mail, or give --all; see --dry-run")


def _tell_count(what: str, found: "DeadCount", *, json_output: bool) -> None:
    if json_output:
        put_json({"dry_run": True, "jobs": found.jobs, "whole": found.whole})
        return
    more = "" if found.whole else " of the newest 100,000 dead letters; there may be more"
    put(f"{counted(found.jobs, 'job')} {what}{more}")


def _tell_end(what: str, done: "Progressed", *, json_output: bool) -> None:
    if json_output:
        put_json({"done": done.done, "refused": done.refused})
        return
    put(f"{counted(done.done, 'job')} {what}")
    if done.refused:
        tell(
            f"{counted(done.refused, 'job')} left alone: another job has its unique key, or "
            "somebody else has just moved it"
        )


def _ask(found: "DeadCount") -> None:
    """Raises UsageError where nobody can answer, and typer.Exit for a no."""
    if not sys.stdin.isatty():
        raise UsageError("purge deletes for good: give --yes, or try --dry-run first")
    more = "" if found.whole else " or more"
    if not typer.confirm(f"Delete {counted(found.jobs, 'dead letter')}{more} for good?", err=True):
        raise typer.Exit(Exit.DONE)


@contextmanager
def _progress(
    host: JobHost, which: "Which", doing: str
) -> Iterator[Callable[["Progressed"], object] | None]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        number = bar.add_task(doing, total=host.dead.count(**which).jobs)
        yield lambda so_far: bar.update(number, completed=so_far.done + so_far.refused)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
