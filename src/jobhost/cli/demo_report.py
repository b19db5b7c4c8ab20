"""What the demo shows: progress, and at the end numbers that were counted, not assumed."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from jobhost.cli.render import clean, put, put_page
from jobhost.jobs.states import State

if TYPE_CHECKING:
    import rich.progress

    from jobhost.cli.demo_crew import Killed
    from jobhost.host.job import Job


SECONDS_MIN: Final = 1e-6
"""A single job may seem to take no time at all; a rate still needs some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Numbers of files and jobs, and what was not as promised, as sentences.

    `rate` is in jobs a second, `damaged` files have bytes that are no UTF-8, and
    `unrecorded` jobs were done at the kill, but the store had not heard of it.
    """

    killed: bool
    files: int
    damaged: int
    rate: float
    started_again: int
    unrecorded: int
    finished_twice: int
    lost: int
    problems: Sequence[str]


def measure(
    index: Any, files: Sequence[Path], jobs: "Sequence[Job[Any]]", killed: "Killed | None"
) -> Measured:
    """Count by the index's ledger what ran, and hold it against the store.

    Args:
        index: The index, and its ledger.
        files: What was to be indexed; `jobs` in the same order.
        killed: The worker that was killed, if one was.
    """
    ledger = index.ledger()
    starts = Counter(entry.run.job for entry in ledger if entry.event == "started")
    finishes = Counter(entry.run.job for entry in ledger if entry.event == "finished")
    indexed = index.paths()
    at_the_kill: frozenset[str] = frozenset() if killed is None else killed.jobs
    again = {name for name, count in starts.items() if count > 1}
    crashed, twice, lost = set(), set(), set()
    damaged = 0
    for file, job in zip(files, jobs, strict=True):
        name, record, attempts = str(job.id), job.status(), job.attempts()
        if any(a.outcome == "crashed" and _was_in(killed, a.worker) for a in attempts):
            crashed.add(name)
        if finishes[name] > 1 or sum(a.outcome == "succeeded" for a in attempts) > 1:
            twice.add(name)
        if record.state is not State.SUCCEEDED or not finishes[name] or str(file) not in indexed:
            lost.add(name)
        damaged += bool(json.loads(record.result or "{}").get("damaged"))
    problems = {
        "ran at the kill and did not start again": at_the_kill - again,
        "ran at the kill, and the store does not know that": at_the_kill - crashed,
        "started again, but did not run at the kill": again - crashed,
        "finished twice": twice,
        "lost": lost,
    }
    return Measured(
        killed=killed is not None,
        files=len(files),
        damaged=damaged,
        rate=len(finishes) / max(ledger[-1].at - ledger[0].at, SECONDS_MIN),
        started_again=len(again),
        unrecorded=len((again & crashed) - at_the_kill),
        finished_twice=len(twice),
        lost=len(lost),
        problems=[f"{len(which)} of the jobs {what}" for what, which in problems.items() if which],
    )


def _was_in(killed: "Killed | None", worker: str | None) -> bool:
    """Whether a worker, named as `host:pid`, was the killed process."""
    if killed is None or worker is None:
        return False
    return worker.rpartition(":")[2] == str(killed.pid)


def put_measured(measured: Measured) -> None:
    """The table at the end."""
    from rich.table import Table

    again = "those of the killed worker" if measured.killed else "no worker was killed"
    if measured.unrecorded:
        again += f"; {measured.unrecorded} done but not recorded, and not done twice"
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right", style="bold")
    table.add_column()
    damaged = f"{measured.damaged} with bytes that are no UTF-8" if measured.damaged else ""
    table.add_row("files", f"{measured.files:,}", damaged)
    span = "from first start to last end" + (", with the kill" if measured.killed else "")
    table.add_row("jobs/s", f"{measured.rate:,.0f}", span)
    table.add_row("started again", str(measured.started_again), again)
    table.add_row("finished twice", str(measured.finished_twice))
    table.add_row("lost", str(measured.lost))
    put_page("", table)


def put_answer(query: str, hits: Sequence[Any], above: Path) -> None:
    """What the search found, a line each."""
    from rich.text import Text

    lines = [
        Text(
            f"  {clean(str(Path(hit.path).relative_to(above)))}:{hit.line}  {clean(hit.text)}",
            no_wrap=True,
            overflow="ellipsis",
        )
        for hit in hits
    ]
    put_page("", f"Search for {clean(query)!r}: " + ("" if hits else "found nowhere"), *lines)


class Progress(Protocol):
    """Where the run tells how far it is."""

    def done(self, count: int) -> None:
        """So many jobs are done."""
        ...

    def say(self, text: str) -> None:
        """Something happened."""
        ...


@contextmanager
def show_progress(total: int) -> Iterator[Progress]:
    """A live bar, or without a terminal a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
    from rich.progress import Progress as LiveBar

    console = Console(markup=False, highlight=False, emoji=False)
    if not (sys.stdout.isatty() and console.is_interactive):
        yield _Lines(total)
        return
    with LiveBar(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console) as bar:
        yield _Bar(bar, total)


class _Bar:
    """On a terminal."""

    def __init__(self, bar: "rich.progress.Progress", total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def done(self, count: int) -> None:
        self._bar.update(self._task, completed=count)

    def say(self, text: str) -> None:
        self._bar.console.print(text)


class _Lines:
    """Elsewhere: a line for each quarter."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._quarters = 0

    def done(self, count: int) -> None:
        if (quarters := count * 4 // self._total) > self._quarters:
            self._quarters = quarters
            put(f"{count:,} of {self._total:,} done")

    def say(self, text: str) -> None:
        put(text)
