"""`jobhost worker`: a process that runs jobs."""

import faulthandler
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TextIO

import typer

from jobhost.cli import logs
from jobhost.cli.exits import Exit, exit_of, flush, leave_threads_behind
from jobhost.cli.hosts import HostUrl, Place, load_host
from jobhost.clock import SystemClock
from jobhost.durations import format_seconds, seconds
from jobhost.errors import InvalidOption, JobhostError, SchemaMismatch, UsageError

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.worker.exit_codes import WorkerExit
    from jobhost.worker.worker import Worker, WorkerReport

PROCESSES_MAX: Final = 1000
_SILENCE_SECONDS: Final = 20.0
"""Of a worker under a node, unless the options say otherwise."""

_ENTRY_SECONDS: Final = 5.0
"""How long a worker that finds the wrong schema waits to see whether its node finds the right one:
only then what it has found is news."""


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
    stall_after: Annotated[
        str,
        typer.Option(
            help="How long a job may hold up the event loop before the log names it; never: "
            "nobody watches."
        ),
    ] = "1s",
    job_processes: Annotated[
        int | None,
        typer.Option(help="Processes of jobs at a time. Default: the number of processors."),
    ] = None,
    max_jobs_per_process: Annotated[
        int, typer.Option(help="Jobs that such a process runs before a fresh one replaces it.")
    ] = 1000,
    max_jobs: Annotated[
        int | None,
        typer.Option(help="Attempts after which a fresh process takes this one's place."),
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="The same for the memory that it holds, such as 512MB.")
    ] = None,
    job_logs: logs.JobLevel = logs.JobLogs.INFO,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=PROCESSES_MAX,
            help="Run so many workers under a node, which starts anew those that die.",
        ),
    ] = None,
    unresponsive_after: Annotated[
        str | None,
        typer.Option(
            help="A node kills a worker that gives no sign of life for so long, which is 1s at "
            "least and shorter than the lease. Default: 20s, or two thirds of a shorter lease."
        ),
    ] = None,
    start_limit: Annotated[
        str, typer.Option(help="A node kills a worker that has not imported MODULE in this time.")
    ] = "2m",
    link: Annotated[int | None, typer.Option(hidden=True)] = None,
    lane: Annotated[bool, typer.Option("--lane", hidden=True)] = False,
    url: HostUrl = None,
    log_level: logs.Level = logs.LogLevel.INFO,
    log_json: logs.AsJson = False,
) -> None:
    """Run jobs until stopped, or with --burst until nothing is left.

    SIGTERM or Ctrl-C, or a terminal that closes: it claims nothing more, lets
    running jobs end, hands back what has not ended in time, and exits with 0. A
    second SIGTERM or Ctrl-C ends it within two seconds.

    A job that does not obey its time limit ends its process, and a fresh one of
    the same command line takes its place.

    With --processes a node supervises that many workers. It sees at once when one
    dies, kills what it left behind, hands its jobs back and starts another. A job
    that may have killed its worker runs next alone, in a process of its own.

    Examples:

      jobhost worker shop.jobs:host
      jobhost worker shop.jobs:host --queues mail,reports:3 --concurrency 8
      jobhost worker shop.jobs:host --processes 4 --max-jobs 100000
      jobhost worker shop.jobs:host --burst
    """
    log = logs.configure(log_level, json_lines=log_json)
    settings: dict[str, Any] = {
        "queues": None if queues is None else read_queues(queues),
        "concurrency": concurrency,
        "burst": burst,
        "stopping_wait_time": stopping_wait_time,
        "lease": lease,
        "cancel_grace": cancel_grace,
        "stall_after": None if stall_after == "never" else stall_after,
        "max_jobs_per_process": max_jobs_per_process,
        "max_jobs": max_jobs,
        "max_memory": max_memory,
        "job_logs": None if job_logs is logs.JobLogs.OFF else job_logs.value,
        **({} if job_processes is None else {"job_processes": job_processes}),
    }
    if processes is not None and link is None:
        if burst:
            raise UsageError("--burst runs in one process: leave out --processes")
        sys.stderr = log or sys.stderr  # nobody else writes to it
        _run_node(
            settings, processes, unresponsive_after, at_least_1s(start_limit, "--start-limit")
        )
    folder = Path.cwd()
    host = load_host(place, url)
    if link is not None:
        _run_under_node(host, settings, link, log, lane=lane)
    report = _run(host.worker(**settings), log)
    host.close()
    if (report.retired or report.recycled) and not report.stopped:
        begin_anew(folder)
    leave_threads_behind(report, Exit.DONE)


