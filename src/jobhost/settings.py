"""The one place that reads the environment.

`JobHost()` without an address reads the settings once, a worker on PostgreSQL the places. Nothing
else in the library looks at environment variables.
"""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What may be set from outside, each as `JOBHOST_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="JOBHOST_")

    url: str = "sqlite:///jobhost.db"
    """Address of the store. Default: a file `jobhost.db` in the working directory."""


class Places(BaseSettings):
    """Where the system lets a user keep what ends with its processes."""

    xdg_runtime_dir: Path | None = None
    """A folder of this user alone, in memory; usual where one logs in under systemd."""
