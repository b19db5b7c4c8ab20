"""What a running job says: kept in tables of their own, which no other job ever touches.

A note counts only from the attempt that holds the job: by job and epoch, under a live lease.
Progress and log lines also count from the attempt that the job has just ended with, since its last
words may come after its end; they change nothing but what people see.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from jobhost.clock import to_datetime
from jobhost.jobs.notes import LogLine, Told
from jobhost.store.plan import Plan, Row, Statement
from jobhost.store.plans.versions import set_version

EPOCHS_LOGGED: Final = 5
"""Attempts of one job whose log is kept, the newest: a job may come back for ever."""


class Written(NamedTuple):
    """A line of a job's log on its way: its number, when it was written, and what it says."""

    line: int
    written_at: int
    level: str
    source: str
    message: str


class Notes(NamedTuple):
    """What one attempt has to say since it last did.

    Args:
        job, epoch: Whose words these are.
        told: Its progress.
        lines: New lines of its log.
        dropped: Lines that are not to be kept any more: from the first up to but not the second.
    """

    job: int
    epoch: int
    told: Told | None = None
    lines: Sequence[Written] = ()
    dropped: tuple[int, int] | None = None


def take_down(notes: Sequence[Notes]) -> Plan[None]:
    """Write down what jobs say. What is said of a job that the worker has lost is left out."""
    if told := [_progress(note, note.told) for note in notes if note.told is not None]:
        yield Statement("tell_progress", {"told": json.dumps(told)})
    if lines := [_line(note, written) for note in notes for written in note.lines]:
        yield Statement("write_log", {"lines": json.dumps(lines)})
    for note in notes:
        if note.dropped is not None:
            first, beyond = note.dropped
            place = {"job": note.job, "epoch": note.epoch}
            yield Statement("trim_log", {**place, "first": first, "beyond": beyond})
        oldest = note.epoch - EPOCHS_LOGGED + 1
        if oldest > 1 and note.lines and note.lines[0].line == 0:
            yield Statement("forget_log", {"job": note.job, "epoch": oldest})


def save_checkpoint(job: int, epoch: int, state: str) -> Plan[bool]:
    """Keep what the next attempt gets. False: the job is not this attempt's any more."""
    kept = yield Statement("save_checkpoint", {"job": job, "epoch": epoch, "state": state})
    return bool(kept.rows)


def checkpoint_of(job: int) -> Plan[str | None]:
    """What an earlier attempt has left, as JSON; None for nothing."""
    found = yield Statement("checkpoint_of", {"job": job})
    return None if found.first is None else str(found.first[0])


def replace_payload(
    job: int, epoch: int, payload: str, *, version: int | None = None
) -> Plan[bool]:
    """Have the next delivery get this payload; the former stays in `revision`. False: the job is
    not this attempt's any more.

    Args:
        version: That of the new payload, if it is another one.
    """
    place = {"job": job, "epoch": epoch}
    reason = f"replaced by attempt {epoch}"
    yield Statement("keep_own_revision", {**place, "reason": reason})
    kept = yield Statement("replace_own_payload", {**place, "payload": payload})
    if kept.rows and version is not None:
        yield from set_version(job, version)
    return bool(kept.rows)


def log_of(job_id: bytes, after: tuple[int, int] = (0, -1)) -> Plan[list[LogLine]]:
    """What a job has logged, in order, after this epoch and line. Bounded as a log is."""
    epoch, line = after
    found = yield Statement("log_of", {"id": job_id, "epoch": epoch, "line": line})
    return list(_lines(found.rows, after))


def _lines(rows: Sequence[Row], after: tuple[int, int]) -> Iterator[LogLine]:
    last = after
    for epoch, line, written_at, level, source, message in rows:
        expected = last[1] + 1 if epoch == last[0] else 0
        last = (epoch, line)
        yield LogLine(
            epoch=epoch,
            line=line,
            written_at=to_datetime(written_at),
            level=level,
            source=source,
            message=message,
            left_out=line - expected,
        )


def _progress(note: Notes, told: Told) -> dict[str, object]:
    return {"job": note.job, "epoch": note.epoch, **told._asdict()}


def _line(note: Notes, written: Written) -> dict[str, object]:
    return {"job": note.job, "epoch": note.epoch, **written._asdict()}
