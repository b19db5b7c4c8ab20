"""Who is in the turnstile, seen from outside: for a process that may never get out by itself."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobhost.store.sqlite.turnstile import FILES

_LOCK: Final = b"lock:"
"""How a line of the kernel about an open file begins that tells of a lock on it."""


def is_in_turnstile(pid: int, folder: Path) -> bool:
    """Whether this process holds the gate or the floor, so that every writer waits for it.

    False also where the kernel does not tell: elsewhere than on Linux, of a process that is gone,
    or of another user's. Waits for nothing.

    Args:
        pid: Of the process.
        folder: Where the files of the turnstile are.
    """
    return any(_is_locked(pid, handle) for handle in _handles(pid, folder))


def _handles(pid: int, folder: Path) -> Iterator[str]:
    """The process's descriptors of these files."""
    with suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                # The name comes first: a look at a file on a server that is away would wait.
                name = handle.readlink().name
                if name in FILES and handle.samefile(folder / name):
                    yield handle.name


def _is_locked(pid: int, handle: str) -> bool:
    with suppress(OSError):
        return _LOCK in Path(f"/proc/{pid}/fdinfo/{handle}").read_bytes()
    return False