def _run_node(
    settings: dict[str, Any], processes: int, unresponsive_after: str | None, start_seconds: float
) -> NoReturn:
    """Supervise workers until told to stop."""
    from jobhost.hosting.config import NodeConfig
    from jobhost.hosting.node import Node
    from jobhost.store.address import open_store
    from jobhost.worker.config import worker_config

    config = worker_config(settings)
    node = NodeConfig(
        processes=processes,
        command=_without_processes(sys.argv[1:]),
        lease_seconds=config.lease_seconds,
        unresponsive_seconds=silence_of(unresponsive_after, config.lease_seconds),
        start_seconds=start_seconds,
        stopping_wait_seconds=config.stopping_wait_seconds,
    )
    flush()
    try:
        code = Node(node, lambda address: open_store(address, SystemClock())).run()
    except JobhostError as error:
        code = exit_of(error)  # told when the node found it
    sys.exit(code)


def silence_of(given: str | None, lease_seconds: float) -> float:
    """So many seconds may a worker under a node give no sign of life.

    Args:
        given: The option, if it was given.
        lease_seconds: The node's; a worker is to be given up before the store gives up its node.

    Raises UsageError.
    """
    if given is None:
        span = min(_SILENCE_SECONDS, max(1.0, lease_seconds * 2 / 3))
    else:
        span = at_least_1s(given, "--unresponsive-after")
    if span >= lease_seconds:
        raise UsageError(
            f"--unresponsive-after must be shorter than --lease; got {format_seconds(span)} and "
            f"{format_seconds(lease_seconds)}"
        )
    return span


def at_least_1s(text: str, option: str) -> float:
    """Seconds. Raises InvalidOption for what is no span of time, or a shorter one."""
    if (span := seconds(text, option)) < 1.0:
        raise InvalidOption(f"{option} must be at least 1s; got {text!r}")
    return span


def _run_under_node(
    host: "JobHost", settings: dict[str, Any], handle: int, log: TextIO | None, *, lane: bool
) -> NoReturn:
    """What a node has started: it renews the lease, and starts a fresh one after this."""
    from jobhost.store.address import from_anywhere
    from jobhost.worker.link import Link
    from jobhost.worker.wire import Wire

    faulthandler.register(signal.SIGUSR2, all_threads=True)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_sign)
    worker = host.worker(**{**settings, **({"concurrency": 1} if lane else {})})
    link = Link(Wire(handle))
    worker.obey(link, from_anywhere(host.address, host.store), lane=lane)
    try:
        report = _run(worker, log)
    except SchemaMismatch:
        if link.was_entered(_ENTRY_SECONDS):
            raise
        os._exit(Exit.STORE)  # the node has found the same, and says so
    host.close()
    flush()
    code = _exit_of(report)
    link.say_goodbye(code)
    os._exit(code)


def _run(worker: "Worker", log: TextIO | None) -> "WorkerReport":
    """Run it; the user's code has ended then, and what is said of the end waits for no reader."""
    try:
        return worker.run(signals=True)
    finally:
        sys.stderr = log or sys.stderr


def _sign(record: logging.LogRecord) -> bool:
    """Workers of one node write to one log: each line tells whose it is."""
    if "pid" not in vars(record):
        vars(record)["pid"] = os.getpid()
        record.msg, record.args = f"[{os.getpid()}] {record.getMessage()}", None
    return True


def _exit_of(report: "WorkerReport") -> "WorkerExit":
    """Why a supervised worker ended."""
    from jobhost.worker.exit_codes import WorkerExit

    if report.retired:
        return WorkerExit.RETIRED
    if report.stopped:
        return WorkerExit.STOPPED
    if report.recycled:
        return WorkerExit.RECYCLED
    return WorkerExit.FINISHED if report.ended else WorkerExit.IDLE


def _without_processes(arguments: list[str]) -> list[str]:
    """The command line of one worker, from that of its node."""
    rest: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument == "--processes":
            next(given, None)
        elif not argument.startswith("--processes="):
            rest.append(argument)
    return rest


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
