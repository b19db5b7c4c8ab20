"""Proof of life: a locked file for each node, which the kernel frees at the node's death.

A node locks its file before it registers and keeps it until it has left. Anybody who can
lock a node's file has proof that its process is gone, without waiting for a lease. A proof that
somebody else may have laid there is none: files count, and folders for all users, only if they are
this user's own.
"""

import fcntl
import os
import stat
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from jobhost.errors import StoreUnavailable
from jobhost.settings import Places

T = TypeVar("T")

_SUFFIX: Final = ".alive"

_TRIES_MAX: Final = 100
"""Of making a folder that others, who leave, remove at the same moment."""


class LockedFile:
    """The held proof. Released by `release`, or by the death of the process.

    Args:
        folder: Where the proofs of a store lie.
        node: Whose it is.
        tidy: Whether who leaves last removes the folder.
    """

    def __init__(self, folder: Path, node: str, *, tidy: bool = False) -> None:
        self._path = folder / f"{node}{_SUFFIX}"
        self._tidy = tidy
        self._handle: int | None = os.open(
            self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        os.write(self._handle, f"{os.getpid()}\n".encode())
        let_go_in_children(self, LockedFile.drop)

    def release(self) -> None:
        """Remove the file and free the lock. Idempotent."""
        if self._handle is not None:
            self._path.unlink(missing_ok=True)
            if self._tidy:
                with suppress(OSError):  # others have theirs there
                    self._path.parent.rmdir()
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
    an unlinked one to a node that has just let go, a stranger's to nobody: none is proof of a
    death."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        found = os.fstat(handle)
        own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return own and found.st_size > 0 and found.st_nlink > 0
    finally:
        os.close(handle)


def users_folder() -> Path:
    """Where this user keeps proofs of stores that have no folder of their own; it may not be there
    yet. Workers see each other's only if they agree on it."""
    given = Places().runtime
    if given is not None and given.is_absolute() and is_private(given):
        return given / "jobhost"
    return Path(tempfile.gettempdir()) / f"jobhost-{os.geteuid()}"


def attend_in(folder: Path, node: str) -> LockedFile:
    """Hold a proof in a folder of `users_folder`, which goes with the last one there.

    Raises StoreUnavailable when there can be no such folder, or a stranger has made it.
    """
    for _ in range(_TRIES_MAX):
        with suppress(FileNotFoundError):
            _make_private(folder.parent)
            _make_private(folder)
            return LockedFile(folder, node, tidy=True)
    raise StoreUnavailable(
        f"{folder}, for the proof of life of this machine's workers, is removed again and again: "
        "have whatever does so leave it alone"
    )


def is_private(folder: Path) -> bool:
    """Whether this is a real folder of this user's, in which nobody else can write."""
    try:
        return _is_own(folder.lstat())
    except OSError:
        return False


def _make_private(folder: Path) -> None:
    """Make a folder for this user alone, if it is not there. Raises FileNotFoundError when it has
    gone meanwhile."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_own(folder.lstat()):
            raise StoreUnavailable(
                f"{folder} is no folder of this user alone, and may hold forged proof that workers "
                "have died: remove it, or set TMPDIR to a folder that nobody else can write"
            ) from None
    except OSError as error:
        raise StoreUnavailable(
            f"{folder}, for the proof of life of this machine's workers, cannot be made "
            f"({error.strerror}): set TMPDIR to a folder where it can"
        ) from error


def _is_own(found: os.stat_result) -> bool:
    private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private


def let_go_in_children(holder: T, close: Callable[[T], None]) -> None:
    """Have a method called in every forked child: it shares the locks of its parent, and would
    keep them locked for as long as it runs, even when the parent is dead."""
    _HELD[holder] = close


def _let_go() -> None:
    for holder, close in list(_HELD.items()):
        with suppress(OSError):
            close(holder)


_HELD: Final[weakref.WeakKeyDictionary[object, Callable[[Any], None]]] = weakref.WeakKeyDictionary()
"""What holds locks in this process, and how it lets go."""

os.register_at_fork(after_in_child=_let_go)
