"""The host of the measured workers, and the tasks they run."""

import asyncio
import os

from bench.records import RECORDS_VARIABLE, Kind, Pen
from jobhost import JobHost

host = JobHost()
"""Its store's address comes from outside: a worker has --url, a producer its order."""

_pen = Pen(os.environ.get(RECORDS_VARIABLE))


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


@host.task
async def rest(seq: int, sent_ns: int, pad: str) -> None:
    """For rows that only fill the store: leaves no record."""
