"""`jobhost jobs show --watch`: how far a job is, until it has ended."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from jobhost.cli.leaving import left_by_signals
from jobhost.cli.render import clean, put, put_json, tell
from jobhost.errors import StoreError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jobhost.app import JobHost
    from jobhost.jobs.records import JobRecord

_LOOK_SECONDS: Final = 0.5
"""Between looks: as often as a worker writes what its jobs tell."""

_BAR_CHARS: Final = 40


def watch_job(host: "JobHost", job_id: str, *, json_output: bool) -> bool:
    """Show a job's changes until it has ended; whether it has, and nobody has left before.

    Raises JobNotFound, also for a job that is deleted meanwhile.
    """
    with left_by_signals():
        if not json_output and sys.stdout.isatty():
            _on_terminal(host, job_id)
        else:
            _line_by_line(host, job_id, json_output=json_output)
        return True
    return False


def _line_by_line(host: "JobHost", job_id: str, *, json_output: bool) -> None:
    for found in _changes(host, job_id):
        if isinstance(found, StoreError):
            tell(f"the store could not be asked, and is asked again: {found}")
        elif not found.is_final:  # how it has ended is told with everything else
            if json_output:
                put_json(found.to_json(), line=True)
            else:
                put(clean(_words(found)))


def _on_terminal(host: "JobHost", job_id: str) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(markup=False, highlight=False, emoji=False)
    latest: JobRecord | None = None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for found in _changes(host, job_id):
            if isinstance(found, StoreError):
                live.update(_screen(latest, found), refresh=True)
            else:
                latest = found
                live.update(_screen(found, None), refresh=True)


def _screen(job: "JobRecord | None", trouble: StoreError | None) -> "RenderableType":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    parts: list[RenderableType] = []
    if trouble is not None:
        what = f"the store could not be asked, and is asked again: {trouble}"
        parts.append(Text(clean(what), style="bold red"))
    if job is not None:
        parts.append(Text(clean(f"{job.task} {job.id}   Ctrl-C leaves"), style="bold"))
        parts.append(Text(clean(_words(job))))
        if job.progress is not None and (fraction := job.progress.fraction) is not None:
            parts.append(ProgressBar(total=1.0, completed=fraction, width=_BAR_CHARS))
    return Group(*parts)


def _changes(host: "JobHost", job_id: str) -> "Iterator[JobRecord | StoreError]":
    """The job as it is, and whenever it has changed, to its end; and the error, once, of a store
    that cannot be asked. The first look must come through. Raises JobNotFound, StoreError."""
    last: JobRecord | None = None
    troubled = False
    while last is None or not last.is_final:
        if last is not None:
            time.sleep(_LOOK_SECONDS)
        try:
            found = host.job(job_id).status()
        except StoreError as error:
            if last is None:
                raise
            host.close()  # the next look connects anew
            if not troubled:
                yield error
            troubled = True
            continue
        if found != last or troubled:
            yield found
        last, troubled = found, False


def _words(job: "JobRecord") -> str:
    """State, attempt, progress and reason on one line."""
    told = "" if job.progress is None else job.progress.brief
    said = "" if job.progress is None else job.progress.message
    state = f"{job.state}, attempt {job.deliveries}" if job.deliveries else str(job.state)
    return "; ".join(part for part in (state, told, said, job.reason) if part)
