"""Jobs that may have killed their worker: until cleared they run one at a time, each alone.

A suspect is set aside by the rescue of its worker's jobs (`nodes.py`). A task whose jobs are proven
to kill workers again and again is set aside as a whole, before more of them are tried.

Who runs a suspect is decided by its task and its queue: a living node that knows the one and serves
the other, in its lane; where there is none, a worker without a node that does so itself. A lane
enters the store without queues, so that nobody counts on it for ready jobs, and takes those of its
node.
"""

import json
from collections.abc import Sequence
from typing import Final

from jobhost.jobs.records import Delivery
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import draw_numbers

SUSPECT_BATCH: Final = 1000
"""Jobs set aside or brought back by one transaction."""

SET_ASIDE: Final = "its task has killed workers: its jobs run one at a time, each alone"
"""Why a job of such a task is blocked."""


def claim_suspect(node: int, tasks: str) -> Plan[Delivery | None]:
    """Claim the next suspect; None when there is none for this worker, or its lease has ended.

    Args:
        node: The number of the worker, which runs nothing else: a node's lane, or a worker without
            a node, which leaves alone what living nodes take care of.
        tasks: A JSON list of the task names that it knows.
    """
    lease = yield Statement("hold_lease", {"node": node})
    if not lease.rows:
        return None
    found = yield Statement("claim_suspect", {"node": node, "tasks": tasks})
    if found.first is None:
        return None
    delivery = Delivery._make(found.first)
    yield Statement("start_suspect", {"job": delivery.job, "node": node})
    yield Statement("leave_blocked", {"jobs": json.dumps([delivery.job])})
    return delivery


def suspect_waits(node: int, tasks: str) -> Plan[bool]:
    """Whether `claim_suspect` would find one, so that it is worth holding back for. Writes nothing,
    but belongs in a writing transaction: it may lock what it finds until the end."""
    found = yield Statement("claim_suspect", {"node": node, "tasks": tasks})
    return found.first is not None


def set_aside(worker: int, tasks: Sequence[str], queues: Sequence[str]) -> Plan[int]:
    """Set jobs of these tasks aside that stand at the heads of the queues; how many.

    Args:
        worker: Number of the worker whose death was the last proof.
        tasks: Names of tasks.
        queues: Names of queues.
    """
    names = json.dumps(list(tasks))
    moved = 0
    for queue in queues:
        params = {"queue": queue, "tasks": names, "limit": SUSPECT_BATCH}
        found = yield Statement("heads_of", params)
        if not found.rows:
            continue
        jobs = json.dumps([job for (job,) in found.rows])
        place = {"queue": queue, "jobs": jobs}
        yield Statement("park", {**place, "reason": SET_ASIDE, "suspect_of": worker})
        yield Statement("leave_ready_by_job", place)
        moved += len(found.rows)
    return moved


def bring_back(task: str) -> Plan[int]:
    """Jobs that wait only because of their task become ready again; at most SUSPECT_BATCH."""
    params = {"task": task, "reason": SET_ASIDE, "limit": SUSPECT_BATCH}
    found = yield Statement("set_aside_as_a_whole", params)
    return (yield from _return([job for (job,) in found.rows]))


def clear(worker: int | None) -> Plan[int]:
    """Another job is proven to have killed this worker: its other suspects become ready again, at
    most SUSPECT_BATCH, the oldest first; a full batch asks for another call. Returns how many."""
    if worker is None:
        return 0
    found = yield Statement("suspects_of", {"worker": worker, "limit": SUSPECT_BATCH})
    return (yield from _return([job for (job,) in found.rows]))


def _return(jobs: list[int]) -> Plan[int]:
    """Before the backlog, in this order."""
    if jobs:
        text = json.dumps(jobs)
        first_seq = yield from draw_numbers(len(jobs))
        yield Statement("unpark", {"jobs": text, "first_seq": first_seq})
        yield Statement("leave_blocked", {"jobs": text})
    return len(jobs)
