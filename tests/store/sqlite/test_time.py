"""The store's time within one transaction."""

from datetime import timedelta
from pathlib import Path

from jobhost.clock import Instant, ManualClock
from jobhost.store.plan import Plan, Statement
from jobhost.store.sqlite.store import SqliteStore


def test_the_stores_time_stands_still_within_a_transaction(tmp_path: Path) -> None:
    clock = ManualClock()
    store = SqliteStore(tmp_path / "jobs.db", clock)
    start = clock.now()
    seen: list[Instant] = []

    def twice() -> Plan[None]:
        for _ in range(2):
            drawn = yield Statement("job_numbers", {"count": 1})
            seen.append(drawn.rows[0][1])
            clock.move(timedelta(seconds=1))

    store.write(twice)
    assert seen == [start, start]
    store.write(twice)
    assert seen[2:] == [start + 2_000_000] * 2
    store.close()
