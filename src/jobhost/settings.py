"""The one place that reads the environment.

`JobHost()` without an address reads `Settings` once, a node that starts `ServiceSettings`, a worker
on PostgreSQL `Places`. Nothing else in the library looks at environment variables.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_OF_SERVICES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def _said(name: str, otherwise: str = "") -> str:
    """A field whose value a variable says, as it was given."""
    said: str = field(default_factory=lambda: os.environ.get(name, otherwise))
    return said


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be set from outside, each as `JOBHOST_<NAME>`."""

    url: str = _said("JOBHOST_URL", "sqlite:///jobhost.db")
    """Address of the store. Default: a file `jobhost.db` in the working directory."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What a service manager such as systemd tells the process that it started, as it was given.

    The names are the service manager's, so they have no prefix.
    """

    notify_socket: str = _said("NOTIFY_SOCKET")
    """Where to tell it how the service is; empty: nowhere."""
    watchdog_usec: str = _said("WATCHDOG_USEC")
    """Microseconds of silence after which it takes the service for hung; empty: it does not."""
    watchdog_pid: str = _said("WATCHDOG_PID")
    """The process that is meant by that; empty: any."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the system lets a user keep what ends with its processes."""

    runtime_dir: str = _said("XDG_RUNTIME_DIR")
    """A folder of this user alone, in memory; usual where one logs in under systemd."""

    @property
    def runtime(self) -> Path | None:
        """That folder, if there is one."""
        return Path(self.runtime_dir) if self.runtime_dir else None


def environment_of_children() -> dict[str, str]:
    """The environment without what a service manager meant for this process alone.

    A child that had it would speak for the service: tell that it is ready, or keep alive by its
    signs of life what is long hung.
    """
    return {name: value for name, value in os.environ.items() if name.upper() not in _OF_SERVICES}


def handed_on(names: Iterable[str], prefixes: tuple[str, ...] = ()) -> dict[str, str]:
    """The variables of this process with these names, or with names that begin so."""
    wanted = frozenset(names)
    return {
        name: value
        for name, value in os.environ.items()
        if name in wanted or name.startswith(prefixes)
    }
