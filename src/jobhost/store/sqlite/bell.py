"""Wake-up between processes: each worker listens on a Unix datagram socket beside the store.

A producer sends one byte to every socket in the folder after its commit. It is a hint: a
full buffer, a dead listener or a missing folder loses nothing, since workers also poll.
"""

import os
import select
import socket
import threading
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".bell"


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

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until somebody rings or the time is over; whether another process rang."""
        ready, _, _ = select.select([self._outer, self._inner], [], [], max(0.0, timeout_seconds))
        for ringing in ready:
            with suppress(OSError):
                while ringing.recv(1):
                    pass
        return self._outer in ready

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
        self._mutex = threading.Lock()
        self._socket: socket.socket | None = None

    def ring_all(self) -> None:
        """One byte to every listener. Never raises."""
        with suppress(OSError), os.scandir(self._folder) as found:
            bells = [entry.name for entry in found if entry.name.endswith(_SUFFIX)]
            if bells:
                with _ShortName(self._folder) as name:
                    for bell in bells:
                        with suppress(OSError):
                            self._opened().sendto(b"1", f"{name}/{bell}")

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
