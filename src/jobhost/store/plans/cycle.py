"""One cycle of a worker: record what has ended, then claim what comes next, in one transaction.

All statements work on sets: a cycle costs about ten of them whatever the number of jobs.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jobhost.jobs.outcomes import COMPLETED, Counts, ErrorInfo, obey_cancel, storable
from jobhost.jobs.records import Delivery, Ended, error_to_json
from jobhost.jobs.states import FINAL, Move, State
from jobhost.store.plan import Plan, Statement

LANE_RETURNED: Final = 0
"""Jobs handed back uncharged stand before the backlog."""

LANE_FRESH: Final = 1

_UNCHARGED = frozenset({Move.RELEASE, Move.RESCUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a worker wants to claim.

    Args:
        node: Its number.
        queues: Names of queues in the order in which to ask them.
        tasks: A JSON list of the task names that it knows.
        slots: How many jobs at most; 0 claims nothing.
    """

    node: int
    queues: Sequence[str]
    tasks: str
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """What one cycle did.

    Args:
        lease_live: Whether the node's lease was live. If not, nothing else happened.
        claimed: Jobs now owned, in the order in which to start them.
        lost: Numbers of jobs whose end was refused, since they were no longer owned.
        cancels: Reasons by number, for running jobs that somebody wants cancelled.
        unrung: In the last moment jobs may have been accepted without a ring: look again soon.
    """

    lease_live: bool = True
    claimed: list[Delivery] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    cancels: dict[int, str] = field(default_factory=dict)
    unrung: bool = False


Claim = Callable[[str, Wanted, int], Plan[list[Delivery]]]
"""Takes the next jobs of a queue, so many at most."""


def cycle(ended: Sequence[Ended], wanted: Wanted, claim: Claim | None = None) -> Plan[CycleReport]:
    """Record and claim. A worker whose lease has ended gets `lease_live=False` and no more.

    Args:
        ended: What has ended.
        wanted: What to claim.
        claim: How; by default `claim_from_head`.
    """
    claim = claim or claim_from_head
    node = wanted.node
    lease = yield Statement("hold_lease", {"node": node})
    if not lease.rows:
        return CycleReport(lease_live=False)
    wishes = yield Statement("cancellations", {"node": node})
    cancels: dict[int, str] = dict(wishes.rows)
    lost = yield from settle(ended, cancels, node=node, writer=node)
    if cancels and not cancels.keys().isdisjoint([end.job for end in ended]):
        yield Statement("forget_cancellations")
    claimed: list[Delivery] = []
    if wanted.slots:
        shut = {name for (name,) in (yield Statement("shut")).rows}
        for queue in wanted.queues:
            if queue not in shut and len(claimed) < wanted.slots:
                claimed += yield from claim(queue, wanted, wanted.slots - len(claimed))
    return CycleReport(claimed=claimed, lost=lost, cancels=cancels)


def settle(
    ended: Sequence[Ended], cancels: dict[int, str], *, node: int, writer: int
) -> Plan[list[int]]:
    """Move ended jobs to where their settlements say. Returns the jobs that were not owned.

    Args:
        ended: The attempts.
        cancels: Cancels on their way: such a job does not become ready or scheduled again.
        node: In whose name the jobs stand.
        writer: Whose live lease gives the right to write: the node itself, or its rescuer.
    """
    if not ended:
        return []
    guard = {"node": node, "writer": writer}
    completed = [end for end in ended if end.settlement is COMPLETED]
    others = [_obey(end, cancels) for end in ended if end.settlement is not COMPLETED]
    # Where the clock goes on within a transaction, the lease must not end between two statements:
    # it counts once, here, and is then held.
    if others and not (yield Statement("hold_lease", {"node": writer})).rows:
        return sorted({end.job for end in ended})
    changed = 0
    if completed:
        rows = [(job, epoch, duration, result) for job, epoch, duration, _, result in completed]
        changed += (yield Statement("complete", guard, rows)).changed
    if others:
        changed += yield from _settle_others(others, guard)
    if changed == len(ended):
        owned = [end.job for end in ended]
    else:
        # Only what has just entered another table may leave this one, so the writer's lease
        # counts here as it did there.
        live = others or (yield Statement("hold_lease", {"node": writer})).rows
        held = (yield from read_back(node)) if live else {}
        owned = [end.job for end in ended if (end.job, end.epoch) in held]
    yield Statement("leave_running", {"jobs": json.dumps(owned), "node": node})
    return sorted({end.job for end in ended} - set(owned))


