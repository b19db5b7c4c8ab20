"""Huey: SQLite or PostgreSQL, worker processes under one consumer."""

import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from bench.database import Database, StoreName
from bench.order import Order
from bench.peers.install import Installer
from bench.processes import BenchError

VERSION: Final = "3.5.4"
REQUIREMENTS: Final = (f"huey=={VERSION}", "psycopg[binary]==3.3.9")

_POLLING: Final = ("--delay", "0.01", "--max-delay", "0.05")
"""Seconds between looks while it waits; by default up to 10 s."""

_PRODUCE: Final = "import sys; from bench.peers.huey_app import main; main(sys.argv[1])"
"""Imported rather than run: the name of a task begins with the name of its module."""


class Huey:
    """See `products.Product`, and `huey_app` for its settings.

    Args:
        installer: Of the peers' environment.
    """

    name = "huey"
    title = f"Huey {VERSION}"
    stores: Sequence[StoreName] = ("sqlite", "postgres")
    takes_many = False
    patience_seconds = 0.0

    def __init__(self, installer: Installer) -> None:
        self._installer = installer

    def set_up(self, database: Database, environment: Mapping[str, str]) -> None:
        """Its program makes its tables when it is first imported; two at once would collide."""
        self._installer.require(self.name, REQUIREMENTS)
        command = self.producer(database, Order(way="one_by_one", count=0))
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if made.returncode:
            raise BenchError(f"{self.title} cannot make its tables: {made.stderr[-500:]}")

    def producer(self, database: Database, order: Order) -> list[str]:
        """The command that carries out an order."""
        return [self._installer.python, "-c", _PRODUCE, order.to_text()]

    def workers(self, database: Database, count: int, concurrency: int) -> list[list[str]]:
        """One consumer with so many worker processes, each running one job at a time."""
        options = ["--worker-type", "process", "--workers", str(count), "--quiet", *_POLLING]
        return [[self._installer.program("huey_consumer"), "bench.peers.huey_app.huey", *options]]

    def waiting(self, database: Database) -> list[int]:
        """How many wait, as numbers from 0: the rows themselves are pickled."""
        table = "task" if database.url.startswith("sqlite:") else "huey_task"
        [(count,)] = database.query(f"SELECT count(*) FROM {table}")
        return list(range(count))
