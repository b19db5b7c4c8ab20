"""How full a queue is, up to a bound, and making room in one that is full.

What counts are the jobs that could start if there were a worker for each: those ready, and those
set aside. One that is due later counts when it is due.
"""

import json
from typing import Final

from jobhost.store.plan import Plan, Statement

DROPPED: Final = "dropped: the queue was full"
"""Why such a job is cancelled."""

DROP_MAX: Final = 1000
"""Jobs moved by one statement; and so many more than it needs for itself an enqueue drops of a
queue that has come far above its bound."""


def count_waiting(queue: str, limit: int) -> Plan[int]:
    """How many jobs of a queue wait; `limit` stands for as many or more, so that the cost stays
    bounded."""
    found = yield Statement("count_waiting", {"queue": queue, "limit": limit})
    waiting: int = found.rows[0][0]
    return min(waiting, limit)


def make_room(queue: str, capacity: int, count: int) -> Plan[int]:
    """Cancel the oldest jobs of the lowest priority, so many that `count` more fit in; how many.

    Fewer when others are at them, or when nothing is left but jobs that a worker has handed back:
    these have begun.
    """
    waiting = yield from count_waiting(queue, capacity + count + DROP_MAX)
    over = waiting + count - capacity
    made = 0
    while made < over:
        wanted = min(over - made, DROP_MAX)
        params = {"queue": queue, "limit": wanted, "reason": DROPPED}
        dropped = yield Statement("drop_oldest", params)
        if not dropped.rows:
            break
        jobs = json.dumps([job for (job,) in dropped.rows])
        yield Statement("leave_ready_for_good", {"jobs": jobs})
        made += len(dropped.rows)
    return made
