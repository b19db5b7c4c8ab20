"""How a job queue is driven: what to start for its workers and producers."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bench.database import Database, StoreName
from bench.order import Order
from bench.processes import STOP_SECONDS_MAX
from jobhost import JobHost


class Product(Protocol):
    """A job queue under test."""

    @property
    def name(self) -> str:
        """As on the command line and in JSON."""

    @property
    def title(self) -> str:
        """As in the table, with its version."""

    @property
    def stores(self) -> Sequence[StoreName]:
        """Where it keeps jobs."""

    @property
    def takes_many(self) -> bool:
        """Whether it has a call for many jobs at once."""

    @property
    def patience_seconds(self) -> float:
        """How long its workers may take to end when asked; 0 if how they end does not matter."""

    def set_up(self, database: Database, environment: Mapping[str, str]) -> None:
        """Make its tables. Raises SkippedError where it is not installed."""

    def producer(self, database: Database, order: Order) -> list[str]:
        """The command that carries out an order."""

    def workers(self, database: Database, count: int, concurrency: int) -> list[list[str]]:
        """The commands that make so many worker processes."""

    def waiting(self, database: Database) -> list[int]:
        """Numbers of the jobs that wait in its store."""


class Jobhost:
    """This repository's jobhost."""

    name = "jobhost"
    title = "jobhost"
    stores: Sequence[StoreName] = ("sqlite", "postgres")
    takes_many = True
    patience_seconds = STOP_SECONDS_MAX
    app = "bench.tasks:host"
    """Where its workers find their host."""

    def set_up(self, database: Database, environment: Mapping[str, str]) -> None:
        """Make its schema."""
        with JobHost(database.url) as host:
            host.migrate()

    def producer(self, database: Database, order: Order) -> list[str]:
        """The command that carries out an order."""
        return [sys.executable, "-m", "bench.producer", database.url, order.to_text()]

    def workers(self, database: Database, count: int, concurrency: int) -> list[list[str]]:
        """One command for each."""
        options = ["--queues", "default", "--concurrency", str(concurrency), "--url", database.url]
        return [[sys.executable, "-m", "jobhost", "worker", self.app, *options]] * count

    def waiting(self, database: Database) -> list[int]:
        """Numbers of the jobs that are ready."""
        ready, job = database.table("ready"), database.table("job")
        rows = database.query(f"SELECT j.payload FROM {ready} r JOIN {job} j ON j.number = r.job")
        return [_seq(payload) for (payload,) in rows]


def _seq(payload: str) -> int:
    arguments: dict[str, Any] = json.loads(payload)
    return int(arguments["seq"])
