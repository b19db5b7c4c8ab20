"""The one place that reads the environment.

`JobHost()` without an address reads these settings once. Nothing else in the
library looks at environment variables.
"""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What may be set from outside, each as `JOBHOST_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="JOBHOST_")

    url: str = "sqlite:///jobhost.db"
    """Address of the store. Default: a file `jobhost.db` in the working directory."""
