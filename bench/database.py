"""What a site needs to know of the place where its store lies."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

StoreName = Literal["sqlite", "postgres"]

TITLES: Final[dict[StoreName, str]] = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a server has used so far; None where nobody can tell, or there is no server.

    Args:
        cpu_seconds: User and system time of all its processes.
        wal_bytes: Written to its log, full page images included.
    """

    cpu_seconds: float | None = None
    wal_bytes: int | None = None


class Database(Protocol):
    """An empty place for one store; it is gone after `close`."""

    @property
    def url(self) -> str:
        """Its address, for jobhost and for the peers."""

    def table(self, name: str) -> str:
        """jobhost's table of this name, as SQL calls it."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into it."""

    def change(self, statements: Sequence[str]) -> None:
        """Execute them in one transaction."""

    def checkpoint(self) -> None:
        """Before what is timed: whatever is still to be written of the preparations is written."""

    def tidy(self) -> None:
        """Sweep up after a large change, as happens by itself in a store that has its time."""

    def usage(self) -> Usage:
        """Of the server, at this moment."""

    def transactions(self) -> int | None:
        """Ended ones so far, counted when all other connections have gone."""

    def statements(self) -> int:
        """Those sent so far by connections that were opened since the first call.

        Raises SkippedError where they are not counted.
        """

    def hold_snapshot(self) -> AbstractContextManager[None]:
        """A transaction that stays open and sees everything as it was at its beginning."""

    def close(self) -> None:
        """Remove it. Idempotent."""


class Databases(Protocol):
    """Makes empty places of one kind."""

    @property
    def store(self) -> StoreName:
        """Which kind."""

    def new(self, folder: Path, synchronous: str) -> Database:
        """One more.

        Args:
            folder: An empty one, for the time of the site.
            synchronous: Durability, "full" or "normal".
        """
