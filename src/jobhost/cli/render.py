"""What people and programs get to read.

Names, reasons, errors and values come from jobs: they are shown as text, never as Rich
markup, and without the characters that a terminal would obey.
"""

import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from jobhost.plurals import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jobhost.jobs.notes import ItemReport
    from jobhost.jobs.outcomes import ErrorInfo
    from jobhost.jobs.records import Attempt, JobRecord

PIPE_COLUMNS: Final = 100_000
"""Width where no terminal sets one: wide enough that a program never gets a cell cut or folded."""

VALUE_CHARS_MAX: Final = 2000
"""Of an argument or a result shown to people; `--json` shows all of it."""

ID_CHARS: Final = 36

_OBEYED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that steer a terminal: controls, direction marks, surrogates, separators."""

_NOT_PLAIN: Final = re.compile(r"[^ -~]")
_ESCAPED_IN_JSON: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def clean(text: str, *, lines: bool = False) -> str:
    """Text that a terminal only shows; with `lines` line ends stay, else it becomes one line."""
    if not lines:
        text = " ".join(text.split())
    return _NOT_PLAIN.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    if char == "\n":
        return char
    if char == "\t":
        return "    "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _OBEYED else char


def put(text: str) -> None:
    """A line, or a page, for stdout. A reader that has gone away has had enough."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except OSError as error:
        # What is still buffered must not fail a second time when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            raise typer.Exit from None
        raise


