"""`jobhost queues`: how queues stand; pause and resume them, and change their settings."""

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from jobhost.app import JobHost, url_option
from jobhost.cli.exits import CommandError, Exit
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs_show import JsonOutput
from jobhost.cli.render import put, put_json, tell
from jobhost.cli.render_queues import put_queue, put_queues
from jobhost.errors import InvalidOption, UsageError, did_you_mean
from jobhost.jobs.options import check_name

if TYPE_CHECKING:
    from jobhost.jobs.queue_stats import QueueStats

TAKE_BACK: Final = "none"
"""The word that takes a setting back."""

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="Its name.")]
Names = Annotated[list[str], typer.Argument(metavar="QUEUE...", help="Names of queues.")]

app = typer.Typer(help="Look at queues, pause, resume and set them.", no_args_is_help=True)


@app.command("list")
def list_queues(json_output: JsonOutput = False, url: StoreUrl = None) -> None:
    """List the queues: how much waits and runs, for how long, how fast it comes and goes.

    Waiting are the jobs that a worker could start now; a long queue is estimated,
    with "about" before the number. Rates are jobs per second over the last minute.

    Examples:

      jobhost queues list
      jobhost queues list --json
    """
    with JobHost(url) as host:
        found = host.queues()
    if json_output:
        put_json({"queues": [queue.to_json() for queue in found]})
    elif found:
        put_queues(found)
    else:
        tell("no queue yet: the first job makes one")
    for queue in found:
        _warn(queue)


@app.command("show")
def show(name: Name, json_output: JsonOutput = False, url: StoreUrl = None) -> None:
    """Show everything about one queue, by priority too.

    Examples:

      jobhost queues show mail
      jobhost queues show mail --json
    """
    check_name(name, "queue")
    with JobHost(url) as host:
        _require(host, name)
        found = host.queue(name).stats()
    if json_output:
        put_json(found.to_json())
    else:
        put_queue(found)
    _warn(found)


