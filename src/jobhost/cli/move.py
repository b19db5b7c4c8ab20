"""`jobhost move`: from an SQLite file to PostgreSQL, with all jobs and their history."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from jobhost.cli.exits import CommandError, Exit
from jobhost.cli.render import put, put_json, put_page
from jobhost.errors import UsageError
from jobhost.plurals import counted

if TYPE_CHECKING:
    import rich.progress

    from jobhost.store.move.mover import MoveReport, OnRows, Phase
    from jobhost.store.move.source import Source
    from jobhost.store.move.target import Target

SECONDS_MIN: Final = 1e-6
"""An empty store may seem to take no time at all; a rate still needs some."""

_WORDS: Final = {"copy": "Copying", "compare": "Comparing"}


def move(
    to_url: Annotated[
        str, typer.Option("--to", help="Address to move to: postgresql://user@host/database.")
    ],
    from_url: Annotated[
        str | None,
        typer.Option(
            "--from", help="Address to move from. Default: JOBHOST_URL, else sqlite:///jobhost.db."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, change nothing, show what would move.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the freeze of a move back that has not ended.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print JSON with stable keys.")
    ] = False,
) -> None:
    """Move a store from SQLite to PostgreSQL: all jobs, with their history and order.

    Stop the workers first; while one lives, nothing is changed. Producers may go on.
    The old store is frozen: it can be read, and who still writes to it gets an error
    that names the new address. Every table is copied, read back and compared. The new
    store must be empty; its schema is made if it has none.

    All arrives at once or not at all. After an error or a kill run the same command
    again: it ends in the same state, however often it was broken off.

    Examples:

      jobhost move --from sqlite:///app.db --to postgresql://shop@db.example/shop --dry-run
      jobhost move --from sqlite:///app.db --to postgresql://shop@db.example/shop
      jobhost move --from sqlite:///app.db --to postgresql://shop@db.example/shop --undo
    """
    if dry_run and undo:
        raise UsageError("--dry-run and --undo exclude each other: give one of them")
    from jobhost.store.move.mover import undo as take_back

    with _both_sides(from_url, to_url) as (source, target):
        if dry_run:
            report = _survey(source, target)
        elif undo:
            take_back(source, target)
            report = {"state": "taken back"}
        else:
            report = _move(source, target)
        report = {**report, "from": source.url, "to": target.url}
    if json_output:
        put_json(report)
    else:
        _put_report(report)


@contextmanager
def _both_sides(from_url: str | None, to_url: str) -> "Iterator[tuple[Source, Target]]":
    from jobhost.clock import SystemClock
    from jobhost.settings import Settings
    from jobhost.store.move.mover import open_source, open_target

    with ExitStack() as stack:
        source = open_source(Settings().url if from_url is None else from_url, SystemClock())
        stack.enter_context(closing(source))
        target = open_target(to_url, SystemClock())
        stack.enter_context(closing(target))
        yield source, target


def _survey(source: "Source", target: "Target") -> dict[str, Any]:
    from jobhost.store.move.mover import survey

    found = survey(source, target)
    state = "would be moved" if found.left else "was moved"
    return {
        "state": state,
        "rows": dict(found.rows),
        "workers": list(found.workers),
        "makes_schema": found.makes_schema,
    }


def _move(source: "Source", target: "Target") -> dict[str, Any]:
    from jobhost.store.move.mover import move as move_store
    from jobhost.store.move.mover import stays_frozen

    began = time.monotonic()
    try:
        with _progress(source) as on_rows:
            done: MoveReport = move_store(source, target, on_rows)
    except KeyboardInterrupt:
        if source.moved() is None:
            raise
        raise CommandError(f"interrupted; {stays_frozen(source)}", Exit.INTERRUPTED) from None
    if done.before:
        return {"state": "was moved"}
    return {"state": "moved", "rows": dict(done.rows), "seconds": time.monotonic() - began}


def _put_report(report: Mapping[str, Any]) -> None:
    rows = report.get("rows", {})
    if rows:
        _put_rows(rows)
    jobs = counted(rows.get("job", 0), "job")
    both = f"from {report['from']} to {report['to']}"
    if report["state"] == "would be moved":
        schema = ", where the schema would be made" if report["makes_schema"] else ""
        put(f"{jobs} would be moved {both}{schema}. Nothing was changed.")
        if workers := report["workers"]:
            put(f"Before that, stop {counted(len(workers), 'worker')}: {', '.join(workers)}.")
    elif report["state"] == "taken back":
        put(f"{report['from']} is in use again; {report['to']} has got nothing.")
    elif report["state"] == "was moved":
        put(f"All was moved before {both}: there is nothing to do.")
    else:
        seconds = max(report["seconds"], SECONDS_MIN)
        rate = sum(rows.values()) / seconds
        put(f"Moved {jobs} {both} and compared every row: {seconds:.1f} s, {rate:,.0f} rows/s.")
        put("Next: set JOBHOST_URL to the new address, and start producers and workers.")


def _put_rows(rows: Mapping[str, int]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    put_page(table)


@contextmanager
def _progress(source: "Source") -> "Iterator[OnRows]":
    """A live bar with a rate on stderr; nothing without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from jobhost.store.move.mover import count_rows

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if not console.is_interactive:
        yield lambda phase, rows: None
        return
    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate)
    total = sum(count_rows(source).values())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, total)


class _Bar:
    """One line for each phase."""

    def __init__(self, progress: "rich.progress.Progress", total: int) -> None:
        self._progress = progress
        self._total = total
        self._tasks: dict[Phase, rich.progress.TaskID] = {}

    def __call__(self, phase: "Phase", rows: int) -> None:
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(_WORDS[phase], total=self._total, rate="")
        number = self._tasks[phase]
        task = self._progress.tasks[number]
        done = task.completed + rows
        rate = f"{done / max(task.elapsed or 0.0, SECONDS_MIN):,.0f} rows/s"
        self._progress.update(number, completed=done, rate=rate)
