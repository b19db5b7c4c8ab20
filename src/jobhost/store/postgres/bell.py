"""Wake-up by NOTIFY. It is a hint: a lost one costs a wait until the next poll, never a job."""

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import sql

from jobhost.store.plan import Row
from jobhost.store.postgres.shared import SharedConnection
from jobhost.store.readable import until_readable
from jobhost.store.seam import Ring

CHANNEL: Final = "wake"

_TRY_SECONDS: Final = (0.5, 5.0)
"""First and longest pause between tries to listen again after the connection was lost."""

_TRIES_MAX: Final = 8
"""Counted tries in a row: beyond the longest pause."""


def listen_to(schema: str) -> Callable[["psycopg.Connection[Row]"], None]:
    """Sets up each new connection of a worker to hear of new work."""
    command = sql.SQL("LISTEN {}").format(sql.Identifier(f"{schema}:{CHANNEL}"))

    def listen(raw: "psycopg.Connection[Row]") -> None:
        raw.execute(command, prepare=False)

    return listen


class NotifyBell:
    """A worker's bell on the connection that it works with.

    The worker's thread sleeps on the connection's socket itself, so that no second connection
    and no second thread is needed. Its own process rings through a pair of sockets.

    Args:
        connection: The process's connection, which listens.
    """

    def __init__(self, connection: SharedConnection) -> None:
        self._connection = connection
        self._inner, self._striker = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inner.settimeout(0)
        self._striker.settimeout(0)
        self._heard: deque[Ring] = deque()
        self._sleeper = 0
        self._tries = 0
        self._next_try = 0.0
        connection.tell(self._hear)

    def wait(self, timeout_seconds: float) -> Ring:
        """Sleep until somebody rings or the time is over; for what another process rang."""
        self._sleeper = threading.get_ident()
        if not self._heard:
            self._sleep(time.monotonic() + timeout_seconds)
        with suppress(OSError):
            while self._inner.recv(1):
                pass
        heard = Ring.SILENCE
        while self._heard:
            heard |= self._heard.popleft()
        return heard

    def ring(self) -> None:
        """Wake the sleeper from another thread of this process."""
        with suppress(OSError):
            self._striker.send(b"1")

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._connection.tell_no_more(self._hear)
        for end in (self._inner, self._striker):
            end.close()

    def _sleep(self, end: float) -> None:
        """Until there is something to hear, or this instant in monotonic seconds."""
        self._find_ears()
        watched = [self._inner.fileno()]
        if (server := self._connection.fileno()) is not None:
            watched.append(server)
        elif self._connection.is_deaf:
            end = min(end, self._next_try)
        if not self._heard and server in until_readable(watched, end - time.monotonic()):
            self._connection.listen_up()

    def _hear(self, ring: Ring) -> None:
        """It may have been read by another thread, as part of the answer to its statement: the
        sleeper would find nothing on the connection any more. The sleeper itself looks at what
        was heard before it sleeps."""
        self._heard.append(ring)
        if threading.get_ident() != self._sleeper:
            self.ring()

    def _find_ears(self) -> None:
        """A worker without work need not speak to a server that has come back, but must hear it.
        The pauses between tries grow, with jitter, so that many workers do not come at once."""
        if not self._connection.is_deaf:
            self._tries = 0
        elif time.monotonic() >= self._next_try:
            first, longest = _TRY_SECONDS
            pause = min(first * 2**self._tries, longest) * random.uniform(0.5, 1.0)
            self._tries = min(self._tries + 1, _TRIES_MAX)
            self._connection.listen_up()
            self._next_try = time.monotonic() + pause
