"""Indexes text files, one job each: `jobhost worker tasks:host` runs them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index import Index, Run

from jobhost import JobHost, Retry, current_job

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Only the beginning of a larger file is indexed: no job may fill the worker's memory."""

host = JobHost()  # at the address in JOBHOST_URL
index = Index(Path(os.environ.get("INDEX_PATH", "index.db")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What a job hands back. `damaged`: it has bytes that are no UTF-8."""

    lines: int
    damaged: bool


@host.task(retry=Retry(max_attempts=3, first_delay="1s"), timeout="1m")
def index_file(path: Path) -> Indexed:
    """Read one file and enter it into the index."""
    job = current_job()
    run = Run(path=str(path), job=str(job.id), delivery=job.delivery, pid=os.getpid())
    index.start(run)
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX)
    text = data.decode(errors="replace")
    index.put(run, text)
    return Indexed(lines=len(text.splitlines()), damaged=text.encode() != data)
