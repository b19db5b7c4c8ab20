"""jobhost with other options of its workers."""

from dataclasses import replace

from bench.database import Database
from bench.products import Jobhost
from bench.stand import Stand


class JobhostWith(Jobhost):
    """The same jobhost; its workers have more options.

    Args:
        options: Words of the command line.
    """

    def __init__(self, *options: str) -> None:
        self._options = options

    def workers(self, database: Database, count: int, concurrency: int) -> list[list[str]]:
        """One command for each."""
        plain = super().workers(database, count, concurrency)
        return [[*command, *self._options] for command in plain]


def with_options(stand: Stand, *options: str) -> Stand:
    """The same stand, whose workers have more options."""
    return replace(stand, product=JobhostWith(*options))
