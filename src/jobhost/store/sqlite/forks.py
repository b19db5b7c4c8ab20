"""Forks of a process that has the file open.

SQLite's library keeps a book, one for the process, of the locks that its connections hold. A forked
child inherits the book and none of the locks: a connection that it opens takes for held what is
not, and what it commits is gone when the parent closes its own, or can never be committed
(sqlite.org/howtocorrupt.html, on carrying an open connection across a fork).

So no connection of ours is open at the moment of a fork: each closes once its transaction is
over, and opens again when it is used. Where that does not come to pass, or where another connection
to the file was open, the child is refused.
"""

import fcntl
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet

from jobhost.errors import StoreError, StoreUnavailable
from jobhost.store.sqlite.patience import Patience, Wait
from jobhost.store.sqlite.turnstile import Turnstile

PATIENCE_SECONDS: Final = 5.0
"""Longest time that a fork is held up by transactions of other threads."""

_LOCKS: Final = Path("/proc/locks")

FileId = tuple[int, int]
"""Device and inode: what makes a file the same one, whatever stands under its name."""

_INSTEAD: Final = (
    "SQLite would lose what this process writes. Fork before the parent uses the store or after "
    "host.close(), or start this process anew: with multiprocessing, by its method 'spawn'"
)


class Rests(Protocol):
    """A connection that can be closed for the length of a fork."""

    @property
    def folder(self) -> Path:
        """The folder of its turnstile."""

    @property
    def file(self) -> FileId | None:
        """What it has open."""

    def is_used_here(self) -> bool:
        """Whether its transaction is this thread's."""

    def rest(self, seconds: float) -> bool:
        """Close, once its transaction is over, and let nobody open it before `wake`; False if the
        transaction is still open after this time."""

    def wake(self) -> None:
        """It may be used again."""


class Forks:
    """The connections of this process, and what it was born with."""

    def __init__(self) -> None:
        self._carried: set[FileId | None] = set()
        self._forked = False
        self._begin()

    def _begin(self) -> None:
        """With nothing open."""
        self._connections: WeakSet[Rests] = WeakSet()
        self._opening = threading.RLock()  # the collector may close one while one is opened
        self._forking = threading.Lock()
        self._resting: list[Rests] = []
        self._turnstiles: dict[Path, Turnstile] = {}
        self._carrying: set[FileId | None] = set()

    @contextmanager
    def opening(self, connection: Rests) -> Iterator[None]:
        """While this connection is being opened. A fork waits for that, and then knows of it."""
        with self._opening:
            self._connections.add(connection)
            yield

    def forget(self, connection: Rests) -> None:
        """It is closed for good."""
        with self._opening:
            self._connections.discard(connection)

    def require_own_locks(
        self, file: FileId | None, path: Path, connection: sqlite3.Connection
    ) -> None:
        """Raises StoreUnavailable if this process was forked while the file was open, so that the
        locks of a new connection are none."""
        if not self._forked:
            return
        if file in self._carried:
            raise StoreUnavailable(
                f"this process was forked in the middle of a transaction on {path}: {_INSTEAD}"
            )
        if file is not None and not _may_be_locked(file, connection):
            raise StoreUnavailable(
                f"this process was forked while its parent had a connection to {path} open that "
                f"is not jobhost's: {_INSTEAD}, and close that connection too"
            )

    def before(self) -> None:
        """Close what is open. Called in the thread that forks."""
        wait = Patience(PATIENCE_SECONDS).wait()
        self._forking.acquire(timeout=wait.left)
        known = self._known()
        self._carrying = {one.file for one in known}  # unless they rest, see below
        busy_here = {one.folder for one in known if one.is_used_here()}
        for folder in {one.folder for one in known} - busy_here:
            self._pass(folder, wait)  # closing the last one moves the log into the file
        left = [one for one in known if not self._put_to_rest(one, wait)]
        self._opening.acquire(timeout=wait.left)
        late = set(self._connections) - set(known)
        left += [one for one in late if not self._put_to_rest(one, wait)]
        self._carrying = {one.file for one in left}

    def after_in_parent(self) -> None:
        """Go on."""
        for connection in self._resting:
            connection.wake()
        for turnstile in self._turnstiles.values():
            turnstile.leave()
        self._resting = []
        for lock in (self._opening, self._forking):
            with suppress(RuntimeError):  # it was not to be had in time
                lock.release()

    def after_in_child(self) -> None:
        """Begin with nothing: the locks of the turnstile are the parent's, and stay so."""
        self._carried |= self._carrying
        self._forked = True
        self._begin()

    def _known(self) -> list[Rests]:
        with self._opening:
            return list(self._connections)

    def _pass(self, folder: Path, wait: Wait) -> None:
        if folder not in self._turnstiles:
            self._turnstiles[folder] = Turnstile(folder)
        with suppress(StoreError):
            self._turnstiles[folder].enter(wait)

    def _put_to_rest(self, connection: Rests, wait: Wait) -> bool:
        if rests := connection.rest(wait.left):
            self._resting.append(connection)
        return rests


def _may_be_locked(file: FileId, connection: sqlite3.Connection) -> bool:
    """Whether this process has a lock on the file in a transaction that reads, as far as the kernel
    tells: where it does not tell of another lock either, that is not known."""
    with suppress(OSError, sqlite3.Error), tempfile.TemporaryFile() as control:
        fcntl.lockf(control, fcntl.LOCK_EX)
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        locked = _locked_here()
        connection.execute("ROLLBACK")
        return file[1] in locked or os.fstat(control.fileno()).st_ino not in locked
    return True


def _locked_here() -> set[int]:
    """The inodes on which this process has locks; `1: POSIX ADVISORY READ pid dev:dev:inode …`."""
    lines = (line.split() for line in _LOCKS.read_text().splitlines())
    here = str(os.getpid())
    return {int(line[5].rpartition(":")[2]) for line in lines if here == line[4]}


FORKS: Final = Forks()
"""Of this process."""

os.register_at_fork(
    before=FORKS.before,
    after_in_parent=FORKS.after_in_parent,
    after_in_child=FORKS.after_in_child,
)
