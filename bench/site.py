"""An empty store of one product, the records of its jobs, and the processes that use it."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.database import Database
from bench.order import URL_VARIABLE, Order
from bench.processes import ROOT, BenchError, Process
from bench.products import Product
from bench.records import RECORDS_VARIABLE, Ledger

STALL_SECONDS: Final = 30.0
"""With no new record for so long, what has not started yet is lost."""

LOOK_SECONDS: Final = 0.01

_LAST_SECONDS: Final = 1.0
"""Until the kill, for workers whose end does not matter."""


class Site:
    """Made by `Stand.new_site`.

    Args:
        folder: Its folder, empty but for the store.
        product: Whose store it is.
        database: Where the store is to be.
    """

    def __init__(self, folder: Path, product: Product, database: Database) -> None:
        records, temporary = folder / "records", folder / "tmp"
        records.mkdir()
        temporary.mkdir()
        self._folder = folder
        self._product = product
        self._environment = {
            **os.environ,
            RECORDS_VARIABLE: str(records),
            URL_VARIABLE: database.url,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
        }
        self._processes: list[Process] = []
        self._workers: list[Process] = []
        self.database = database
        self.ledger = Ledger(records)
        product.set_up(database, self._environment)

    def produce(self, order: Order) -> float:
        """Carry out the order in a process; returns the seconds that it took."""
        producer = self._start(self._product.producer(self.database, order))
        return float(producer.finish())

    def start_workers(self, count: int = 1, *, concurrency: int = 500) -> list[Process]:
        """Workers for the queue of the measured jobs; the processes to look at and to end."""
        commands = self._product.workers(self.database, count, concurrency)
        started = [self._start(command) for command in commands]
        self._workers += started
        return started

    def start_idle_workers(self, count: int, *, concurrency: int) -> list[Process]:
        """jobhost's workers that have entered themselves into the store."""
        workers = self.start_workers(count, concurrency=concurrency)
        living = f"SELECT count(*) FROM {self.database.table('node')} WHERE ended_at IS NULL"
        self.wait_until(lambda: self.database.query(living) == [(count,)], "the workers begin")
        return workers

    def start_warm_worker(self) -> Process:
        """A worker that has run one job, which is not on record any more."""
        [worker] = self.start_workers()
        self.produce(Order(way="one_by_one", count=1))
        self.wait_until(lambda: len(self.ledger) == 1, "the first job runs")
        self.ledger.clear()
        return worker

    def waiting(self) -> list[int]:
        """Numbers of the jobs that nobody has taken."""
        return self._product.waiting(self.database)

    def stop(self, *workers: Process) -> None:
        """End workers. Raises BenchError if one that should obey does not, or tells of a
        failure."""
        if not self._product.patience_seconds:
            for worker in workers:
                worker.end()
            return
        # One that had nothing left to do may still be starting, and would not hear the request.
        begun = f"SELECT count(*) FROM {self.database.table('node')}"
        self.wait_until(
            lambda: self.database.query(begun)[0][0] >= len(self._workers), "the workers begin"
        )
        for worker in workers:
            worker.stop()

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

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.runs:
                process.end()

    def _start(self, command: list[str]) -> Process:
        log = self._folder / f"{len(self._processes)}.log"
        patience = self._product.patience_seconds or _LAST_SECONDS
        process = Process(command, self._environment, log, patience_seconds=patience)
        self._processes.append(process)
        return process
