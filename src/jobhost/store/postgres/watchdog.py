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

    Args:
        seconds: Longest wait for one statement.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = self._usual = seconds
        self._deadline: float | None = None
        self._raw: psycopg.Connection[Any] | None = None
        self._cancelled = False

    def begin(self, raw: "psycopg.Connection[Any]", at_least: float = 0.0) -> None:
        """A statement goes to the server; a slow one may take longer than others."""
        self._raw = raw
        self._cancelled = False
        self._deadline = time.monotonic() + max(self.seconds, at_least)

    def end(self) -> None:
        """Its answer has come, or an error."""
        self._deadline = None

    def shorten(self, seconds: float) -> None:
        """No wait is longer than this from now on, one that is going on included. From any
        thread, and from a signal handler."""
        self.seconds = min(self.seconds, seconds)
        if self._deadline is not None:
            self._deadline = min(self._deadline, time.monotonic() + seconds)

    def relax(self) -> None:
        """Whoever was in a hurry is done: waits are as long as usual again."""
        self.seconds = self._usual

    def look(self, now: float) -> None:
        """Cancel what is overdue; shut the connection if that did not help."""
        deadline, raw = self._deadline, self._raw
        if deadline is None or raw is None or now < deadline:
            return
        if not self._cancelled:
            self._cancelled = True
            self._deadline = now + _CANCEL_SECONDS
            with suppress(psycopg.Error, OSError):
                raw.cancel_safe(timeout=_CANCEL_SECONDS)
        else:
            with suppress(OSError, psycopg.Error):
                _shut(raw.fileno())


class Watchdog:
    """Looks after the waits of one process, from a thread of its own."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._waits: weakref.WeakSet[Wait] = weakref.WeakSet()
        threading.Thread(target=self._run, name="jobhost-watchdog", daemon=True).start()

    def watch(self, wait: Wait) -> None:
        """Look after these waits for as long as they exist."""
        self._waits.add(wait)

    @property
    def is_here(self) -> bool:
        """Whether its thread runs in this process, and did not stay behind at a fork."""
        return self._pid == os.getpid()

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for wait in list(self._waits):
                wait.look(now)


_lock = threading.Lock()
_watchdogs: list[Watchdog] = []


def watch(wait: Wait) -> None:
    """Have the process's watchdog look after these waits."""
    with _lock:
        if not _watchdogs or not _watchdogs[0].is_here:
            _watchdogs[:] = [Watchdog()]
        _watchdogs[0].watch(wait)


def _shut(handle: int) -> None:
    """Shut a socket that libpq owns, without closing its descriptor."""
    with socket.socket(fileno=os.dup(handle)) as shared:
        shared.shutdown(socket.SHUT_RDWR)
