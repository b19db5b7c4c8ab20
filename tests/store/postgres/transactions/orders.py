"""A user's own table beside a store on PostgreSQL, and what tests of transactions have at hand."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
from postgres_server import ask, new_schema

from jobhost import JobHost

Caller = psycopg.Connection[tuple[object, ...]]
Serving = Callable[[JobHost], AbstractContextManager[None]]


class Orders:
    """A table of orders in a schema of its own; an order has a name."""

    def __init__(self) -> None:
        self.schema = new_schema()
        self.table = f"{self.schema}.orders"
        ask(f"CREATE SCHEMA {self.schema}")
        ask(f"CREATE TABLE {self.table} (name text NOT NULL)")

    @property
    def names(self) -> list[str]:
        """Those that are committed."""
        return [name for (name,) in ask(f"SELECT name FROM {self.table} ORDER BY name")]

    def insert(self, name: str) -> str:
        """The statement that adds one."""
        return f"INSERT INTO {self.table} VALUES ('{name}')"
