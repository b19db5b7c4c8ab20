"""Stores in SQLite files."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.database import StoreName, Usage
from bench.processes import SkippedError


class SqliteFile:
    """A file that does not exist yet; see `database.Database`."""

    def __init__(self, folder: Path, synchronous: str) -> None:
        self._file = folder / "jobs.db"
        self.url = f"sqlite:///{self._file}?synchronous={synchronous}"

    def table(self, name: str) -> str:
        """With a prefix: a file has no schemas."""
        return f"jobhost_{name}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into it."""
        with closing(sqlite3.connect(self._file.as_uri() + "?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def change(self, statements: Sequence[str]) -> None:
        """Execute them in one transaction."""
        with closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")

    def checkpoint(self) -> None:
        """Nothing: whoever writes next pays for the log of its predecessors, as in real life."""

    def tidy(self) -> None:
        """Empty the log."""
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def usage(self) -> Usage:
        """There is no server."""
        return Usage()

    def transactions(self) -> int | None:
        """Nobody counts them."""
        return None

    def statements(self) -> int:
        """Nobody counts them."""
        raise SkippedError("SQLite counts no statements")

    @contextmanager
    def hold_snapshot(self) -> Iterator[None]:
        """A transaction that reads."""
        with closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield

    def close(self) -> None:
        """Its folder is the site's."""


class SqliteFiles:
    """In the folder of each site."""

    store: StoreName = "sqlite"

    def new(self, folder: Path, synchronous: str) -> SqliteFile:
        """One more."""
        return SqliteFile(folder, synchronous)