@app.command("pause")
def pause(
    names: Names,
    reason: Annotated[str | None, typer.Option(help="Why; shown to whoever looks.")] = None,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Have no job of these queues started any more, on any worker.

    Jobs that run go on to their end, and new ones are accepted and wait.

    Examples:

      jobhost queues pause mail --reason "the mail server is down"
      jobhost queues pause mail reports
    """
    _check_all(names)
    with JobHost(url) as host:
        known = _known(host)
        for name in names:
            was_running = host.queue(name).pause(reason)
            if not json_output:
                put(f"{name} is paused" if was_running else f"{name} was paused before")
            if name not in known:
                hint = f": {did_you_mean(name, known)}" if known else ""
                tell(f"no queue {name!r} is known yet, and it is paused all the same{hint}")
        if json_output:
            put_json({"queues": [{"name": name, **_settings(host, name)} for name in names]})


@app.command("resume")
def resume(names: Names, json_output: JsonOutput = False, url: StoreUrl = None) -> None:
    """End a pause; idle workers start at once.

    Examples:

      jobhost queues resume mail
    """
    _check_all(names)
    with JobHost(url) as host:
        known = _known(host)
        code = Exit.DONE
        for name in names:
            if name not in known:
                tell(_unknown(name, known, url_option(host)))
                code = Exit.NOT_FOUND
                continue
            resumed = host.queue(name).resume()
            if not json_output:
                put(f"{name} goes on" if resumed else f"{name} was not paused")
        if json_output:
            put_json({"queues": [{"name": name, **_settings(host, name)} for name in names]})
    raise typer.Exit(code)


@app.command("set")
def set_queue(
    name: Name,
    objective: Annotated[
        str | None,
        typer.Option(help="The longest that its jobs should wait; workers tell when they do."),
    ] = None,
    capacity: Annotated[str | None, typer.Option(help="How many jobs may wait at most.")] = None,
    when_full: Annotated[
        str | None, typer.Option(help="What an enqueue comes to then: reject, wait, drop_oldest.")
    ] = None,
    wait: Annotated[
        str | None, typer.Option(help="With 'wait': the longest wait for a place.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="The longest that a job may wait, whatever it says itself.")
    ] = None,
    dropped: Annotated[
        bool | None, typer.Option(help="Delete expired jobs, instead of keeping them as dead.")
    ] = None,
    raise_priority_after: Annotated[
        str | None,
        typer.Option(help="Raise a job that has waited so long to the next priority in use."),
    ] = None,
    hours: Annotated[
        str | None,
        typer.Option(help="When its jobs may start; outside these hours none does."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="The time zone of these hours, by its IANA name.")
    ] = None,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Change settings of a queue, for all programs; 'none' takes one back.

    What is not named stays as it is. What a program declares in its code is
    stored again whenever one of its workers starts.

    Examples:

      jobhost queues set mail --objective 30s
      jobhost queues set mail --capacity 10000 --when-full wait --wait 2s
      jobhost queues set mail --objective none --expires 1h
      jobhost queues set mail --raise-priority-after 10m
      jobhost queues set reports --hours "22:00-06:00" --zone Europe/Berlin
      jobhost queues set reports --hours "mon-fri 22:00-06:00, sat-sun 00:00-24:00"
    """
    check_name(name, "queue")
    given: dict[str, Any] = {
        "objective": objective,
        "capacity": None if capacity is None else _number(capacity),
        "when_full": when_full,
        "wait": wait,
        "expires": expires,
        "dropped": dropped,
        "raise_priority_after": raise_priority_after,
        "hours": hours,
        "zone": zone,
    }
    changes = {
        key: None if value == TAKE_BACK else value
        for key, value in given.items()
        if value is not None
    }
    if not changes:
        raise UsageError(
            "say what to set, such as --objective 30s: see 'jobhost queues set --help'"
        )
    with JobHost(url) as host:
        known = _known(host)
        host.queue(name).set(**changes)
        settings = _settings(host, name)
    if json_output:
        put_json({"name": name, **settings})
    else:
        put(f"{name} is set")
    if name not in known:
        hint = f": {did_you_mean(name, known)}" if known else ""
        tell(f"no queue {name!r} is known yet, and it is set all the same{hint}")


def _settings(host: JobHost, name: str) -> dict[str, Any]:
    return host.queue(name).settings().to_json()


def _number(text: str) -> int | str:
    """A capacity; the word that takes it back stays."""
    if text == TAKE_BACK:
        return text
    try:
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise InvalidOption(
            f"--capacity must be a whole number, or '{TAKE_BACK}'; got {text!r}"
        ) from None


def _check_all(names: Sequence[str]) -> None:
    """All are read before anything is done."""
    for name in names:
        check_name(name, "queue")


def _known(host: JobHost) -> list[str]:
    """The queues that something is known of, those included in which jobs were accepted lately."""
    from jobhost.store.plans.queue_stats import arrivals, known_queues

    lately = {queue for queue, _ in host.store.read(arrivals)}
    return sorted(lately | set(host.store.read(known_queues)))


def _require(host: JobHost, name: str) -> None:
    """Raises CommandError when nothing is known of it."""
    known = _known(host)
    if name not in known:
        raise CommandError(_unknown(name, known, url_option(host)), Exit.NOT_FOUND)


def _unknown(name: str, known: Sequence[str], option: str) -> str:
    hint = did_you_mean(name, known) if known else "the first job makes one"
    return f"nothing is known of a queue {name!r}: {hint}; see 'jobhost queues list{option}'"


def _warn(queue: "QueueStats") -> None:
    """What somebody should do something about, with the next step."""
    name = quote(queue.name)
    waits = queue.depth.jobs > 0
    if queue.settings.paused_at is not None and waits:
        tell(f"queue {queue.name!r} is paused: 'jobhost queues resume {name}' lets it go on")
    elif waits and not queue.served:
        tell(f"no worker serves queue {queue.name!r}: start one with --queues {name}")
    elif queue.late:
        tell(f"queue {queue.name!r} is late: its jobs wait longer than its objective")
