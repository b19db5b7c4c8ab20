"""One look at a whole store, for `jobhost top`: bounded in what it asks and in what it gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jobhost.clock import SystemClock, to_datetime
from jobhost.errors import StoreUnavailable

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.jobs.dead import DeadGroup
    from jobhost.jobs.queue_stats import QueueStats
    from jobhost.jobs.records import JobAtWork, NodeRecord
    from jobhost.store.plan import Plan

T = TypeVar("T")

DEAD_LOOKED_AT: Final = 1000
"""Of the newest dead letters so many are grouped in each look."""

AT_WORK_MAX: Final = 100
"""Running jobs that are shown with their progress: more than fit a terminal."""

_REFUSED: Final = "42501"
"""What PostgreSQL says where a login may not look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a look has found; no snapshot, since a job may move meanwhile.

    Args:
        store: Address of the store, without secrets.
        at: When it was taken, by this machine's clock.
        states: By name, how many jobs: text for people, and plain values for `--json`.
        queues: By name.
        nodes: Nodes and workers that have not ended, each node before its workers.
        running: Jobs that have told how far they are, the longest running first; None where this
            login may not look.
        dead: Groups among the newest dead letters, the newest first; None where this login may
            not look.
    """

    store: str
    at: datetime
    states: dict[str, tuple[str, dict[str, Any]]]
    queues: "Sequence[QueueStats]"
    nodes: "Sequence[NodeRecord]"
    running: "Sequence[JobAtWork] | None"
    dead: "Sequence[DeadGroup] | None"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; keys are stable."""
        return {
            "store": self.store,
            "at": self.at.isoformat(),
            "states": {state: plain for state, (_, plain) in self.states.items()},
            "queues": [queue.to_json() for queue in self.queues],
            "nodes": [node.to_json() for node in self.nodes],
            "running": None if self.running is None else [job.to_json() for job in self.running],
            "dead": None if self.dead is None else [group.to_json() for group in self.dead],
        }


def look(host: "JobHost") -> Overview:
    """Ask the store for everything, once. Raises StoreError."""
    from jobhost.jobs.depth import NOTHING
    from jobhost.store.plans.overview import at_work, tally_bounded

    queues = host.queues()
    ready = sum((queue.depth for queue in queues), NOTHING)
    running = sum(queue.running for queue in queues)
    bounded = host.store.read(tally_bounded)
    return Overview(
        store=host.store.url,
        at=to_datetime(SystemClock().now()),
        states={
            "ready": (str(ready), {"jobs": ready.jobs, "exact": ready.exact}),
            "running": (f"{running:,}", {"jobs": running, "exact": True}),
            **{state.value: (str(count), count.to_json()) for state, count in bounded.items()},
        },
        queues=queues,
        nodes=host.nodes(),
        running=_if_allowed(host, partial(at_work, AT_WORK_MAX)),
        dead=_dead(host),
    )


def _dead(host: "JobHost") -> "list[DeadGroup] | None":
    from jobhost.jobs.dead import DeadFilter
    from jobhost.store.plans.dead import group_dead

    groups = _if_allowed(host, partial(group_dead, DeadFilter(), looked_at=DEAD_LOOKED_AT))
    if groups is None:
        return None
    return sorted(groups, key=lambda group: group.last_at, reverse=True)


def _if_allowed(host: "JobHost", plan: "Callable[[], Plan[T]]") -> T | None:
    """What it finds, or None where this login may not look."""
    try:
        return host.store.read(plan)
    except StoreUnavailable as error:
        if getattr(error.__cause__, "sqlstate", None) != _REFUSED:
            raise
        return None
