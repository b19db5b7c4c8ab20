"""What a job logs: a bounded book of lines for each attempt, and the handler that fills it from
Python's `logging`.

The handler stands at the root logger beside the user's own. It changes no level and no other
handler; what loggers and their filters let through reaches it like them.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from jobhost.host.current import running_job
from jobhost.host.notes import Notes
from jobhost.jobs.outcomes import storable
from jobhost.store.plans.notes import Written

FIRST_LINES: Final = 200
FIRST_BYTES: Final = 64 * 1024
"""How a job began is kept: what it was given, and how it set out."""

LAST_LINES: Final = 800
LAST_BYTES: Final = 192 * 1024
"""And the newest: how it ended, or what it does now. Together a log is as long as a long page, and
a job that logs without end costs the store no more."""

LINE_CHARS: Final = 8_000
"""Of one line, tracebacks included; the rest is left out in the middle."""

_HANDLERS: Final = threading.Lock()
"""Of two workers in one process that come or go at once."""

_OWN: Final = "jobhost"
"""What jobhost logs about a job is in its attempts, and in the worker's log."""


class Page(NamedTuple):
    """New lines, and those before that are not to be kept any more: from the first up to but not
    the second."""

    lines: Sequence[Written]
    dropped: tuple[int, int] | None


class LogBook:
    """The lines of one attempt that are on their way, and which of them are kept. Its owner locks.

    Lines are numbered from 0. The first ones are kept, up to FIRST_LINES and FIRST_BYTES; of those
    after them the last, up to LAST_LINES and LAST_BYTES. A gap in the numbers tells readers how
    many were left out.
    """

    def __init__(self) -> None:
        self._next = 0
        self._first: deque[Written] = deque()
        self._first_bytes = 0
        self._beyond_first: int | None = None
        self._last: deque[Written] = deque()
        self._kept: deque[tuple[int, int]] = deque()
        self._kept_bytes = 0
        self._sent_up_to = 0
        self._dropped_up_to = 0

    def add(self, written_at: int, level: str, source: str, message: str) -> None:
        """The next line."""
        written = Written(self._next, written_at, level, source, _bounded(message))
        self._next += 1
        size = len(written.message)
        if self._beyond_first is None:
            if written.line < FIRST_LINES and self._first_bytes + size <= FIRST_BYTES:
                self._first_bytes += size
                self._first.append(written)
                return
            self._beyond_first = written.line
        self._last.append(written)
        self._kept.append((written.line, size))
        self._kept_bytes += size
        while len(self._kept) > LAST_LINES or self._kept_bytes > LAST_BYTES:
            line, size = self._kept.popleft()
            self._kept_bytes -= size
            if self._last and self._last[0].line == line:
                self._last.popleft()

    def take(self) -> Page:
        """What is new; nothing of it is given a second time."""
        lines = [*self._first, *self._last]
        self._first.clear()
        self._last.clear()
        dropped = self._gap()
        if lines:
            self._sent_up_to = lines[-1].line + 1
        return Page(lines, dropped)

    def put_back(self, page: Page) -> None:
        """It could not be written: it is new again, but for what is not kept any more."""
        oldest = self._kept[0][0] if self._kept else 0
        last = [line for line in page.lines if not self._is_first(line) and line.line >= oldest]
        self._first.extendleft(line for line in reversed(page.lines) if self._is_first(line))
        self._last.extendleft(reversed(last))
        if page.dropped is not None:
            self._dropped_up_to = page.dropped[0]

    def _is_first(self, written: Written) -> bool:
        return self._beyond_first is None or written.line < self._beyond_first

    def _gap(self) -> tuple[int, int] | None:
        """Lines that stand in the store and are not kept any more."""
        if self._beyond_first is None or not self._kept:
            return None
        first = max(self._beyond_first, self._dropped_up_to)
        beyond = min(self._kept[0][0], self._sent_up_to)
        if beyond <= first:
            return None
        self._dropped_up_to = beyond
        return first, beyond


class JobLogHandler(logging.Handler):
    """Hands the records of running jobs to their books.

    Args:
        level: The least that is kept.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter("%(message)s"))

    def enter(self) -> None:
        """Stand at the root logger, before the others: one of them may add to a message what is
        meant for its own lines. The list is replaced, not changed: another thread may be walking
        along it, and would come by a handler twice or not at all."""
        root = logging.getLogger()
        with _HANDLERS:
            root.handlers = [self, *root.handlers]

    def leave(self) -> None:
        """Stand there no more. Idempotent."""
        root = logging.getLogger()
        with _HANDLERS:
            root.handlers = [other for other in root.handlers if other is not self]

    def wants(self, notes: Notes) -> bool:
        """Whether these are notes of a job of this handler's own worker."""
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, if a job has made it. Never raises."""
        try:
            job = None if record.name.split(".", 1)[0] == _OWN else running_job()
            if job is not None and self.wants(job.notes):
                written_at = int(record.created * 1_000_000)
                job.notes.log(written_at, record.levelname, record.name, self.format(record))
        except Exception:  # noqa: BLE001 - as every handler: a record that fails is told, not raised
            self.handleError(record)
        self._act_as_last_resort(record)

    def _act_as_last_resort(self, record: logging.LogRecord) -> None:
        """Where no other handler is, logging prints warnings; it must not stop since this one has
        come."""
        resort = logging.lastResort
        if resort is None or record.levelno < resort.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(not isinstance(handler, JobLogHandler) for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        resort.handle(record)


def _bounded(message: str) -> str:
    if len(message) > LINE_CHARS:
        half = LINE_CHARS // 2
        left_out = len(message) - 2 * half
        message = f"{message[:half]}\n… {left_out:,} characters left out …\n{message[-half:]}"
    return storable(message)
