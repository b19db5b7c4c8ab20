"""The exit codes: one table, used by every command and printed by `jobhost --help`."""

import logging
import os
import sys
import threading
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from jobhost import errors
from jobhost.cli.render import tell

if TYPE_CHECKING:
    from jobhost.worker.worker import WorkerReport


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    JOB_DEAD = 1
    WRONG_USE = 2
    STORE = 3
    NOT_FOUND = 4
    CANCELLED = 5
    NOT_ENDED = 6
    UNWELL = 7
    EXPIRED = 8
    AT_ONCE = 70
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.DONE: "done; for a job: it succeeded",
    Exit.JOB_DEAD: "the job failed for good (dead); for the demo: not all was as promised",
    Exit.WRONG_USE: "wrong use, or a job in a state that does not allow it",
    Exit.STORE: "the store, or a file, could not do it, or the queue is full",
    Exit.NOT_FOUND: "there is no such job, node or queue",
    Exit.CANCELLED: "the job was cancelled",
    Exit.NOT_ENDED: "the job, or node, has not ended yet: --timeout, a retry or a snooze",
    Exit.UNWELL: "the doctor found a warning or a problem",
    Exit.EXPIRED: "there is no such job any more: one so old has been deleted",
    Exit.AT_ONCE: "a second signal ended the process before all was recorded",
    Exit.INTERRUPTED: "interrupted; a job that had not ended goes on later",
}

_FLUSH_SECONDS: Final = 1.0

_BY_ERROR: Final[tuple[tuple[type[errors.JobhostError], Exit], ...]] = (
    (errors.StoreError, Exit.STORE),
    (errors.QueueFull, Exit.STORE),
    (errors.JobExpired, Exit.EXPIRED),
    (errors.JobNotFound, Exit.NOT_FOUND),
    (errors.JobDead, Exit.JOB_DEAD),
    (errors.JobCancelled, Exit.CANCELLED),
    (errors.ResultTimeout, Exit.NOT_ENDED),
)
"""All others are wrong use."""


class CommandError(Exception):
    """A command could not do it: one sentence for stderr, and the exit code."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.code = code


def exit_of(error: errors.JobhostError) -> Exit:
    """The exit code that stands for an error of the library."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return Exit.WRONG_USE


def table() -> str:
    """The codes with their meanings, one a line."""
    return "\n".join(f"{code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())


def leave_threads_behind(report: "WorkerReport", code: Exit, sentence: str | None = None) -> None:
    """End the process here and now if a normal exit could hang; else return.

    A job's code that still runs, or a thread that it left behind, would hold up a normal exit
    for ever: then nobody waits for it, and `atexit` is skipped. `sentence` is told before.
    """
    if report.released or report.retired or _threads_are_left():
        if sentence is not None:
            tell(sentence)
        flush()
        os._exit(code)


def flush() -> None:
    """Write out what is buffered, before this program ends or is replaced; a pipe that nobody
    reads is not waited for."""
    logging.shutdown()
    last = threading.Thread(target=_flush_streams, daemon=True)
    with suppress(RuntimeError):  # the system has no room for a thread
        last.start()
        last.join(_FLUSH_SECONDS)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _threads_are_left() -> bool:
    own = threading.current_thread()
    return any(thread is not own and not thread.daemon for thread in threading.enumerate())
