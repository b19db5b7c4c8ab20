"""A worker that is killed around the commit of its first job.

usage: killed_in_transaction.py URL
"""

import inspect
import os
import signal
import sys

from jobhost import JobHost, current_job

host = JobHost(sys.argv[1])


def insert(table: str) -> str:
    return f"INSERT INTO {table} VALUES ('delivery {current_job().delivery}')"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@host.task(name="sync")
def ship(table: str, when: str) -> None:
    with current_job().transaction() as tx:
        tx.connection.execute(insert(table))
        if when == "before the commit":
            die()
    die()


@host.task(name="async")
async def ship_async(table: str, when: str) -> None:
    async with current_job().transaction() as tx:
        found = tx.connection.execute(insert(table))
        if inspect.isawaitable(found):
            await found
        if when == "before the commit":
            die()
    die()


host.worker(burst=True).run()
