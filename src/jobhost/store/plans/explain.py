"""What there is to know about why a job is where it is.

Several looks, and no snapshot: a job that moves between two of them is explained by the first.
"""

from collections.abc import Collection
from datetime import datetime

from jobhost.clock import to_datetime
from jobhost.jobs.explain import PLACE_MAX, Situation
from jobhost.jobs.states import State
from jobhost.store.plan import Looks, Plan, Statement
from jobhost.store.plans.deferral import deferred_since
from jobhost.store.plans.look import attempts, show
from jobhost.store.plans.look_nodes import list_nodes
from jobhost.store.plans.nodes import live_nodes
from jobhost.store.plans.queues import queue_settings
from jobhost.store.plans.suspects import SET_ASIDE


def situation(job_id: bytes, now: datetime, died: Collection[str] = ()) -> Looks[Situation | None]:
    """Of one job; None when there is none of that id.

    Args:
        job_id: Its id.
        now: The moment.
        died: Ids of nodes whose process is proven to be gone: their lease may still be live.
    """
    job = yield lambda: show(job_id)
    if job is None:
        return None
    if job.is_final:
        return Situation(job=job, now=now)
    nodes = yield list_nodes
    living = (yield live_nodes) if died else []
    dead = frozenset(node.number for node in living if node.id in died)
    if job.state is State.RUNNING:
        return Situation(job=job, now=now, nodes=nodes, dead=dead)
    ready = job.state is State.READY
    blocked = job.state is State.BLOCKED
    since = (yield lambda: deferred_since(job.number)) if blocked else None
    ended = (yield lambda: attempts(job_id)) if job.deliveries else []
    expired = yield lambda: expired_since(job.number)
    return Situation(
        job=job,
        now=now,
        nodes=nodes,
        dead=dead,
        settings=(yield lambda: queue_settings(job.queue)),
        place=(yield lambda: place_in_line(job_id, job.queue)) if ready else None,
        last=ended[-1] if ended else None,
        set_aside=blocked and job.reason == SET_ASIDE,
        deferred_at=None if since is None else to_datetime(since),
        expired_at=None if expired is None else to_datetime(expired),
    )


def expired_since(job: int) -> Plan[int | None]:
    """When the time to start of the job of this number was over; None: it is not, or never is."""
    found = yield Statement("expiry_of", {"job": job})
    return int(found.first[0]) if found.first is not None and found.first[1] else None


def place_in_line(job_id: bytes, queue: str) -> Plan[int | None]:
    """The place of a ready job in its queue, from 1; None beyond PLACE_MAX, or when it has left."""
    found = yield Statement("place_in_line", {"queue": queue, "id": job_id, "limit": PLACE_MAX})
    return None if found.first is None else int(found.first[0])
