"""Ends waits for a server that does not answer.

The server's own time-outs end what it still works on. They do not help when its process hangs
while the kernel goes on acknowledging, and nothing in the driver does. So one thread of the
process looks after the statements that are under way: one that is overdue is cancelled, and if
that does not help its socket is shut, which ends the wait in a lost connection.
"""

import os
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import Any, Final

import psycopg

_LOOK_SECONDS: Final = 1.0
_CANCEL_SECONDS: Final = 1.0
"""Time that a cancel has to reach the server, and again for the statement to end."""


class Wait:
    """The waits of one connection, of which at most one is going on.

    Whoever looks holds the lock until the cancel has reached the server: it never meets the next
    statement, which begins after this one has ended. The thread of the statement may be a signal
    handler's too, so that the lock is one that a thread can take twice.

    Args:
        seconds: Longest wait for one statement.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = self._usual = seconds
        self._lock = threading.RLock()
        self._deadline: float | None = None
        self._raw: psycopg.Connection[Any] | None = None
        self._socket = 0
        self._cancelled = False

    @property
    def hurried(self) -> bool:
        """Whether waits are shorter than usual."""
        return self.seconds < self._usual

    def begin(self, raw: "psycopg.Connection[Any]", at_least: float = 0.0) -> None:
        """A statement goes to the server; a slow one may take longer than others."""
        with self._lock:
            if raw is not self._raw:
                self._raw, self._socket = raw, _identity(raw)
            self._cancelled = False
            self._deadline = time.monotonic() + max(self.seconds, at_least)

    def end(self) -> None:
        """Its answer has come, or an error."""
        with self._lock:
            self._deadline = None

    def shorten(self, seconds: float) -> None:
        """No wait is longer than this from now on, one that is going on included. From any
        thread, and from a signal handler."""
        with self._lock:
            self.seconds = min(self.seconds, seconds)
            if self._deadline is not None:
                self._deadline = min(self._deadline, time.monotonic() + seconds)

    def relax(self) -> None:
        """Whoever was in a hurry is done: waits are as long as usual again."""
        with self._lock:
            self.seconds = self._usual

    def look(self, now: float) -> None:
        """Cancel what is overdue; shut the connection if that did not help."""
        with self._lock:
            deadline, raw = self._deadline, self._raw
            if deadline is None or raw is None or now < deadline:
                return
            if not self._cancelled:
                self._cancelled = True
                self._deadline = now + _CANCEL_SECONDS
                try:
                    raw.cancel_safe(timeout=_CANCEL_SECONDS)
                except (psycopg.Error, OSError):
                    # It may still be on its way, to whichever statement it meets.
                    self._shut(raw)
            else:
                self._shut(raw)

    def _shut(self, raw: "psycopg.Connection[Any]") -> None:
        with suppress(OSError, psycopg.Error):
            _shut(raw.fileno(), self._socket)


class Watchdog:
    """Looks after the waits of one process, from a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: weakref.WeakSet[Wait] = weakref.WeakSet()
        threading.Thread(target=self._run, name="jobhost-watchdog", daemon=True).start()

    def watch(self, wait: Wait) -> None:
        """Look after these waits for as long as they exist."""
        with self._lock:
            self._waits.add(wait)

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                waits = list(self._waits)
            now = time.monotonic()
            for wait in waits:
                wait.look(now)


class _Process:
    """The watchdog of this process, started by its first use. A forked child begins anew: the
    thread stayed behind, and whoever held the lock may have done so too."""

    def __init__(self) -> None:
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """There is none yet."""
        self._lock = threading.Lock()
        self._watchdog: Watchdog | None = None

    def watchdog(self) -> Watchdog:
        """The one of this process."""
        with self._lock:
            if self._watchdog is None:
                self._watchdog = Watchdog()
            return self._watchdog


_process: Final = _Process()


def watch(wait: Wait) -> None:
    """Have the process's watchdog look after these waits."""
    _process.watchdog().watch(wait)


def _identity(raw: "psycopg.Connection[Any]") -> int:
    """The inode of its socket, which no other socket of this machine has while it is open; 0 for
    a connection that has just broken."""
    try:
        return os.fstat(raw.fileno()).st_ino
    except (OSError, psycopg.Error):
        return 0


def _shut(handle: int, identity: int) -> None:
    """Shut a socket that libpq owns, without closing its descriptor. libpq may have closed it just
    now, and the number may be another file's: only the socket that was meant is shut."""
    with socket.socket(fileno=os.dup(handle)) as shared:
        if os.fstat(shared.fileno()).st_ino == identity:
            shared.shutdown(socket.SHUT_RDWR)
