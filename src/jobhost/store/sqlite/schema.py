"""Migrations: forward only, each in a file, all pending ones in one transaction under the lock.

A file, once released, never changes. Two that migrate at once take turns; the second
finds nothing to do. A kill in the middle leaves the schema as it was. A ledger of ours
begins with the first migration: by that a store is told from the file of another program.
"""

from pathlib import Path
from typing import Final

from jobhost.errors import SchemaMismatch, StoreDamaged
from jobhost.store.plan import Statement
from jobhost.store.sqlite.connection import SqliteConnection

_FOLDER: Final = Path(__file__).parent / "migrations"

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS jobhost_migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
"""

_LEDGER_COLUMNS: Final = frozenset({"number", "name"})


def known_migrations() -> dict[int, Path]:
    """The files of this release by number."""
    return {int(file.name[:4]): file for file in sorted(_FOLDER.glob("[0-9]*.sql"))}


def newest() -> int:
    """The number of the schema that this release writes."""
    return max(known_migrations())


def migrate(connection: SqliteConnection) -> list[str]:
    """Apply what is missing. Returns the names applied.

    Raises what `applied` raises.
    """
    known = known_migrations()
    connection.begin()
    try:
        pending = [known[number] for number in sorted(known.keys() - applied(connection))]
        connection.script(_LEDGER)
        for file in pending:
            connection.script(file.read_text(encoding="utf-8"))
            record = {"number": int(file.name[:4]), "name": file.stem}
            connection.execute(Statement("record_migration", record))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return [file.stem for file in pending]


def applied(connection: SqliteConnection) -> set[int]:
    """The numbers of the migrations in a file, which is only looked at.

    Raises StoreDamaged for a file in which another program has taken names of ours, and
    SchemaMismatch for a store of a newer release.
    """
    found = connection.execute(Statement("own_names")).rows
    if not found:
        return set()
    has_ledger = {column for _, column in found} >= _LEDGER_COLUMNS
    rows = connection.execute(Statement("applied_migrations")).rows if has_ledger else []
    first = min(known_migrations().items())
    if (first[0], first[1].stem) not in rows:
        raise StoreDamaged(
            f"{connection.path} does not belong to jobhost, another program made "
            f"{min(name for name, _ in found)} in it: choose another path"
        )
    numbers = {number for number, _ in rows}
    _refuse_newer(max(numbers))
    return numbers


def _refuse_newer(applied: int) -> None:
    if applied > newest():
        raise SchemaMismatch(
            f"the store has schema {applied}, this jobhost knows schemas up to {newest()}: "
            "upgrade jobhost here, or use another store"
        )
