"""PgQueuer: PostgreSQL, asyncio, asyncpg."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from bench.database import Database, StoreName
from bench.order import Order
from bench.peers.install import Installer
from bench.processes import BenchError

VERSION: Final = "1.6.0"
REQUIREMENTS: Final = (f"pgqueuer=={VERSION}", "asyncpg==0.32.0", "uvloop==0.23.0")


class PgQueuer:
    """See `products.Product`, and `pgqueuer_app` for its settings.

    Args:
        installer: Of the peers' environment.
    """

    name = "pgqueuer"
    title = f"PgQueuer {VERSION}"
    stores: Sequence[StoreName] = ("postgres",)
    takes_many = True
    patience_seconds = 0.0

    def __init__(self, installer: Installer) -> None:
        self._installer = installer

    def set_up(self, database: Database, environment: Mapping[str, str]) -> None:
        """Make its tables."""
        self._installer.require(self.name, REQUIREMENTS)
        made = subprocess.run(
            self._program("install"), env=environment, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise BenchError(f"{self.title} cannot make its tables: {made.stderr[-500:]}")

    def producer(self, database: Database, order: Order) -> list[str]:
        """The command that carries out an order."""
        return self._program("produce", order.to_text())

    def workers(self, database: Database, count: int, concurrency: int) -> list[list[str]]:
        """One command for each; its slots follow from its batches."""
        return [self._program("work")] * count

    def waiting(self, database: Database) -> list[int]:
        """Numbers of the jobs in its table."""
        rows = database.query("SELECT payload FROM pgqueuer")
        return [int(json.loads(payload)["seq"]) for (payload,) in rows]

    def _program(self, *arguments: str) -> list[str]:
        return [self._installer.python, "-m", "bench.peers.pgqueuer_app", *arguments]
