"""A worker that is killed while its first job commits.

usage: killed_shop.py URL
"""

import os
import signal
import sys

from jobhost import JobHost, current_job

host = JobHost(sys.argv[1])


def insert(table: str) -> bytes:
    return f"INSERT INTO {table} VALUES ('delivery {current_job().delivery}')".encode()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@host.task
def ship(table: str, when: str) -> None:
    with current_job().transaction() as tx:
        tx.connection.execute(insert(table))
        if when == "before the commit":
            die()
    die()


@host.task
async def ship_async(table: str, when: str) -> None:
    async with current_job().transaction() as tx:
        await tx.connection.execute(insert(table))
        if when == "before the commit":
            die()
    die()


host.worker(burst=True).run()
