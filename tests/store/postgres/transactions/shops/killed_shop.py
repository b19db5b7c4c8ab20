"""A worker that is killed while its first job commits.

usage: killed_shop.py URL
"""

import os
import signal
import sys

from jobhost import JobHost, current_job

host = JobHost(sys.argv[1])


@host.task
def ship(table: str, when: str) -> None:
    with current_job().transaction() as tx:
        insert = f"INSERT INTO {table} VALUES ('delivery {current_job().delivery}')"
        tx.connection.execute(insert.encode())
        if when == "before the commit":
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


host.worker(burst=True).run()
