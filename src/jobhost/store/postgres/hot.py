"""The plans that carry the load, each one statement that commits by itself."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from jobhost.jobs.outcomes import COMPLETED
from jobhost.jobs.records import Delivery, Ended
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import CycleReport, Wanted, settle
from jobhost.store.plans.enqueue import Batch, expiry_params
from jobhost.store.plans.hot import HotPlans
from jobhost.store.postgres.arrays import Bigints, Integers, Smallints, Texts, Uuids
from jobhost.store.postgres.hints import Hints

_HEAD: Final = 6
"""Columns of the cycle's reply that stand before a job."""

_BACKLOG_CLAIMS: Final = 4
"""After so many claims in a row that filled all slots a worker has no need to be rung for, and
producers are spared a notice with each commit, which is what slows them down most."""


def hot_plans(monotonic: Callable[[], float] = time.monotonic) -> HotPlans:
    """The plans of one owner, such as a worker; they remember where it claimed last."""
    return HotPlans(
        enqueue=enqueue,
        enqueue_new=enqueue_new,
        cycle=Claims(monotonic).cycle,
        announces=True,
    )


def enqueue(batch: Batch) -> Plan[int]:
    """Accept a batch, in its order; see `store.plans.enqueue`. Wakes workers when it commits."""
    return _accept(batch, "enqueue_ready")


def enqueue_new(batch: Batch) -> Plan[int]:
    """`enqueue` for ids that nobody has sent yet, which is cheaper; a repeat is refused."""
    return _accept(batch, "enqueue_new")


def _accept(batch: Batch, ready: str) -> Plan[int]:
    ids, payloads, envelopes = zip(*batch.jobs, strict=True) if batch.jobs else ((), (), ())
    params = {
        "task": batch.task,
        "queue": batch.queue,
        "priority": batch.priority,
        "parent": batch.parent,
        "ids": Uuids(ids),
        "payloads": Texts(payloads),
        "envelopes": Texts(envelopes),
    }
    alone = batch.expiry is None
    if batch.run_at is None and not batch.delay_us:
        accepted = yield Statement(ready, params, alone=alone)
    else:
        due = {"run_at": batch.run_at, "delay_us": batch.delay_us}
        accepted = yield Statement("enqueue_scheduled", {**params, **due}, alone=alone)
    count: int = accepted.rows[0][0]
    if batch.expiry is not None and count:  # those of a batch are new together, or none is
        yield Statement("set_expiry", {"ids": params["ids"], **expiry_params(batch.expiry)})
    return count


class Claims:
    """Cycles of one worker, with its hints.

    Args:
        monotonic: The clock of the hints.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._node = 0
        self._tasks = ""
        self._hints = Hints()
        self._full = 0
        self._wakeable = True

    def cycle(self, ended: Sequence[Ended], wanted: Wanted) -> Plan[CycleReport]:
        """Record and claim; see `store.plans.cycle`. What is no plain success goes step by step,
        in the same transaction."""
        if fresh := wanted.node != self._node:
            self._node = wanted.node
            self._full, self._wakeable = 0, True
        if fresh or wanted.tasks != self._tasks:  # others' jobs were passed by
            self._tasks, self._hints = wanted.tasks, Hints()
        completed = [end for end in ended if end.settlement is COMPLETED]
        others = [end for end in ended if end.settlement is not COMPLETED]
        lost: list[int] = []
        cancels: dict[int, str] = {}
        if others:
            ids = Bigints([end.job for end in ended])
            lease = yield Statement("hold_ended", {"node": wanted.node, "jobs": ids})
            if not lease.rows:
                return CycleReport(lease_live=False)
            wishes = yield Statement("cancellations", {"node": wanted.node})
            cancels, node = dict(wishes.rows), wanted.node
            lost = yield from settle(others, cancels, node=node, writer=node)
        report = yield from self._record_and_claim(completed, wanted, alone=not others)
        if not self._wakeable and len(report.claimed) < wanted.slots and report.lease_live:
            report = yield from self._claim_before_sleep(report, wanted, alone=not others)
        cancels |= report.cancels
        if cancels and not cancels.keys().isdisjoint([end.job for end in ended]):
            yield Statement("forget_cancellations", alone=not others)
        # A producer that was about to commit while this node came has not seen it and did not ring.
        unrung = report.unrung or fresh
        return replace(report, cancels=cancels, lost=sorted([*report.lost, *lost]), unrung=unrung)

    def _claim_before_sleep(
        self, report: CycleReport, wanted: Wanted, *, alone: bool
    ) -> Plan[CycleReport]:
        """The backlog is at its end: have producers ring again, and then look once more. One that
        is just about to commit has not read of it yet, so that a third look must follow."""
        self._full = 0
        rest = replace(wanted, slots=wanted.slots - len(report.claimed))
        again = yield from self._record_and_claim([], rest, alone=alone)
        return replace(
            report,
            lease_live=again.lease_live,
            claimed=[*report.claimed, *again.claimed],
            cancels=report.cancels | again.cancels,
            unrung=True,
        )

    def _record_and_claim(
        self, completed: list[Ended], wanted: Wanted, *, alone: bool
    ) -> Plan[CycleReport]:
        queues = wanted.queues if wanted.slots else ()
        self._wakeable = self._full < _BACKLOG_CLAIMS
        stretches = self._hints.stretches(queues, self._monotonic())
        names, lows, highs, lanes, seqs = zip(*stretches, strict=True) if stretches else ((),) * 5
        jobs, epochs, durations, _, results = (
            zip(*completed, strict=True) if completed else ((),) * 5
        )
        reply = yield Statement(
            "cycle",
            {
                "node": wanted.node,
                "jobs": Bigints(jobs),
                "epochs": Integers(epochs),
                "durations": Bigints(durations),
                "results": Texts(results),
                "queues": Texts(names),
                "lows": Smallints(lows),
                "highs": Smallints(highs),
                "lanes": Smallints(lanes),
                "seqs": Bigints(seqs),
                "tasks": wanted.tasks,
                "slots": wanted.slots,
                "wakeable": self._wakeable,
            },
            alone=alone,
        )
        live, lost, cancels, paused, xmin, xmax = reply.rows[0][:_HEAD]
        if not live:
            return CycleReport(lease_live=False)
        claimed = [Delivery._make(row[_HEAD:]) for row in reply.rows if row[_HEAD] is not None]
        if stretches:
            self._hints.forget(paused or ())
            self._hints.learn(claimed, wanted.slots, xmin, xmax)
            self._full = self._full + 1 if len(claimed) == wanted.slots else 0
        return CycleReport(
            claimed=claimed,
            lost=lost or [],
            cancels={int(job): reason for job, reason in (cancels or {}).items()},
        )
