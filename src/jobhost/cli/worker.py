"""`jobhost worker`: a process that runs jobs."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from jobhost.cli import logs
from jobhost.cli.exits import Exit, flush, leave_threads_behind
from jobhost.cli.hosts import HostUrl, Place, load_host
from jobhost.errors import UsageError


def worker(
    place: Place,
    queues: Annotated[
        str | None,
        typer.Option(
            help="Queues with weights, such as mail,reports:3. Default: those that the tasks name."
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Jobs at a time.")] = 20,
    burst: Annotated[bool, typer.Option("--burst", help="End when nothing is left to do.")] = False,
    stopping_wait_time: Annotated[
        str, typer.Option(help="How long jobs may go on after a first signal.")
    ] = "30s",
    lease: Annotated[
        str, typer.Option(help="How long the store trusts this worker without a heartbeat.")
    ] = "30s",
    cancel_grace: Annotated[
        str, typer.Option(help="How long a job may take to obey its time limit.")
    ] = "5s",
    url: HostUrl = None,
    log_level: logs.Level = logs.LogLevel.INFO,
    log_json: logs.AsJson = False,
) -> None:
    """Run jobs until stopped, or with --burst until nothing is left.

    SIGTERM or Ctrl-C: it claims nothing more, lets running jobs end, hands back
    what has not ended in time, and exits with 0. A second one ends it within two
    seconds.

    A job that does not obey its time limit ends this process, and a fresh one of
    the same command line takes its place.

    Examples:

      jobhost worker shop.jobs:host
      jobhost worker shop.jobs:host --queues mail,reports:3 --concurrency 8
      jobhost worker shop.jobs:host --burst
    """
    logs.configure(log_level, json_lines=log_json)
    folder = Path.cwd()
    host = load_host(place, url)
    report = host.worker(
        queues=None if queues is None else read_queues(queues),
        concurrency=concurrency,
        burst=burst,
        stopping_wait_time=stopping_wait_time,
        lease=lease,
        cancel_grace=cancel_grace,
    ).run(signals=True)
    host.close()
    if report.retired and not report.stopped:
        begin_anew(folder)
    leave_threads_behind(report, Exit.DONE)


def read_queues(text: str) -> dict[str, int]:
    """Names with weights: "mail,reports:3". Raises UsageError; the worker checks the rest."""
    weights: dict[str, int] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        if colon and not (weight.isascii() and weight.isdigit()):
            raise UsageError(
                f"--queues takes names, each with an optional weight, such as mail,reports:3; "
                f"got {part.strip()!r}"
            )
        weights[name] = int(weight) if colon else 1
    return weights


def begin_anew(folder: Path) -> NoReturn:
    """Replace this process by a fresh one of the same command line: it takes the thread that
    cannot be stopped with it, and a supervisor sees no exit."""
    flush()
    os.chdir(folder)  # MODULE:HOST was found here; a task may have gone elsewhere
    os.execv(sys.executable, [sys.executable, "-m", "jobhost", *sys.argv[1:]])
