"""A host with a user's own table in its store's database, on each store."""

import inspect
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import ask, connect, drop_schema, empty_schema, shared_schema, store_url

from jobhost import JobHost

from ..postgres.transactions.orders import Orders


class Shop:
    """Orders, which have a name, and the jobs of a host, which others find at `url`.

    `missing_table` is the driver's error for one. `elsewhere` opens a connection to another
    database, `autocommitting` one to the shop's that commits each statement by itself.
    """

    def __init__(
        self,
        host: JobHost,
        *,
        url: str,
        query: Callable[[str], list[tuple[Any, ...]]],
        table: str,
        caller: Callable[[], AbstractContextManager[Any]],
        autocommitting: Callable[[], AbstractContextManager[Any]],
        elsewhere: Callable[[], AbstractContextManager[Any]],
        missing_table: type[Exception],
    ) -> None:
        self.host = host
        self.url = url
        self.query = query
        self.table = table
        self.caller = caller
        self.autocommitting = autocommitting
        self.elsewhere = elsewhere
        self.missing_table = missing_table

    @property
    def names(self) -> list[str]:
        """The orders that are committed."""
        return [name for (name,) in self.query(f"SELECT name FROM {self.table} ORDER BY name")]

    @property
    def payloads(self) -> list[str]:
        """Those of the jobs that are committed, in order."""
        return [text for (text,) in self.query("SELECT payload FROM jobhost_job ORDER BY number")]

    def insert(self, name: str) -> str:
        """The statement that adds an order."""
        return f"INSERT INTO {self.table} VALUES ('{name}')"

    async def run(self, connection: Any, statement: str) -> None:
        """Execute it in an async task, whether or not the driver is awaited."""
        found = connection.execute(statement)
        if inspect.isawaitable(found):
            await found

    def take_away(self) -> None:
        """The running job goes to another worker, as after the loss of a lease."""
        self.query("UPDATE jobhost_running SET epoch = epoch + 1")

    def end_leases(self) -> None:
        """The leases of all workers are over."""
        self.query("UPDATE jobhost_node SET lease_until = 0")


def open_file(path: Path, **options: Any) -> "closing[sqlite3.Connection]":
    """A connection of a caller's to a file."""
    return closing(sqlite3.connect(path, **options))


@contextmanager
def _sqlite(folder: Path) -> Iterator[Shop]:
    path, other = folder / "shop.db", folder / "other.db"

    def query(sql: str) -> list[tuple[Any, ...]]:
        with open_file(path, isolation_level=None) as connection:
            return connection.execute(sql).fetchall()

    with JobHost(f"sqlite:///{path}") as host:
        host.migrate()
        with JobHost(f"sqlite:///{other}") as another:
            another.migrate()
        query("CREATE TABLE orders (name TEXT NOT NULL)")
        yield Shop(
            host,
            url=f"sqlite:///{path}",
            query=query,
            table="orders",
            caller=lambda: open_file(path),
            autocommitting=lambda: open_file(path, isolation_level=None),
            elsewhere=lambda: open_file(other),
            missing_table=sqlite3.OperationalError,
        )


@contextmanager
def _postgres(folder: Path) -> Iterator[Shop]:
    empty_schema()
    orders = Orders()

    @contextmanager
    def caller(autocommit: bool = False) -> Iterator[Any]:
        with connect() as raw:
            raw.autocommit = autocommit
            yield raw
            if not raw.closed:
                raw.rollback()

    @contextmanager
    def elsewhere() -> Iterator[Any]:
        with connect() as raw:
            parameters = {**raw.info.get_parameters(), "dbname": "template1"}
            parameters["password"] = raw.info.password
        with psycopg.connect(**parameters) as other:
            yield other
            other.rollback()

    def query(sql: str) -> list[tuple[Any, ...]]:
        return ask(sql.replace("jobhost_", f"{shared_schema()}."))

    with JobHost(store_url(shared_schema())) as host:
        try:
            yield Shop(
                host,
                url=store_url(shared_schema()),
                query=query,
                table=orders.table,
                caller=caller,
                autocommitting=lambda: caller(autocommit=True),
                elsewhere=elsewhere,
                missing_table=psycopg.errors.UndefinedTable,
            )
        finally:
            drop_schema(orders.schema)


@pytest.fixture(params=[_sqlite, _postgres], ids=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """On each store in turn."""
    with request.param(tmp_path) as made:
        yield made
