"""Wake-up between processes: each worker listens on a Unix datagram socket beside the store.

A producer sends one byte to every socket in the folder after its commit. It is a hint: a
full buffer, a dead listener or a missing folder loses nothing, since workers also poll.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobhost.store.readable import until_readable
from jobhost.store.seam import Ring

_SUFFIX: Final = ".bell"

_ANYTHING: Final = Ring.READY | Ring.DUE
"""One byte does not say for what: to look costs little here."""

_TIME_STEP_NS: Final = 2_000_000_000
"""The coarsest step in which file systems tell the time: two changes of a folder within one
step may look like one."""


class SocketBell:
    """A worker's bell: rung by other processes through the socket, by its own through a pair."""

    def __init__(self, folder: Path, node: str) -> None:
        self._path = folder / f"{node}{_SUFFIX}"
        self._outer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outer.settimeout(0)
        with _ShortName(folder) as name:
            self._outer.bind(f"{name}/{self._path.name}")
        self._inner, self._striker = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inner.settimeout(0)
        self._striker.settimeout(0)

    def wait(self, timeout_seconds: float) -> Ring:
        """Sleep until somebody rings or the time is over; for what another process rang."""
        ends = {end.fileno(): end for end in (self._outer, self._inner)}
        ready = until_readable(ends, timeout_seconds)
        for ringing in ready:
            with suppress(OSError):
                while ends[ringing].recv(1):
                    pass
        return _ANYTHING if self._outer.fileno() in ready else Ring.SILENCE

    def ring(self) -> None:
        """Wake the sleeper from another thread of this process."""
        with suppress(OSError):
            self._striker.send(b"1")

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._path.unlink(missing_ok=True)
        for end in (self._outer, self._inner, self._striker):
            end.close()


class Ringer:
    """Rings all bells of a folder. Safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = str(folder)
        self._mutex = threading.Lock()
        self._socket: socket.socket | None = None
        self._bells: tuple[int, list[str]] = (0, [])

    def ring_all(self) -> None:
        """One byte to every listener. Never raises."""
        with suppress(OSError):
            bells = self._listeners()
            if bells:
                with _ShortName(self._folder) as name:
                    for bell in bells:
                        with suppress(OSError):
                            self._opened().sendto(b"1", f"{name}/{bell}")

    def _listeners(self) -> list[str]:
        """The bells in the folder. Whoever comes or goes changes the folder's time, so a list
        that was made well after that time holds until it changes."""
        changed = os.stat(self._path).st_mtime_ns  # noqa: PTH116 - called for every job
        known, bells = self._bells
        if changed != known:
            with os.scandir(self._path) as found:
                bells = [entry.name for entry in found if entry.name.endswith(_SUFFIX)]
            now = time.time_ns()  # noqa: TID251 - the file system tells the machine's time
            settled = now - changed > _TIME_STEP_NS
            self._bells = (changed if settled else 0, bells)
        return bells

    def close(self) -> None:
        """Close the socket. Idempotent; the next ring opens it again."""
        with self._mutex:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _opened(self) -> socket.socket:
        """The socket, opened by its first use: a store that only reads has none."""
        with self._mutex:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.settimeout(0)
            return self._socket


class _ShortName:
    """A name of the folder that fits the about 100 bytes a socket address may have.

    A longer path is reached through a descriptor of the folder, which Linux offers as a
    file name; elsewhere the long name is tried as it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def __enter__(self) -> str:
        name = str(self._folder)
        if len(os.fsencode(name)) <= 50 or not Path("/proc/self/fd").exists():
            return name
        self._handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._handle}"

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)
