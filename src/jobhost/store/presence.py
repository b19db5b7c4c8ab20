"""Proof of life: a locked file for each node, which the kernel frees at the node's death.

A node locks its file before it registers and keeps it until it has left. Anybody who can
lock a node's file has proof that its process is gone, without waiting for a lease.
"""

import fcntl
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".alive"


class LockedFile:
    """The held proof. Released by `release`, or by the death of the process."""

    def __init__(self, folder: Path, node: str) -> None:
        self._path = folder / f"{node}{_SUFFIX}"
        self._handle: int | None = os.open(
            self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        os.write(self._handle, f"{os.getpid()}\n".encode())
        let_go_in_children(self.drop)

    def release(self) -> None:
        """Remove the file and free the lock. Idempotent."""
        if self._handle is not None:
            self._path.unlink(missing_ok=True)
        self.drop()

    def drop(self) -> None:
        """Close the file, keeping its name: for a child that got it through a fork."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def dead_nodes(folder: Path) -> list[str]:
    """Nodes whose file is there and can be locked: their process is gone."""
    try:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if entry.name.endswith(_SUFFIX)]
    except OSError:
        return []
    return [name.removesuffix(_SUFFIX) for name in names if _is_free(folder / name)]


def forget(folder: Path, node: str) -> None:
    """Remove what a dead node left in the folder."""
    for file in folder.glob(f"{node}.*"):
        file.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Whether nobody holds this file. An empty one belongs to a node that is about to lock it,
    an unlinked one to a node that has just let go: neither is proof of a death."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        found = os.fstat(handle)
        return found.st_size > 0 and found.st_nlink > 0
    finally:
        os.close(handle)


def let_go_in_children(close: Callable[[], None]) -> None:
    """Have a method called in every forked child: it shares the locks of its parent, and would
    keep them locked for as long as it runs, even when the parent is dead."""
    reference = weakref.WeakMethod(close)

    def let_go() -> None:
        if (alive := reference()) is not None:
            with suppress(OSError):
                alive()

    os.register_at_fork(after_in_child=let_go)