def put_json(value: Any, *, line: bool = False) -> None:
    """A value as JSON for stdout: indented on a terminal, else, or as one `line` of many, on one
    line."""
    encoding = sys.stdout.encoding or "ascii"
    text = json.dumps(
        value,
        ensure_ascii=not encoding.lower().startswith("utf"),
        indent=2 if sys.stdout.isatty() and not line else None,
    )
    put(_ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def put_page(*parts: "RenderableType") -> None:
    """Tables and texts for people: coloured and fitted on a terminal, plain and whole elsewhere."""
    from rich.console import Console

    page = io.StringIO()
    terminal = sys.stdout.isatty()
    console = Console(
        file=page,
        force_terminal=terminal,
        width=None if terminal else PIPE_COLUMNS,
        markup=False,
        highlight=False,
        emoji=False,
    )
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    put("\n".join(line.rstrip() for line in page.getvalue().splitlines()))


def tell(sentence: str) -> None:
    """One sentence for stderr."""
    if sys.stderr is not None:
        sys.stderr.write(f"jobhost: {clean(sentence)}\n")


def put_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows of text as a table."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    put_page(table)


def put_listing(jobs: Sequence["JobRecord"], next_page: int | None) -> None:
    """A page of jobs as a table."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    table.add_column("id", no_wrap=True, min_width=ID_CHARS)
    some_told = any(job.progress is not None for job in jobs)
    heads = ("state", "task", "queue", "created", *(["progress"] if some_told else []), "reason")
    for name in heads:
        table.add_column(name, overflow="fold")
    for job in jobs:
        told = "" if job.progress is None else job.progress.brief
        table.add_row(
            str(job.id), _state(job), clean(job.task), clean(job.queue), _moment(job.created_at),
            *([told] if some_told else []), clean(job.reason or ""),
        )  # fmt: skip
    put_page(table)
    if next_page is not None:
        tell(f"there are more: go on with --before {next_page}")


def put_job(job: "JobRecord", attempts: Sequence["Attempt"]) -> None:
    """Everything about one job."""
    from rich.padding import Padding
    from rich.table import Table

    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(job):
        if value:
            facts.add_row(name, clean(value))
    parts: list[RenderableType] = [facts]
    if job.progress is not None and job.progress.items is not None:
        parts.append("\n" + "\n".join(_items(job.progress.items)))
    for attempt in attempts:
        parts.append(f"\n{_headline(attempt)}")
        if attempt.error is not None and attempt.error.traceback:
            parts.append(Padding(clean(attempt.error.traceback.rstrip(), lines=True), (0, 0, 0, 4)))
    put_page(*parts)


def as_json(job: "JobRecord", attempts: Sequence["Attempt"]) -> dict[str, Any]:
    """Everything about one job as plain values."""
    from jobhost.jobs.records import attempt_to_json

    return {
        **job.to_json(),
        "options": _options(job),
        "arguments": json.loads(job.payload),
        "result": None if job.result is None else json.loads(job.result),
        "progress": None if job.progress is None else job.progress.to_json(),
        "attempts": [attempt_to_json(attempt) for attempt in attempts],
    }


def _facts(job: "JobRecord") -> list[tuple[str, str]]:
    envelope = job.envelope
    counts = [
        counted(job.deliveries, "delivery", "deliveries"),
        counted(job.failures, "failure"),
        counted(job.crashes, "crash", "crashes"),
    ]
    return [
        ("id", str(job.id)),
        ("number", str(job.number)),
        ("task", job.task),
        ("queue", f"{job.queue}, priority {job.priority}"),
        ("state", _state(job)),
        ("reason", job.reason or ""),
        ("created", _moment(job.created_at)),
        ("due", _moment(job.due_at)),
        ("claimed", _moment(job.claimed_at)),
        ("ended", _moment(job.ended_at)),
        ("worker", job.worker or ""),
        ("unique key", _unique_key(job)),
        ("idempotency key", _idempotency_key(job)),
        ("progress", "" if job.progress is None else str(job.progress)),
        ("counts", f"{', '.join(counts)}; epoch {job.epoch}"),
        ("trigger", f"{envelope.trigger_kind}: {envelope.trigger_detail}"),
        ("parent", str(job.parent or "")),
        ("correlation", job.correlation_id),
        ("tags", ", ".join(envelope.tags)),
        ("headers", _value(dict(envelope.headers)) if envelope.headers else ""),
        ("options", _value(_options(job)) if _options(job) else ""),
        ("arguments", _brief(job.payload)),
        ("result", _brief(job.result or "")),
        ("error", _error(job.error)),
    ]


def _unique_key(job: "JobRecord") -> str:
    if job.unique_key is None:
        return ""
    return f"{job.unique_key}, taken until its {job.unique_until}"


def _idempotency_key(job: "JobRecord") -> str:
    if job.idempotency_key is None:
        return ""
    return f"{job.idempotency_key}, for repeats until {_moment(job.idempotency_until)}"


def _items(report: "ItemReport") -> Iterator[str]:
    """The report of a batch, with the items that failed."""
    yield f"items: {report.verdict}"
    for failure in report.failures:
        yield f"    {clean(failure.item)}: {clean(failure.error)}"
    if (more := report.failed - len(report.failures)) > 0:
        yield f"    and {more:,} more"


def _options(job: "JobRecord") -> dict[str, Any]:
    """The policies that the call itself gave; without them those of the task hold."""
    from jobhost.jobs.options import Unset

    envelope = job.envelope
    given: dict[str, Any] = {}
    if envelope.retry is not None:
        given["retry"] = envelope.retry.to_json()
    if not isinstance(envelope.timeout_seconds, Unset):
        given["timeout_seconds"] = envelope.timeout_seconds
    if not isinstance(envelope.stalled_seconds, Unset):
        given["stalled_seconds"] = envelope.stalled_seconds
    return given


def _state(job: "JobRecord") -> str:
    asked = job.cancel_requested and not job.is_final
    return f"{job.state}, cancel requested" if asked else str(job.state)


def _headline(attempt: "Attempt") -> str:
    from jobhost.durations import format_seconds

    parts = [f"attempt {attempt.epoch}: {attempt.outcome} {_moment(attempt.ended_at)}"]
    if attempt.duration_seconds is not None:
        parts.append(f"after {format_seconds(attempt.duration_seconds)}")
    if attempt.worker is not None:
        parts.append(f"on {attempt.worker}")
    if attempt.error is not None:
        parts.append(_error(attempt.error))
    return clean(", ".join(parts))


def _error(error: "ErrorInfo | None") -> str:
    return "" if error is None else f"{error.type}: {error.message}"


def _value(value: Any) -> str:
    return _brief(json.dumps(value, ensure_ascii=False))


def _brief(text: str) -> str:
    if len(text) <= VALUE_CHARS_MAX:
        return text
    return f"{text[:VALUE_CHARS_MAX]} … ({len(text):,} characters; --json shows all)"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
