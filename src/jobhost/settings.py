"""The one place that reads the environment.

`JobHost()` without an address reads `Settings` once, a node that starts `ServiceSettings`, a worker
on PostgreSQL `Places`. Nothing else in the library looks at environment variables.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What may be set from outside, each as `JOBHOST_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="JOBHOST_")

    url: str = "sqlite:///jobhost.db"
    """Address of the store. Default: a file `jobhost.db` in the working directory."""


class ServiceSettings(BaseSettings):
    """What a service manager such as systemd tells the process that it started, as it was given.

    The names are the service manager's, so they have no prefix.
    """

    notify_socket: str = ""
    """Where to tell it how the service is; empty: nowhere."""
    watchdog_usec: str = ""
    """Microseconds of silence after which it takes the service for hung; empty: it does not."""
    watchdog_pid: str = ""
    """The process that is meant by that; empty: any."""


def environment_of_children() -> dict[str, str]:
    """The environment without what a service manager meant for this process alone.

    A child that had it would speak for the service: tell that it is ready, or keep alive by its
    signs of life what is long hung.
    """
    own = {name.upper() for name in ServiceSettings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in own}


def handed_on(names: Iterable[str], prefixes: tuple[str, ...] = ()) -> dict[str, str]:
    """The variables of this process with these names, or with names that begin so."""
    wanted = frozenset(names)
    return {
        name: value
        for name, value in os.environ.items()
        if name in wanted or name.startswith(prefixes)
    }


class Places(BaseSettings):
    """Where the system lets a user keep what ends with its processes."""

    xdg_runtime_dir: Path | None = None
    """A folder of this user alone, in memory; usual where one logs in under systemd."""
