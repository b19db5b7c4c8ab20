"""A fair way in for writers of different processes.

SQLite lets a waiting writer poll with growing pauses, so one busy writer starves the
others. Here every write passes two locked files: the *gate*, where writers queue, and the
*floor*, held while writing. Who holds the gate is next; having got the floor, it opens
the gate again. A writer that has just finished comes to the gate like all others.

That is fair, but no strict order of arrival: who comes just when the gate opens may slip in
before the first in the queue has woken up. This gap opens once a write, for some microseconds;
so a writer in the queue loses a turn to it now and then, but has no reason to lose many in a row.

Checkpoints happen inside a commit or a close, so they hold the floor too, and never run
beside another process's commit. (SQLite before 3.51.3 can corrupt a file there.)

The locks are of the `flock` kind: they belong to the open file, and the kernel frees them
when the process dies. Linux wakes those who wait for one in the order in which they came; other
systems promise no order.
"""

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobhost.errors import StoreBusy, StoreUnavailable
from jobhost.store.presence import let_go_in_children
from jobhost.store.sqlite.patience import Wait

FILES: Final = ("gate", "floor")
"""Names of the two in their folder."""

_POLL_SECONDS: Final = 0.0002
"""Pause between looks at the floor. Only the one holder of the gate looks, so it stays fair."""

_LOOK_SECONDS: Final = 0.05
"""Pause between looks, from the queue, at whether the wait was cut short."""


class Turnstile:
    """One writer's way in. Not shared between threads.

    Args:
        folder: Where the two files are; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._gate_path, self._floor_path = (folder / name for name in FILES)
        self._gate: int | None = None
        self._floor: int | None = None
        let_go_in_children(self, Turnstile.close)

    def enter(self, wait: Wait) -> None:
        """Wait for the turn. Raises StoreBusy when it does not come before the wait is over."""
        self._pass_gate(wait)
        try:
            self._take_floor(wait)
        finally:
            _unlock(self._gate)

    def leave(self) -> None:
        """Let the next one in."""
        _unlock(self._floor)

    def close(self) -> None:
        """Close both files. Idempotent."""
        for handle in (self._gate, self._floor):
            if handle is not None:
                os.close(handle)
        self._gate = self._floor = None

    def _pass_gate(self, wait: Wait) -> None:
        if self._gate is None:
            self._gate = _open(self._gate_path)
        if not _try_lock(self._gate):
            handle = _Queued(self._gate_path).wait(wait)
            os.close(self._gate)
            self._gate = handle

    def _take_floor(self, wait: Wait) -> None:
        if self._floor is None:
            self._floor = _open(self._floor_path)
        while not _try_lock(self._floor):
            if not wait.left:
                raise StoreBusy(
                    f"another process has been writing for {wait.lasted:.0f}s "
                    f"({self._floor_path} is locked): find it with 'fuser {self._floor_path}'"
                )
            time.sleep(_POLL_SECONDS)


class Turnstiles:
    """Ways in for writers that come and go: those that are not in use are kept. From any thread.

    Args:
        folder: Where the two files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = threading.Lock()
        self._idle: list[Turnstile] = []
        self._closed = False

    def take(self) -> Turnstile:
        """One for a writer, who gives it back."""
        with self._mutex:
            return self._idle.pop() if self._idle else Turnstile(self._folder)

    def give(self, turnstile: Turnstile) -> None:
        """One that nobody passes any more."""
        with self._mutex:
            if not self._closed:
                self._idle.append(turnstile)
                return
        turnstile.close()

    def close(self) -> None:
        """Close all, and those that come back later. Idempotent."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for turnstile in idle:
            turnstile.close()


class _Queued:
    """A wait in the kernel's queue that can be given up.

    A blocking `flock` cannot be timed out, so a thread of its own waits on a file of its
    own: when nobody wants the lock any more, that thread frees it as soon as it gets it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._handle: int | None = None
        self._given_up = False
        self._ready = threading.Event()

    def wait(self, wait: Wait) -> int:
        """The locked file. Raises StoreBusy when the wait is over."""
        try:
            threading.Thread(target=self._queue, name="jobhost-turnstile", daemon=True).start()
            while not self._ready.wait(min(wait.left, _LOOK_SECONDS)) and wait.left:
                pass
        except BaseException:
            self._give_up()
            raise
        with self._mutex:
            if self._handle is None:
                self._given_up = True
                raise StoreBusy(
                    f"too many writers wait for {self._path}; repeat later or enqueue in batches"
                )
            return self._handle

    def _give_up(self) -> None:
        """After an interrupt, such as Ctrl-C: a lock that nobody knows of would shut out all."""
        with self._mutex:
            self._given_up = True
            if self._handle is not None:
                os.close(self._handle)

    def _queue(self) -> None:
        handle = _open(self._path)
        fcntl.flock(handle, fcntl.LOCK_EX)
        with self._mutex:
            if self._given_up:
                os.close(handle)
            else:
                self._handle = handle
        self._ready.set()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"the lock {path} cannot be opened: {error.strerror}; check its folder"
        ) from error


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(handle: int | None) -> None:
    if handle is not None:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
