"""jobhost with other options of its workers."""

from dataclasses import replace

from bench.database import Database
from bench.products import Jobhost
from bench.stand import Stand


class JobhostWith(Jobhost):
    """The same jobhost; its workers have more options.

    Args:
        options: Words of the command line.
        app: Where they find their host; None for the usual one.
    """

    def __init__(self, *options: str, app: str | None = None) -> None:
        self._options = options
        self.app = app or Jobhost.app

    def workers(self, database: Database, count: int, concurrency: int) -> list[list[str]]:
        """One command for each."""
        plain = super().workers(database, count, concurrency)
        return [[*command, *self._options] for command in plain]


def with_options(stand: Stand, *options: str, app: str | None = None) -> Stand:
    """The same stand, whose workers have more options, or another host."""
    return replace(stand, product=JobhostWith(*options, app=app))
