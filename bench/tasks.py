"""The host of the measured workers, and the tasks they run."""

import asyncio
import logging
import os
from typing import Final

from bench.records import RECORDS_VARIABLE, Kind, Pen
from jobhost import JobHost, current_job

REPORTS: Final = 100
"""Times that a job of `note_often` says how far it has come."""

host = JobHost()
"""Its store's address comes from outside: a worker has --url, a producer its order."""

_pen = Pen(os.environ.get(RECORDS_VARIABLE))
_log = logging.getLogger(__name__)


@host.task
async def note(seq: int, sent_ns: int, pad: str) -> None:
    """Does nothing but tell that it ran."""
    _pen.write(Kind.START, seq, sent_ns)


@host.task
def note_plain(seq: int, sent_ns: int, pad: str) -> None:
    """The same as a plain function, which runs in a thread."""
    _pen.write(Kind.START, seq, sent_ns)


@host.task
async def work(seq: int, sent_ns: int, pad: str) -> None:
    """Takes a little while, so that a kill finds it running."""
    _pen.write(Kind.START, seq, sent_ns)
    await asyncio.sleep(0.02)
    _pen.write(Kind.END, seq, sent_ns)


@host.task
async def linger(seq: int, sent_ns: int, pad: str) -> None:
    """Takes so long that whoever looks finds it running."""
    _pen.write(Kind.START, seq, sent_ns)
    await asyncio.sleep(1.0)
    _pen.write(Kind.END, seq, sent_ns)


@host.task
async def stint(seq: int, sent_ns: int, pad: str) -> None:
    """Takes 10 to 30 ms: jobs that began together do not end together."""
    _pen.write(Kind.START, seq, sent_ns)
    await asyncio.sleep(0.01 + 0.001 * (seq % 21))
    _pen.write(Kind.END, seq, sent_ns)


@host.task(executor="process")
def note_apart(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note_plain` in a process of its jobs."""
    _pen.write(Kind.START, seq, sent_ns)


@host.task(idempotency_key="call-{seq}")
async def note_idempotent(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, each call with a key of its own."""
    _pen.write(Kind.START, seq, sent_ns)


@host.task(unique="thing-{seq}")
async def note_unique(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, each job with a unique key."""
    _pen.write(Kind.START, seq, sent_ns)


@host.task(stalled_after="1m")
async def note_alive(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, with a sign of life."""
    _pen.write(Kind.START, seq, sent_ns)
    current_job().heartbeat()


@host.task
async def note_progress(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, and says once how far it has come."""
    _pen.write(Kind.START, seq, sent_ns)
    current_job().progress(1, 1)


@host.task
async def note_often(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, and says time and again how far it has come."""
    _pen.write(Kind.START, seq, sent_ns)
    job = current_job()
    for done in range(REPORTS):
        job.progress(done + 1, REPORTS)


@host.task
async def note_log(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, and logs one line."""
    _pen.write(Kind.START, seq, sent_ns)
    _log.info("job %d", seq)


@host.task
async def note_checkpoint(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, and keeps a state."""
    _pen.write(Kind.START, seq, sent_ns)
    await current_job().acheckpoint({"seq": seq})


@host.task
async def note_completion(seq: int, sent_ns: int, pad: str) -> None:
    """The same as `note`, and completes in a transaction of its own."""
    _pen.write(Kind.START, seq, sent_ns)
    async with current_job().transaction():
        pass


mark = host.command("mark", ["sh", "-c", 'echo >> "$1"', "sh", "{file}"])
"""A program as small as they come; its record is a file, see `records.mark_of`."""


@host.task
async def rest(seq: int, sent_ns: int, pad: str) -> None:
    """For rows that only fill the store: leaves no record."""
