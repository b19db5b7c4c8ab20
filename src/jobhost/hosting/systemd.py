"""Tells the service manager how the node is, over a socket that it names in the environment.

The protocol is sd_notify(3): one datagram of lines `NAME=value`. Without a service manager, or
with one that does not listen, nothing is told and nothing fails.
"""

import os
import socket
from dataclasses import dataclass
from typing import Final

from jobhost.settings import ServiceSettings

SEND_SECONDS: Final = 0.5
"""How long the service manager may keep its socket full. It is told again soon; a node that
waits longer would miss what its workers say."""

STATUS_CHARACTERS_MAX: Final = 500
"""A line for people, in one datagram."""

_DIGITS_MAX: Final = 20
"""Those of an unsigned number of 64 bits, which is what the service manager has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceManager:
    """Who started this process as a service, if anybody did.

    Args:
        address: Path of its socket, or a name in the abstract namespace after an `@`.
        watchdog_seconds: It takes this process for hung, and kills it, after so long without a
            sign of life; send one at least twice as often. `None`: it does not watch.
    """

    address: str | None = None
    watchdog_seconds: float | None = None

    def notify(
        self,
        *,
        ready: bool = False,
        stopping: bool = False,
        alive: bool = False,
        status: str | None = None,
    ) -> bool:
        """Tell it something; one call is one datagram.

        Args:
            ready: The service has started.
            stopping: It begins to stop.
            alive: The sign of life for the watchdog.
            status: A line for people; line breaks become spaces.

        Returns whether it was delivered.
        """
        lines = [
            *(["READY=1"] if ready else []),
            *(["STOPPING=1"] if stopping else []),
            *(["WATCHDOG=1"] if alive else []),
            *([] if status is None else [f"STATUS={_one_line(status)}"]),
        ]
        return bool(lines) and self._send("\n".join(lines))

    def _send(self, text: str) -> bool:
        if self.address is None:
            return False
        name = os.fsencode(self.address)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.settimeout(SEND_SECONDS)
            try:
                own.sendto(text.encode("utf-8", "replace"), _abstract(name))
            except OSError:
                return False
        return True


class Herald:
    """What a node tells the service manager: each change once, as it is told to mean one.

    Args:
        manager: Who hears of it.
    """

    def __init__(self, manager: ServiceManager) -> None:
        self._manager = manager
        self._is_ready = self._is_stopping = False

    def ready(self, workers: int) -> bool:
        """All workers have begun. Whether that is news."""
        news, self._is_ready = not self._is_ready, True
        if news:
            self._manager.notify(ready=True, status=f"{workers} workers")
        return news

    def stopping(self) -> None:
        """The node begins to stop, or to drain."""
        if not self._is_stopping:
            self._is_stopping = True
            self._manager.notify(stopping=True)

    def alive(self) -> None:
        """It takes its turns. Told only where somebody watches."""
        if self._manager.watchdog_seconds is not None:
            self._manager.notify(alive=True)


def service_manager() -> ServiceManager:
    """The one that the environment tells of."""
    settings = ServiceSettings()
    spoken = settings.notify_socket.startswith(("/", "@"))
    return ServiceManager(
        address=settings.notify_socket if spoken else None,
        watchdog_seconds=_watchdog_seconds(settings),
    )


def _watchdog_seconds(settings: ServiceSettings) -> float | None:
    """What is no number is no watch, and another process's watch is none of ours."""
    if settings.watchdog_pid not in ("", str(os.getpid())):
        return None
    text = settings.watchdog_usec
    if not text.isdecimal() or len(text) > _DIGITS_MAX:
        return None
    return int(text) / 1_000_000 or None


def _abstract(name: bytes) -> bytes:
    return b"\0" + name[1:] if name.startswith(b"@") else name


def _one_line(text: str) -> str:
    return " ".join(text.split())[:STATUS_CHARACTERS_MAX]