def _settle_others(others: Sequence[Ended], guard: dict[str, Any]) -> Plan[int]:
    """Everything but a plain success: `others` by the table that they go to."""
    final = [end for end in others if end.settlement.target in FINAL]
    again = [end for end in others if end.settlement.target not in FINAL]
    later = [end for end in again if end.settlement.target is State.SCHEDULED]
    ready = [end for end in again if end.settlement.target is State.READY]
    blocked = [end for end in again if end.settlement.target is State.BLOCKED]
    deferred = [end for end in blocked if end.settlement.move is Move.DEFER]
    aside = [end for end in blocked if end.settlement.move is not Move.DEFER]
    changed = 0
    if final:
        changed += (yield _about("finish", final, guard)).changed
    if again:
        yield _about("append_attempts", again, guard)
    if later:
        changed += (yield _about("reschedule", later, guard)).changed
    if aside:
        changed += (yield _about("set_aside", aside, guard)).changed
    if deferred:
        changed += (yield _about("defer", deferred, guard)).changed
    if ready:
        first_seq = yield from draw_numbers(len(ready))
        changed += (yield _about("hand_back", ready, {**guard, "first_seq": first_seq})).changed
    return changed


def _about(name: str, ended: Sequence[Ended], params: dict[str, Any]) -> Statement:
    return Statement(name, {**params, "ended": json.dumps([_plain(end) for end in ended])})


def _plain(end: Ended) -> dict[str, Any]:
    settlement = end.settlement
    return {
        "job": end.job,
        "epoch": end.epoch,
        "duration_us": end.duration_us if end.duration_us >= 0 else None,
        "state": settlement.target.value,
        "reason": None if settlement.reason is None else storable(settlement.reason),
        "outcome": settlement.label,
        "delay_us": settlement.delay_us,
        "lane": LANE_RETURNED if settlement.move in _UNCHARGED else LANE_FRESH,
        "failures": settlement.failures,
        "crashes": settlement.crashes,
        "error": error_text(settlement.error),
    }


def _obey(end: Ended, cancels: dict[int, str]) -> Ended:
    """A job that somebody has cancelled does not wait for another attempt."""
    if end.job not in cancels:
        return end
    return end._replace(settlement=obey_cancel(end.settlement, cancels[end.job]))


def draw_numbers(count: int) -> Plan[int]:
    """Take `count` numbers of the store's one sequence; returns the first."""
    drawn = yield Statement("draw_numbers", {"count": count})
    last: int = drawn.rows[0][0]
    return last - count + 1


def error_text(error: ErrorInfo | None) -> str | None:
    """An error as the JSON text that is stored."""
    return None if error is None else json.dumps(error_to_json(error))


def claim_from_head(queue: str, wanted: Wanted, slots: int) -> Plan[list[Delivery]]:
    """Take the next jobs of a queue: walk from its head, past jobs of tasks that the worker does
    not know."""
    return (yield from take("claim_ready", {"queue": queue}, wanted, slots))


def take(name: str, place: dict[str, Any], wanted: Wanted, slots: int) -> Plan[list[Delivery]]:
    """Take the jobs that a statement finds.

    Args:
        name: Of the statement.
        place: Its parameters, the queue among them.
        wanted: By whom, and of which tasks.
        slots: How many at most.
    """
    found = yield Statement(name, {**place, "tasks": wanted.tasks, "wanted": slots})
    claimed = list(map(Delivery._make, found.rows))
    yield from _take(claimed, {"queue": place["queue"], "tasks": wanted.tasks}, wanted.node)
    return claimed


def _take(claimed: list[Delivery], params: dict[str, Any], node: int) -> Plan[None]:
    """Move what was just read from ready to running, by stretches of one priority and lane."""
    start = 0
    while start < len(claimed):
        first, end = claimed[start], _end_of_stretch(claimed, start)
        place = {
            **params,
            "priority": first.priority,
            "lane": first.lane,
            "first_seq": first.seq,
            "last_seq": claimed[end - 1].seq,
        }
        yield Statement("start_running", {**place, "node": node})
        yield Statement("leave_ready", place)
        start = end


def _end_of_stretch(claimed: list[Delivery], start: int) -> int:
    """One past the last job of the same priority and lane. They come sorted, so mostly the very
    last one is still of it."""
    first = claimed[start]
    end = len(claimed)
    while (claimed[end - 1].priority, claimed[end - 1].lane) != (first.priority, first.lane):
        end -= 1
    return end


def claim_one(job_id: bytes, task: str, node: int) -> Plan[Delivery | None]:
    """Claim one fresh job by its id; None when it is not waiting any more."""
    found = yield Statement("claim_one", {"id": job_id})
    if found.first is None:
        return None
    delivery = Delivery._make(found.first)
    place = {"queue": delivery.queue, "tasks": json.dumps([task]), "job": delivery.job}
    yield from _take([delivery], place, node)
    return delivery


def read_back(node: int) -> Plan[dict[tuple[int, int], Counts]]:
    """What the store holds in this node's name: job and epoch, with the counts that a release
    must keep.

    A claim is owned only once its reply was read: a worker whose cycle broke compares this
    with what it knows, releases the rest and repeats what was not recorded.
    """
    found = yield Statement("held", {"node": node})
    return {
        (job, epoch): Counts(failures=failures, crashes=crashes)
        for job, epoch, failures, crashes in found.rows
    }
