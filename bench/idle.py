"""What a worker with nothing to do asks of its store."""

import time
from typing import Final

from bench.records import Tally
from bench.sample import Sample
from bench.stand import Stand

SETTLE_SECONDS: Final = 3.0
SECONDS: Final = 60
SECONDS_MIN: Final = 15
"""Long enough for a heartbeat."""


def statements_of_an_idle_worker(stand: Stand) -> Sample:
    """Per minute, heartbeats and all."""
    seconds = max(stand.size(SECONDS), SECONDS_MIN)
    with stand.new_site() as site:
        site.database.statements()
        [worker] = site.start_idle_workers(1, concurrency=500)
        time.sleep(SETTLE_SECONDS)
        # From here to the end nobody else looks into the store.
        before = site.database.statements()
        time.sleep(seconds)
        after = site.database.statements()
        site.stop(worker)
    return Sample(values={"statements": 60 * (after - before) / seconds}, tally=Tally())
