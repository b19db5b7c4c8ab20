"""Workers register, renew their lease, are rescued when they die, and leave.

The right to run a job ends with the lease of the node that holds it. A rescue first
ends the node, then moves what it held, all in one transaction, guarded by the
rescuer's own lease.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from jobhost.jobs.outcomes import Counts, Crashed, ErrorInfo, decide
from jobhost.jobs.records import Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import draw_numbers, settle
from jobhost.store.plans.suspects import SUSPECT_BATCH, clear

_WITHOUT_NEWS: Final = 3
"""Columns of a heartbeat's reply where looks of one's own are cheap."""

_DEATHS_OF_A_SUSPECT: Final = 2
"""Deaths of unknown or foreign cause that make a job a suspect: one happens to anybody."""

RESCUE_BATCH: Final = 500
"""Jobs moved by one transaction of a rescue, so that others wait some milliseconds at most."""


KEPT_US: Final = 30 * 86_400_000_000
"""30 days: so long the row of an ended node is kept, to say who ran an attempt."""

KEPT_MAX: Final = 10_000
"""Ended nodes that are kept, the newest: what asks for more is a worker that dies every few
minutes, and whoever walks the rows must not pay for it."""

PRUNE_BATCH: Final = 500
"""Nodes forgotten by one transaction."""


class Kind(StrEnum):
    """What a row among the nodes stands for."""

    WORKER = "worker"
    """Runs jobs."""
    NODE = "node"
    """Supervises workers, and runs no jobs itself."""
    LANE = "lane"
    """A worker that runs suspects, one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A node about to register.

    Args:
        id: Random at each registration.
        host, pid, version, slots: What the others may know.
        queues, tasks: Names.
        lease_us: How long its first lease lasts.
        kind: What it is.
        supervisor: Number of the node that renews its lease; None: it renews its own.
        vitals: JSON about its memory and load, as a heartbeat tells it later.
    """

    id: str
    host: str
    pid: int
    version: str
    slots: int
    queues: Sequence[str]
    tasks: Sequence[str]
    lease_us: int
    kind: Kind = Kind.WORKER
    supervisor: int | None = None
    vitals: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNode:
    """A node that has not ended. `lapsed`: its lease has run out."""

    number: int
    id: str
    worker: str
    lapsed: bool
    kind: Kind = Kind.WORKER
    supervisor: int | None = None


class News(NamedTuple):
    """What a renewed lease brings along, where a look of its own would cost a journey.

    `lapsed`: another node's lease has run out. `due_in_us`: until the next scheduled job
    is due, or a job expires, or a queue opens or closes.
    `ready`: one of the node's queues is not empty. `blocked`: some job waits for a worker that
    knows its task.
    """

    lapsed: bool
    due_in_us: int | None
    ready: bool
    blocked: bool

    @property
    def asks(self) -> bool:
        """Whether there is anything to do about it."""
        return self.lapsed or self.ready or self.blocked or self.due_in_us is not None


class Pulse(NamedTuple):
    """What came of a heartbeat.

    `renewed`: if not, the lease was lost before, and every job with it. `family`: numbers of all
    whose lease it renewed. `drain`: somebody wants this node to stop. `suspects`: some job of its
    tasks waits in its queues to run alone; to a worker only if no living node takes care of it.
    """

    renewed: bool
    family: frozenset[int] = frozenset()
    drain: bool = False
    suspects: bool = False
    news: News | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What to rescue, and on what evidence.

    Args:
        node: Number of the dead node, and `worker` its name for the record.
        rescuer: The node that does it; its lease must be live.
        died: Its process is proven to be gone. Otherwise its lease has run out, and a
            renewal that comes in between saves it.
        cause: What it died of, such as "was killed by SIGSEGV", if a supervisor saw it.
        own_doing: Whether it died of what it did itself; None if nobody saw it.
    """

    node: int
    worker: str
    rescuer: int
    died: bool
    cause: str = ""
    own_doing: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueReport:
    """What a rescue came to.

    Args:
        returned: Jobs that went back to ready.
        ended: Jobs that ended as dead or cancelled.
        aside: Suspects, which run next alone.
        cleared: Suspects of an earlier death that went back to ready, since this one has shown
            whose doing that was.
        to_clear: The worker of that death if it may have more of them: call `clear`.
        proven: The tasks of jobs that have killed this worker beyond doubt.
        more: Call again.
        refused: Nothing was done: the rescuer has no live lease, or the node may live.
    """

    returned: int = 0
    ended: int = 0
    aside: int = 0
    cleared: int = 0
    to_clear: int | None = None
    proven: tuple[str, ...] = ()
    more: bool = False
    refused: bool = False

    def __add__(self, other: "RescueReport") -> "RescueReport":
        """Of a rescue that took several transactions."""
        return RescueReport(
            returned=self.returned + other.returned,
            ended=self.ended + other.ended,
            aside=self.aside + other.aside,
            cleared=self.cleared + other.cleared,
            to_clear=self.to_clear if other.to_clear is None else other.to_clear,
            proven=self.proven + other.proven,
            more=other.more,
            refused=self.refused or other.refused,
        )

    @property
    def total(self) -> int:
        """Jobs taken from the dead node."""
        return self.returned + self.ended + self.aside


def register(new: NewNode) -> Plan[int]:
    """Enter a node with its first lease. Returns its number, which is never reused."""
    number = yield from draw_numbers(1)
    yield Statement(
        "register_node",
        {
            "number": number,
            "id": new.id,
            "kind": new.kind.value,
            "supervisor": new.supervisor,
            "host": new.host,
            "pid": new.pid,
            "version": new.version,
            "slots": new.slots,
            "queues": json.dumps(list(new.queues)),
            "tasks": json.dumps(list(new.tasks)),
            "lease_us": new.lease_us,
            "vitals": new.vitals,
        },
    )
    return number


