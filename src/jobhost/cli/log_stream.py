"""Where the log goes. A log that nobody reads holds up nobody: a pipe takes some pages, a terminal
may be halted, and whoever writes more would wait for ever.

While there is room a line is written at once, so that it is there whatever happens next. What
finds no room waits in memory for a thread that writes it, in order; and when that is full too,
lines are left out, and the log says how many.
"""

import atexit
import io
import os
import select
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_BYTES_MAX: Final = 1_000_000
"""What may wait in memory: some thousand lines."""

_SETTLE_SECONDS: Final = 1.0
"""How long the end of the process waits for whoever reads, in all."""


class LogStream(io.TextIOBase):
    """Text for a file descriptor, in UTF-8. Writing never waits; a forked child, which has no
    thread and may end without notice, writes as any program does.

    Args:
        handle: The descriptor; it stays its owner's.
        left_out: Words how many lines were left out, as a line of the log.
    """

    encoding = "utf-8"

    def __init__(self, handle: int, left_out: Callable[[int], str]) -> None:
        super().__init__()
        self._handle = handle
        self._word = left_out
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        """Of what waits and of what is being written."""
        self._left_out = 0
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._settle_seconds = _SETTLE_SECONDS
        self._forked = False
        forget = weakref.WeakMethod(self._after_fork)
        os.register_at_fork(after_in_child=lambda: (own := forget()) and own())
        atexit.register(self.settle)

    def write(self, text: str) -> int:
        """Write a line, or leave it out."""
        line = text.encode("utf-8", "backslashreplace")
        if self._forked:
            _write(self._handle, line)
            return len(text)
        with self._change:
            if not self._bytes:
                line = line[_write_at_once(self._handle, line) :]
            if line:
                self._queue(line)
        return len(text)

    def settle(self) -> None:
        """Wait until all is written, but not for long: who does not read by then has lost it."""
        begun = time.monotonic()
        with self._change:
            self._change.wait_for(lambda: not self._bytes or self._forked, self._settle_seconds)
            waited = time.monotonic() - begun
            self._settle_seconds = max(0.0, self._settle_seconds - waited)

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal's."""
        return os.isatty(self._handle)

    def fileno(self) -> int:
        """The descriptor."""
        return self._handle

    def _queue(self, line: bytes) -> None:
        """Once something was left out, half of the room has to be free before it goes on."""
        most = _BYTES_MAX // 2 if self._left_out else _BYTES_MAX
        if self._bytes and self._bytes + len(line) > most:
            self._left_out += 1
            return
        self._tell_left_out()
        self._append(line)
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="jobhost-log", daemon=True)
            with suppress(RuntimeError):  # the system has no room for it: the next line tries again
                thread.start()
                self._thread = thread

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)
        self._change.notify_all()

    def _tell_left_out(self) -> None:
        if self._left_out:
            count, self._left_out = self._left_out, 0
            self._append(self._word(count).encode())

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._lines)
                line = self._lines.popleft()
            _write(self._handle, line)
            with self._change:
                self._bytes -= len(line)
                if not self._lines:
                    self._tell_left_out()
                self._change.notify_all()

    def _after_fork(self) -> None:
        """What waits is the parent's to write, and the lock may be held by a thread of it."""
        self._forked = True
        self._change = threading.Condition()


def _write_at_once(handle: int, line: bytes) -> int:
    """How much of it could be written without a wait: none where the system cannot tell."""
    if sys.platform != "linux":
        return 0
    try:
        return os.pwritev(handle, [line], -1, os.RWF_NOWAIT)
    except OSError:
        return 0


def _write(handle: int, line: bytes) -> None:
    """Write all of it, however long that takes; nothing more once nobody can read it."""
    while line:
        try:
            line = line[os.write(handle, line) :]
        except BlockingIOError:  # somebody who shares it does not want to wait
            room = select.poll()
            room.register(handle, select.POLLOUT)
            room.poll()
        except OSError:
            return
