"""The process's own connection: opened by its first use, one transaction at a time."""

import threading
from collections.abc import Callable

from jobhost.store.plan import Reply, Statement
from jobhost.store.sqlite.connection import SqliteConnection


class SharedConnection:
    """A connection that the threads of a process take turns with, from begin to the end.

    Args:
        connect: Opens the connection.
    """

    def __init__(self, connect: Callable[[], SqliteConnection]) -> None:
        self._connect = connect
        self._mutex = threading.Lock()
        self._connection: SqliteConnection | None = None

    def begin(self) -> None:
        """Wait for the turn within this process, then open a transaction."""
        self._mutex.acquire()
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.begin()
        except BaseException:
            self._mutex.release()
            raise

    def execute(self, statement: Statement) -> Reply:
        """Execute one statement in it."""
        return self._opened.execute(statement)

    def commit(self) -> None:
        """Commit. After an error `rollback` must follow, as the runner does."""
        self._opened.commit()
        self._mutex.release()

    def rollback(self) -> None:
        """Undo, and let the next thread in."""
        self._opened.rollback()
        self._mutex.release()

    def close(self) -> None:
        """Close it if it was opened; it opens again when used."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def abandon(self) -> None:
        """Forget a connection inherited through a fork; the lock may be held by no one here."""
        if self._connection is not None:
            self._connection.abandon()

    @property
    def _opened(self) -> SqliteConnection:
        if self._connection is None:
            raise TypeError("begin comes first")
        return self._connection