def heartbeat(node: int, lease_us: int, vitals: str | None = None) -> Plan[Pulse]:
    """Renew the lease, and those of the workers whose supervisor this node is; hear the news.

    Args:
        node: Its number.
        lease_us: How long the renewed leases last.
        vitals: JSON about its memory and load, for people; None leaves what was told before.
    """
    params = {"node": node, "lease_us": lease_us, "vitals": vitals}
    renewed = yield Statement("heartbeat", params, alone=True)
    own = next((row for row in renewed.rows if row[0] == node), None)
    if own is None:
        return Pulse(renewed=False)
    return Pulse(
        renewed=True,
        family=frozenset(row[0] for row in renewed.rows),
        drain=bool(own[1]),
        suspects=bool(own[2]),
        news=News._make(own[3:]) if len(own) > _WITHOUT_NEWS else None,
    )


def leave(node: int) -> Plan[None]:
    """End a node that holds nothing any more."""
    yield Statement("bury_node", {"node": node, "reason": "stopped", "only_lapsed": False})


def prune(node: int) -> Plan[int]:
    """Forget up to PRUNE_BATCH nodes that ended long ago or long before many others; how many.

    A full batch asks for another call. Those that a running job, a suspect or a living worker names
    stay. Attempts outlive the rows of their workers, whose numbers they keep.

    Args:
        node: Who does it; without a live lease it forgets nobody.
    """
    lease = yield Statement("hold_lease", {"node": node})
    if not lease.rows:
        return 0
    params = {"kept_us": KEPT_US, "kept_max": KEPT_MAX, "limit": PRUNE_BATCH}
    return (yield Statement("prune_nodes", params)).changed


def live_nodes() -> Plan[list[LiveNode]]:
    """Nodes that have not ended."""
    found = yield Statement("live_nodes")
    return [
        LiveNode(
            number=number,
            id=node_id,
            worker=f"{host}:{pid}",
            lapsed=bool(lapsed),
            kind=Kind(kind),
            supervisor=supervisor,
        )
        for number, node_id, host, pid, lapsed, kind, supervisor in found.rows
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
        return RescueReport(refused=True)
    reason = order.cause or ("died" if order.died else "lost its lease")
    buried = yield Statement(
        "bury_node", {"node": order.node, "reason": reason, "only_lapsed": not order.died}
    )
    still_alive = yield from live_nodes()
    if any(node.number == order.node for node in still_alive):
        return RescueReport(refused=True)
    found = yield Statement("running_of", {"node": order.node, "limit": RESCUE_BATCH})
    # Read now that the jobs are held: a cancel may have been entered while that was waited for.
    wishes = yield Statement("cancellations", {"node": order.node})
    cancels: dict[int, str] = dict(wishes.rows)
    held = [_Held._make(row) for row in found.rows]
    # Only the first call sees all that the node held; one left over for the next was not alone.
    alone = buried.changed == 1 and len(held) == 1
    proven = [job for job in held if alone and _is_proof(job, order)]
    ended = [_crash(job, order, cancels.get(job.number), proven=job in proven) for job in held]
    yield from settle(ended, cancels, node=order.node, writer=order.rescuer)
    if cancels:
        yield Statement("forget_cancellations")
    cleared, to_clear = 0, None
    for job in proven:  # one at most: it was alone
        cleared = yield from clear(job.last_crash_of)
        to_clear = job.last_crash_of if cleared >= SUSPECT_BATCH else None
    targets = [end.settlement.target for end in ended]
    returned, aside = targets.count(State.READY), targets.count(State.BLOCKED)
    return RescueReport(
        returned=returned,
        ended=len(ended) - returned - aside,
        aside=aside,
        cleared=cleared,
        to_clear=to_clear,
        proven=tuple(job.task for job in proven),
        more=len(ended) == RESCUE_BATCH,
    )


class _Held(NamedTuple):
    """A job of a dead node. `lost_before`: its deliveries that ended without a verdict before this
    one; `last_crash_of`: the worker of the last of them."""

    number: int
    epoch: int
    deliveries: int
    failures: int
    crashes: int
    lost_before: int
    task: str
    last_crash_of: int | None


def _is_proof(job: _Held, order: Rescue) -> bool:
    """Whether a job that was alone in a dead node has killed it. If nobody saw the death, it must
    have been alone for a reason: as a suspect, after two deaths."""
    if not order.died:
        return False
    if order.own_doing is None:
        return job.lost_before >= _DEATHS_OF_A_SUSPECT
    return order.own_doing


def _crash(job: _Held, order: Rescue, cancel_reason: str | None, *, proven: bool) -> Ended:
    """What becomes of one job of a dead worker."""
    what = order.cause or ("died" if order.died else "lost its lease")
    lost = job.lost_before + 1
    outcome = Crashed(
        error=ErrorInfo(type="WorkerLost", message=f"worker {order.worker} {what} while it ran"),
        proven=proven,
        suspect=order.died
        and (bool(order.own_doing) or lost >= _DEATHS_OF_A_SUSPECT or job.crashes + proven > 0),
        lost_deliveries=lost,
        cancel_reason=cancel_reason,
    )
    counts = Counts(deliveries=job.deliveries, failures=job.failures, crashes=job.crashes)
    settlement = decide(outcome, counts, Retry(), chance=0.0)
    return Ended(job.number, job.epoch, duration_us=-1, settlement=settlement)
