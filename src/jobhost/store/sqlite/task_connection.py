"""The connection of `current_job().transaction()`: a task's, for the length of its block.

It is one of sqlite3 with three differences. Its transaction is begun and ended by the block, so
what would end it is refused. Nothing runs on it once its transaction is over, be it that SQLite
has rolled it back: the driver would commit each statement by itself. And each call holds `lock`,
so that the block's watchdog can end the transaction from another thread when none is in the middle
of one.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn

_FORBIDDEN: Final = (
    "{what} is forbidden within current_job().transaction(): the end of the block commits, and an "
    "exception rolls back; a part is undone with SAVEPOINT and ROLLBACK TO"
)


class TaskConnection(sqlite3.Connection):
    """See above. Until `guard` was called it is a connection as any other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lock = threading.RLock()
        self._refuse: Callable[[], None] | None = None
        self._refused_end = False

    def guard(self, refuse: Callable[[], None]) -> None:
        """From now on the transaction is the block's.

        Args:
            refuse: Called before each use, with the lock held; raises when the block is over.
        """
        self._refuse = refuse
        self.set_authorizer(self._authorize)

    def release(self) -> None:
        """The block is over: what comes now is its own end. The lock must be held."""
        self._refuse = None
        self.set_authorizer(None)
        self.row_factory = None
        self.text_factory = str

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The length of one call."""
        with self.lock:
            if self._refuse is not None:
                self._refuse()
                if not self.in_transaction:
                    raise sqlite3.ProgrammingError(
                        "SQLite has rolled back the transaction of this block, after an error of "
                        "an earlier statement: nothing more can be part of it"
                    )
            self._refused_end = False
            try:
                yield
            except sqlite3.Error as error:
                if self._refuse is not None:
                    self._refuse()
                if self._refused_end:
                    what = "a statement that begins or ends a transaction"
                    raise sqlite3.ProgrammingError(_FORBIDDEN.format(what=what)) from error
                raise

    def cursor(self, factory: Any = None) -> Any:
        """A cursor of it; of a class of the task's own there are none."""
        if factory is not None:
            _forbid("a cursor of another class")
        with self.at_work():
            return super().cursor(TaskCursor)

    def execute(self, *args: Any) -> Any:
        """As the driver does, which would make a cursor of its own class."""
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        """Likewise."""
        return self.cursor().executemany(*args)

    def commit(self) -> NoReturn:
        """Refused."""
        _forbid("commit()")

    def rollback(self) -> NoReturn:
        """Refused."""
        _forbid("rollback()")

    def executescript(self, sql_script: str, /) -> NoReturn:
        """Refused: it begins with a commit."""
        _forbid("executescript(), which begins with a commit,")

    def __exit__(self, *_: object) -> NoReturn:
        _forbid("'with connection', which commits or rolls back,")

    def close(self) -> None:
        """Refused as long as the block lasts."""
        if self._refuse is not None:
            _forbid("close()")
        super().close()

    def end(self) -> None:
        """Close it all the same: what is not committed is undone. The lock must be held, unless
        no other thread knows it yet. Idempotent, never raises."""
        with suppress(sqlite3.Error):
            super().close()

    def _authorize(self, action: int, *_: object) -> int:
        if action == sqlite3.SQLITE_TRANSACTION:
            self._refused_end = True
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


class TaskCursor(sqlite3.Cursor):
    """A cursor of such a connection."""

    connection: TaskConnection

    def execute(self, *args: Any) -> "TaskCursor":
        """As the driver does."""
        with self.connection.at_work():
            super().execute(*args)
        return self

    def executemany(self, *args: Any) -> "TaskCursor":
        """As the driver does."""
        with self.connection.at_work():
            super().executemany(*args)
        return self

    def executescript(self, *args: Any) -> NoReturn:
        """Refused: it begins with a commit."""
        _forbid("executescript(), which begins with a commit,")

    def fetchone(self) -> Any:
        """As the driver does."""
        with self.connection.at_work():
            return super().fetchone()

    def fetchmany(self, *args: Any, **kwargs: Any) -> list[Any]:
        """As the driver does."""
        with self.connection.at_work():
            return super().fetchmany(*args, **kwargs)

    def fetchall(self) -> list[Any]:
        """As the driver does."""
        with self.connection.at_work():
            return super().fetchall()

    def __next__(self) -> Any:
        with self.connection.at_work():
            return super().__next__()


def _forbid(what: str) -> NoReturn:
    raise sqlite3.ProgrammingError(_FORBIDDEN.format(what=what))
