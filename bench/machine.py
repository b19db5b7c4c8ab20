"""What it was measured on: without that, no figure means anything."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from typing import Final

import jobhost

_FSYNCS: Final = 50
_PAGE: Final = bytes(4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The facts that the figures hang on; loads are averages over a minute, before
    and after the runs: what others do on the machine changes every figure."""

    cpus: int
    python: str
    sqlite: str
    jobhost: str
    fsync_ms: float
    load_before: float
    load_after: float = 0.0
    postgres: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.cpus} CPUs, load {self.load_before:.2f} to {self.load_after:.2f}, "
            f"Python {self.python}, SQLite {self.sqlite}, "
            + (f"PostgreSQL {self.postgres}, " if self.postgres else "")
            + f"fsync {self.fsync_ms:.2f} ms, jobhost {self.jobhost}"
        )


def this_machine() -> Machine:
    """Look, and measure a short while."""
    return Machine(
        cpus=os.cpu_count() or 0,
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        jobhost=jobhost.__version__,
        fsync_ms=_fsync_ms(),
        load_before=load(),
    )


def load() -> float:
    """The average of the last minute."""
    return os.getloadavg()[0]


def _fsync_ms() -> float:
    """Median cost of making one more page durable, where the stores of the bench are."""
    costs = []
    with tempfile.TemporaryFile(prefix="jobhost-bench-") as file:
        for _ in range(_FSYNCS):
            file.write(_PAGE)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            costs.append(time.perf_counter() - began)
    return statistics.median(costs) * 1000
