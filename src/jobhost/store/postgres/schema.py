"""Migrations: forward only, each in a file, all pending ones in one transaction under a lock.

A file, once released, never changes, and leaves the schema fit for the release before it, which
may still run. Two that migrate at once take turns; the second finds nothing to do. A kill in the
middle leaves the schema as it was, and no lock behind.
"""

from pathlib import Path
from typing import Final

from jobhost.errors import SchemaMismatch
from jobhost.store.plan import Statement
from jobhost.store.postgres.catalogue import in_schema
from jobhost.store.postgres.connection import PostgresConnection

_FOLDER: Final = Path(__file__).parent / "migrations"

_LEDGER: Final = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'jobhost') THEN
        IF NOT has_database_privilege(current_database(), 'CREATE') THEN
            RAISE EXCEPTION 'GRANT CREATE ON DATABASE % TO %;',
                quote_ident(current_database()), quote_ident(current_user)
                USING ERRCODE = 'JH001';
        END IF;
        CREATE SCHEMA jobhost.;
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS jobhost.migration (
    number integer PRIMARY KEY,
    name text NOT NULL
);
"""
"""CREATE SCHEMA IF NOT EXISTS would ask for the right to make one even where it is there."""


_MORTAL: Final = """
DO $$ BEGIN
    PERFORM set_config(name, setting, true) FROM (VALUES
        ('client_connection_check_interval', '2s'),
        ('tcp_keepalives_idle', '10s'),
        ('tcp_keepalives_interval', '5s'),
        ('tcp_keepalives_count', '3'),
        ('tcp_user_timeout', '20s'),
        ('idle_in_transaction_session_timeout', '30s')
    ) AS given (name, setting);
EXCEPTION WHEN invalid_parameter_value THEN
    NULL; -- a server on a system that cannot look
END $$;
"""
"""While it works, or waits for a lock, a server does not look whether its client is still there: a
migrator that was killed would keep its locks until then, ten minutes perhaps, and with them hold up
every worker and the next one that migrates. So it is told to look, and what has vanished without a
goodbye is noticed by the server's kernel."""


def known_migrations() -> dict[int, Path]:
    """The files of this release by number."""
    return {int(file.name[:4]): file for file in sorted(_FOLDER.glob("[0-9]*.sql"))}


def newest() -> int:
    """The number of the schema that this release writes."""
    return max(known_migrations())


def migrate(connection: PostgresConnection) -> list[str]:
    """Apply what is missing. Returns the names applied.

    Raises SchemaMismatch for a store of a newer release.
    """
    schema = connection.target.schema
    known = known_migrations()
    connection.begin_migration()
    try:
        connection.script(_MORTAL)
        connection.script(_ledger(schema))
        applied = {number for number, _ in connection.execute(Statement("applied_migrations")).rows}
        refuse_newer(max(applied, default=0))
        pending = [known[number] for number in sorted(known.keys() - applied)]
        for file in pending:
            connection.script(in_schema(file.read_text(encoding="utf-8"), schema))
            record = {"number": int(file.name[:4]), "name": file.stem}
            connection.execute(Statement("record_migration", record))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return [file.stem for file in pending]


def _ledger(schema: str) -> str:
    text = in_schema(_LEDGER, schema).replace(".;", ";")
    return text.replace("= 'jobhost'", f"= '{schema}'")


def refuse_newer(applied: int) -> None:
    """Raise SchemaMismatch for a schema that a newer release has made."""
    if applied > newest():
        raise SchemaMismatch(
            f"the store has schema {applied}, this jobhost knows schemas up to {newest()}: "
            "upgrade jobhost here, or use another store"
        )
