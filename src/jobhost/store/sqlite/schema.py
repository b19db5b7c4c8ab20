"""Migrations: forward only, each in a file, all pending ones in one transaction under the lock.

A file, once released, never changes. Two that migrate at once take turns; the second
finds nothing to do. A kill in the middle leaves the schema as it was.
"""

from pathlib import Path
from typing import Final

from jobhost.errors import SchemaMismatch
from jobhost.store.plan import Statement
from jobhost.store.sqlite.connection import SqliteConnection

_FOLDER: Final = Path(__file__).parent / "migrations"

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS jobhost_migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
"""


def known_migrations() -> dict[int, Path]:
    """The files of this release by number."""
    return {int(file.name[:4]): file for file in sorted(_FOLDER.glob("[0-9]*.sql"))}


def newest() -> int:
    """The number of the schema that this release writes."""
    return max(known_migrations())


def migrate(connection: SqliteConnection) -> list[str]:
    """Apply what is missing. Returns the names applied.

    Raises SchemaMismatch when the store was written by a newer release.
    """
    known = known_migrations()
    connection.begin()
    try:
        connection.script(_LEDGER)
        applied = {number for number, _ in connection.execute(Statement("applied_migrations")).rows}
        refuse_newer(max(applied, default=0))
        pending = [known[number] for number in sorted(known.keys() - applied)]
        for file in pending:
            connection.script(file.read_text(encoding="utf-8"))
            record = {"number": int(file.name[:4]), "name": file.stem}
            connection.execute(Statement("record_migration", record))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return [file.stem for file in pending]


def refuse_newer(applied: int) -> None:
    """Raise SchemaMismatch when the store's schema is newer than this release."""
    if applied > newest():
        raise SchemaMismatch(
            f"the store has schema {applied}, this jobhost knows schemas up to {newest()}: "
            "upgrade jobhost here, or use another store"
        )
