"""The process's own connection: threads take turns with it, and its worker listens on it."""

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg.pq import PGnotify

from jobhost.errors import StoreError
from jobhost.store.plan import Reply, Row, Statement
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.target import Target
from jobhost.store.seam import Ring


class SharedConnection:
    """A connection that the threads of a process take turns with, from begin to the end.

    Args:
        target: Where it leads.
    """

    def __init__(self, target: Target) -> None:
        self._mutex = threading.Lock()
        self._holder: int | None = None
        self._hearers: list[Callable[[Ring], None]] = []
        self._listen: Callable[[psycopg.Connection[Row]], None] | None = None
        self._connection = PostgresConnection(target, self._set_up)

    def begin(self) -> None:
        """Wait for the turn within this process, then make ready for a transaction."""
        self._mutex.acquire()
        try:
            self._holder = threading.get_ident()
            self._connection.begin()
        except BaseException:
            self._let_go()
            raise

    def execute(self, statement: Statement) -> Reply:
        """Execute one statement in it."""
        return self._connection.execute(statement)

    def commit(self) -> None:
        """Commit. After an error `rollback` must follow, as the runner does."""
        self._connection.commit()
        self._pass_on()

    def rollback(self) -> None:
        """Undo, and let the next thread in. Nothing to undo once it is in: an interrupt may have
        come right behind the commit."""
        if self._holder != threading.get_ident():
            return
        try:
            self._connection.rollback()
        finally:
            self._pass_on()

    def reading(self) -> "SharedLook":
        """This connection for a plan that only reads."""
        return SharedLook(self, self._connection)

    def tell(self, hearer: Callable[[Ring], None]) -> None:
        """Have this told whatever is heard, on the thread that happens to read it."""
        self._hearers.append(hearer)

    def tell_no_more(self, hearer: Callable[[Ring], None]) -> None:
        """The opposite of `tell`. Idempotent."""
        with suppress(ValueError):
            self._hearers.remove(hearer)

    @property
    def is_deaf(self) -> bool:
        """Whether it should listen and has no connection to do so."""
        return self._listen is not None and self.fileno() is None

    def listen(self, set_up: Callable[["psycopg.Connection[Row]"], None]) -> None:
        """Have this connection, and each one after it, listen. Raises StoreError."""
        with self._mutex:
            self._listen = set_up
            self._connection.drop()
            self._connection.begin()

    def fileno(self) -> int | None:
        """The socket to sleep on; None without a connection."""
        raw = self._connection.raw
        with suppress(psycopg.Error):
            return None if raw is None or raw.closed else raw.fileno()
        return None

    def listen_up(self) -> None:
        """Read what the server has sent by itself: notices of work, or the connection's end, after
        which another one is opened if the server is there."""
        if not self._mutex.acquire(blocking=False):
            return  # a statement of another thread reads it
        try:
            raw = self._connection.raw
            if raw is not None and not raw.closed:
                raw.pgconn.consume_input()
                self._read_notices(raw)
        except psycopg.Error:
            self._connection.drop()
        finally:
            try:
                self._find_ears()
            finally:
                self._mutex.release()

    def hurry(self, seconds: float) -> None:
        """No wait for the server is longer than this from now on, in any thread."""
        self._connection.hurry(seconds)

    def relax(self) -> None:
        """Waits are as long as usual again."""
        self._connection.relax()

    def close(self) -> None:
        """Close it; it opens again when used."""
        with self._mutex:
            self._connection.close()

    def _set_up(self, raw: "psycopg.Connection[Row]") -> None:
        # The driver's own handlers get text, and a notice need not be any: whoever may connect to
        # the database may send one.
        note = weakref.WeakMethod(self._note)  # or the connection would keep its owner alive

        def hear(notice: PGnotify) -> None:
            if (tell := note()) is not None:
                tell(notice)

        raw.pgconn.notify_handler = hear
        if self._listen is not None:
            self._listen(raw)
            self._hear(Ring.READY | Ring.DUE)  # what was sent while nobody listened is not known

    def _find_ears(self) -> None:
        """Open another connection if this one is needed to listen. If that fails nobody knows what
        is missed: whoever then looks at the store hears what is wrong with it, and says so."""
        if self.is_deaf:
            try:
                self._connection.begin()
            except StoreError:
                self._hear(Ring.READY | Ring.DUE)

    def _note(self, notice: PGnotify) -> None:
        self._hear(_meaning(notice.extra))

    def _pass_on(self) -> None:
        """Let the next thread in. A notice that came right behind the last answer was read from the
        socket with it: the socket wakes nobody any more."""
        try:
            raw = self._connection.raw
            if self._listen is not None and raw is not None and not raw.closed:
                with suppress(psycopg.Error):  # its end shows when it is used next
                    self._read_notices(raw)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._holder = None
        self._mutex.release()

    def _read_notices(self, raw: "psycopg.Connection[Row]") -> None:
        while (notice := raw.pgconn.notifies()) is not None:
            self._note(notice)

    def _hear(self, ring: Ring) -> None:
        for hearer in list(self._hearers):
            hearer(ring)


class SharedLook:
    """A turn with the shared connection for a plan that only reads."""

    def __init__(self, shared: SharedConnection, connection: PostgresConnection) -> None:
        self._shared = shared
        self._connection = connection
        self._look = connection.reading()

    def begin(self) -> None:
        """Wait for the turn."""
        self._shared.begin()
        self._look = self._connection.reading()

    def execute(self, statement: Statement) -> Reply:
        """Execute the one statement."""
        return self._look.execute(statement)

    def commit(self) -> None:
        """Let the next thread in."""
        self._shared.commit()

    def rollback(self) -> None:
        """Let the next thread in after an error."""
        self._shared.rollback()


def _meaning(payload: bytes) -> Ring:
    """What a notice says: that of a scheduled job has a word."""
    return Ring.DUE if payload == b"due" else Ring.READY
