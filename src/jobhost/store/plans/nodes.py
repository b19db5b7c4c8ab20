"""Workers register, renew their lease, are rescued when they die, and leave.

The right to run a job ends with the lease of the node that holds it. A rescue first
ends the node, then moves what it held, all in one transaction, guarded by the
rescuer's own lease.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from jobhost.jobs.outcomes import Counts, Crashed, ErrorInfo, decide
from jobhost.jobs.records import Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import Move
from jobhost.store.plan import Plan, Row, Statement
from jobhost.store.plans.cycle import draw_numbers, settle

RESCUE_BATCH: Final = 500
"""Jobs moved by one transaction of a rescue, so that others wait some milliseconds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A node about to register. `id` is random at each registration; queues and tasks are names."""

    id: str
    host: str
    pid: int
    version: str
    slots: int
    queues: Sequence[str]
    tasks: Sequence[str]
    lease_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNode:
    """A node that has not ended. `lapsed`: its lease has run out."""

    number: int
    id: str
    worker: str
    lapsed: bool


class News(NamedTuple):
    """What a renewed lease brings along, where a look of its own would cost a journey.

    `lapsed`: another node's lease has run out. `due_in_us`: until the next scheduled job is due.
    `ready`: one of the node's queues is not empty. `blocked`: some job waits for a worker that
    knows its task.
    """

    lapsed: bool
    due_in_us: int | None
    ready: bool
    blocked: bool


class Pulse(NamedTuple):
    """A heartbeat. Not `renewed`: the lease was lost before, and every job with it."""

    renewed: bool
    news: News | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What to rescue, and on what evidence.

    Args:
        node: Number of the dead node, and `worker` its name for the record.
        rescuer: The node that does it; its lease must be live.
        died: Its process is proven to be gone. Otherwise its lease has run out, and a
            renewal that comes in between saves it.
    """

    node: int
    worker: str
    rescuer: int
    died: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueReport:
    """How many jobs went back to ready, and how many ended as dead or cancelled."""

    returned: int = 0
    ended: int = 0
    more: bool = False

    @property
    def total(self) -> int:
        """Jobs taken from the dead node."""
        return self.returned + self.ended


def register(new: NewNode) -> Plan[int]:
    """Enter a node with its first lease. Returns its number, which is never reused."""
    number = yield from draw_numbers(1)
    yield Statement(
        "register_node",
        {
            "number": number,
            "id": new.id,
            "host": new.host,
            "pid": new.pid,
            "version": new.version,
            "slots": new.slots,
            "queues": json.dumps(list(new.queues)),
            "tasks": json.dumps(list(new.tasks)),
            "lease_us": new.lease_us,
        },
    )
    return number


def heartbeat(node: int, lease_us: int) -> Plan[Pulse]:
    """Renew the lease, and hear what there is to do."""
    renewed = yield Statement("heartbeat", {"node": node, "lease_us": lease_us}, alone=True)
    news = None if renewed.first is None else News._make(renewed.first)
    return Pulse(renewed=renewed.changed == 1, news=news)


def leave(node: int) -> Plan[None]:
    """End a node that holds nothing any more."""
    yield Statement("bury_node", {"node": node, "reason": "stopped", "only_lapsed": False})


def live_nodes() -> Plan[list[LiveNode]]:
    """Nodes that have not ended."""
    found = yield Statement("live_nodes")
    return [
        LiveNode(number=number, id=node_id, worker=f"{host}:{pid}", lapsed=bool(lapsed))
        for number, node_id, host, pid, lapsed in found.rows
    ]


def orphans() -> Plan[list[int]]:
    """Ended or unknown nodes that still hold jobs: a rescue was cut short."""
    found = yield Statement("orphans")
    return [number for (number,) in found.rows]


def rescue(order: Rescue) -> Plan[RescueReport]:
    """End a node and move up to RESCUE_BATCH of its jobs to where they belong.

    Nothing happens if the rescuer's own lease has ended, if a lapsed node has renewed, or
    if a node is told to rescue itself. `more` in the report asks for another call.
    """
    lease = yield Statement("hold_lease", {"node": order.rescuer})
    if not lease.rows or order.node == order.rescuer:
        return RescueReport()
    reason = "died" if order.died else "lost its lease"
    buried = yield Statement(
        "bury_node", {"node": order.node, "reason": reason, "only_lapsed": not order.died}
    )
    still_alive = yield from live_nodes()
    if any(node.number == order.node for node in still_alive):
        return RescueReport()
    found = yield Statement("running_of", {"node": order.node, "limit": RESCUE_BATCH})
    # Read now that the jobs are held: a cancel may have been entered while that was waited for.
    wishes = yield Statement("cancellations", {"node": order.node})
    cancels: dict[int, str] = dict(wishes.rows)
    # Only the first call sees all that the node held; one left over for the next was not alone.
    alone = buried.changed == 1 and len(found.rows) == 1
    ended = [_crash(row, order, cancels.get(row[0]), alone=alone) for row in found.rows]
    yield from settle(ended, cancels, node=order.node, writer=order.rescuer)
    if cancels:
        yield Statement("forget_cancellations")
    returned = sum(end.settlement.move is Move.RESCUE for end in ended)
    return RescueReport(
        returned=returned, ended=len(ended) - returned, more=len(ended) == RESCUE_BATCH
    )


def _crash(row: Row, order: Rescue, cancel_reason: str | None, *, alone: bool) -> Ended:
    """What becomes of one job of a dead worker."""
    job, epoch, deliveries, failures, crashes, lost_before = row
    what = "died" if order.died else "lost its lease"
    outcome = Crashed(
        error=ErrorInfo(type="WorkerLost", message=f"worker {order.worker} {what} while it ran"),
        proven=order.died and alone,
        lost_deliveries=lost_before + 1,
        cancel_reason=cancel_reason,
    )
    counts = Counts(deliveries=deliveries, failures=failures, crashes=crashes)
    settlement = decide(outcome, counts, Retry(), chance=0.0)
    return Ended(job, epoch, duration_us=-1, settlement=settlement)
