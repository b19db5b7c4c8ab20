"""A worker in a process of its own: `serve.py URL FOLDER '{"lease": "1s"}'`.

The settings are those of a worker, and:

- `busy_seconds`: the patience with a locked store;
- `release`: also the tasks of this release of `releases.py`;
- `keep`: how long jobs that succeeded are kept, looked at from the first moment and all the time.
"""

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from chores import Chores
from releases import Release

from jobhost import JobHost, Retention
from jobhost.events import StoreTrouble, WorkerDraining, WorkerRetiring, WorkerStarted
from jobhost.store.sqlite import store
from jobhost.worker import pruner


def main() -> None:
    """Work until stopped, then print the report."""
    url, folder, settings = sys.argv[1:]
    config = json.loads(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(message)s")
    store.BUSY_SECONDS = config.pop("busy_seconds", store.BUSY_SECONDS)
    retention = None
    if (keep := config.pop("keep", None)) is not None:
        retention = Retention(succeeded=keep)
        pruner._FIRST_SECONDS, pruner._WALK_SECONDS = (0.0, 0.0), 0.1
    host = JobHost(url, retention=retention)
    Chores(host, Path(folder))
    if (release := config.pop("release", None)) is not None:
        Release(release, host, Path(folder))
    worker = host.worker(**config)
    for kind in (WorkerStarted, WorkerDraining, WorkerRetiring, StoreTrouble):
        worker.events.subscribe(kind, lambda event: logging.info("%r", event))
    report = worker.run(signals=True)
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
