"""A temporary folder with one store, the records of its jobs, and the processes that use it."""

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from bench.processes import BenchError, Process
from bench.producer import Order
from bench.records import Ledger
from bench.tasks import RECORDS_VARIABLE
from jobhost import JobHost

STALL_SECONDS: Final = 30.0
"""With no new record for so long, what has not started yet is lost."""

LOOK_SECONDS: Final = 0.01


class Site:
    """Made by `new_site`.

    Args:
        folder: Its folder, empty.
        synchronous: The store's durability, "full" or "normal".
    """

    def __init__(self, folder: Path, synchronous: str) -> None:
        records = folder / "records"
        records.mkdir()
        self._folder = folder
        self._environment = {**os.environ, RECORDS_VARIABLE: str(records)}
        self._processes: list[Process] = []
        self.store = folder / "jobs.db"
        self.url = f"sqlite:///{self.store}?synchronous={synchronous}"
        self.ledger = Ledger(records)
        with JobHost(self.url) as host:
            host.migrate()

    def start_producer(self, order: Order) -> Process:
        """A process that carries out the order."""
        return self._start("bench.producer", self.url, order.to_text())

    def produce(self, order: Order) -> float:
        """Carry out the order in a process; returns the seconds that it took."""
        return float(self.start_producer(order).finish())

    def start_worker(self, *, concurrency: int = 500) -> Process:
        """A worker for the queue of the measured jobs."""
        options = ["--queues", "default", "--concurrency", str(concurrency), "--url", self.url]
        return self._start("jobhost", "worker", "bench.tasks:host", *options)

    def start_idle_workers(self, count: int, *, concurrency: int) -> list[Process]:
        """Workers that have entered themselves into the store."""
        workers = [self.start_worker(concurrency=concurrency) for _ in range(count)]
        living = "SELECT count(*) FROM jobhost_node WHERE ended_at IS NULL"
        self.wait_until(lambda: self.query(living) == [(count,)], "the workers begin")
        return workers

    def wait_for_records(self, count: int) -> None:
        """Wait until there are so many, or no more come."""
        seen, since = -1, time.monotonic()
        while (now := len(self.ledger)) < count:
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                return
            time.sleep(LOOK_SECONDS)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that comes soon. Raises BenchError when it does not."""
        end = time.monotonic() + STALL_SECONDS
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(process.output for process in self._processes)
                raise BenchError(f"waited {STALL_SECONDS:.0f} s in vain until {what}: {logs}")
            time.sleep(LOOK_SECONDS)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the store."""
        with closing(sqlite3.connect(self.store.as_uri() + "?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.runs:
                process.end()

    def _start(self, module: str, *arguments: str) -> Process:
        log = self._folder / f"{len(self._processes)}.log"
        process = Process([sys.executable, "-m", module, *arguments], self._environment, log)
        self._processes.append(process)
        return process


@contextmanager
def new_site(*, synchronous: str = "full") -> Iterator[Site]:
    """An empty store; at the end its processes are ended and its folder is removed."""
    with tempfile.TemporaryDirectory(prefix="jobhost-bench-") as folder:
        site = Site(Path(folder), synchronous)
        try:
            yield site
        finally:
            site.close()
