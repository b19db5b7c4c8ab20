"""Wake-up by NOTIFY. It is a hint: a lost one costs a wait until the next poll, never a job."""

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import sql

from jobhost.store.plan import Row
from jobhost.store.postgres.shared import SharedConnection
from jobhost.store.seam import Ring

CHANNEL: Final = "wake"


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

    def wait(self, timeout_seconds: float) -> Ring:
        """Sleep until somebody rings or the time is over; for what another process rang."""
        if heard := self._connection.take_heard():
            return heard
        watched: list[int] = [self._inner.fileno()]
        if (server := self._connection.fileno()) is not None:
            watched.append(server)
        with suppress(OSError, ValueError):  # the connection may have just been closed
            ready, _, _ = select.select(watched, [], [], max(0.0, timeout_seconds))
            if self._inner.fileno() in ready:
                with suppress(OSError):
                    while self._inner.recv(1):
                        pass
            if server in ready:
                self._connection.listen_up()
        return self._connection.take_heard()

    def ring(self) -> None:
        """Wake the sleeper from another thread of this process."""
        with suppress(OSError):
            self._striker.send(b"1")

    def close(self) -> None:
        """Stop listening. Idempotent."""
        for end in (self._inner, self._striker):
            end.close()
