"""A store, its clock and a driver, with short words for what nearly every test does."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from jobhost.clock import ManualClock
from jobhost.ids import new_ids
from jobhost.jobs.outcomes import Counts, ErrorInfo, Failed, Outcome, Succeeded, decide
from jobhost.jobs.records import Attempt, Delivery, Ended, JobRecord
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plan import Plan
from jobhost.store.plans import cycle, enqueue, look, nodes, operate, stage, suspects
from jobhost.store.seam import Store

from .conservation import Query, Standing, numbers, standings

T = TypeVar("T")

QUEUE = "default"
TASK = "work"
LEASE = timedelta(seconds=30)
BOOM = ErrorInfo(type="ValueError", message="boom", traceback="Traceback: boom")
FAILED = Failed(error=BOOM, names=("builtins.ValueError",))


class Driver(Protocol):
    """One of the two ways to run a plan."""

    def write(self, make: Callable[[], Plan[T]]) -> T: ...

    def read(self, make: Callable[[], Plan[T]]) -> T: ...


class World:
    """A fresh store in the hands of one driver."""

    def __init__(self, store: Store, clock: ManualClock, driver: Driver, query: Query) -> None:
        self.store = store
        self.clock = clock
        self.write = driver.write
        self.read = driver.read
        self.query = query

    def enqueue(self, count: int = 1, *, task: str = TASK, **options: Any) -> list[bytes]:
        """Accept jobs whose payloads are `[0]`, `[1]`, …; their ids."""
        ids = options.pop("ids", None) or [bytes(new) for new in new_ids(count)]
        jobs = [enqueue.NewJob(job_id, json.dumps([at]), None) for at, job_id in enumerate(ids)]
        given = {"queue": QUEUE, "priority": 0, **options}
        batch = enqueue.Batch(task=task, jobs=jobs, **given)
        self.write(lambda: self.store.hot.enqueue(batch))
        return ids

    def node(
        self,
        *tasks: str,
        lease: timedelta = LEASE,
        name: str | None = None,
        kind: nodes.Kind = nodes.Kind.WORKER,
        supervisor: int | None = None,
        queues: Sequence[str] = (QUEUE,),
    ) -> int:
        """A new live node."""
        new = nodes.NewNode(
            id=name or new_ids(1)[0].hex(),
            host="here",
            pid=1,
            version="1",
            slots=1,
            queues=queues,
            tasks=tasks or [TASK],
            lease_us=lease // timedelta(microseconds=1),
            kind=kind,
            supervisor=supervisor,
        )
        return self.write(lambda: nodes.register(new))

    def cycle(
        self,
        node: int,
        *ended: Ended,
        slots: int = 0,
        queues: Sequence[str] = (QUEUE,),
        tasks: Sequence[str] = (TASK,),
    ) -> cycle.CycleReport:
        """One cycle of a worker."""
        wanted = cycle.Wanted(node=node, queues=queues, tasks=json.dumps(list(tasks)), slots=slots)
        return self.write(lambda: self.store.hot.cycle(ended, wanted))

    def claim(self, node: int, slots: int = 100, **wanted: Any) -> list[Delivery]:
        """Claim and record nothing."""
        return self.cycle(node, slots=slots, **wanted).claimed

    def running(self, node: int) -> tuple[bytes, Delivery]:
        """One new job, claimed by this node."""
        (job_id,) = self.enqueue()
        (delivery,) = self.claim(node)
        return job_id, delivery

    def heartbeat(self, node: int) -> bool:
        """Renew a lease."""
        return self.pulse(node).renewed

    def pulse(self, node: int, vitals: str | None = None) -> nodes.Pulse:
        """Renew a lease, and hear the news."""
        lease_us = LEASE // timedelta(microseconds=1)
        return self.write(lambda: nodes.heartbeat(node, lease_us, vitals))

    def rescue(
        self, node: int, rescuer: int, *, died: bool = True, own_doing: bool | None = None
    ) -> nodes.RescueReport:
        """One transaction of a rescue."""
        order = nodes.Rescue(
            node=node, worker="here:1", rescuer=rescuer, died=died, own_doing=own_doing
        )
        return self.write(lambda: nodes.rescue(order))

    def claim_suspect(self, node: int, *tasks: str) -> Delivery | None:
        """Claim the next suspect."""
        names = json.dumps(tasks or [TASK])
        return self.write(lambda: suspects.claim_suspect(node, names))

    def stage(self, *queues: str) -> stage.StageReport:
        """One pass of the stager."""
        return self.write(lambda: stage.stage(queues or [QUEUE]))

    def cancel(self, job_id: bytes, reason: str = "not wanted") -> operate.CancelResult | None:
        """Cancel a job."""
        return self.write(lambda: operate.cancel(job_id, reason))

    def redrive(self, job_id: bytes) -> operate.Redriven | None:
        """Redrive a job."""
        return self.write(lambda: operate.redrive(job_id))

    def show(self, job_id: bytes) -> JobRecord:
        """A job that is there."""
        record = self.read(lambda: look.show(job_id))
        assert record is not None
        return record

    def state(self, job_id: bytes) -> State:
        """The state of a job that is there."""
        return self.show(job_id).state

    def attempts(self, job_id: bytes) -> list[Attempt]:
        """Its ended attempts."""
        return self.read(lambda: look.attempts(job_id))

    def list_jobs(self, **wanted: Any) -> look.Page:
        """One page of a listing."""
        return self.read(lambda: look.list_jobs(look.Filter(**wanted)))

    def standing(self, job_id: bytes) -> Standing:
        """Where a job stands and with which counts, as the tables have it."""
        return standings(self.query)[numbers(self.query)[job_id]]

    def move(self, **span: float) -> None:
        """Move the clock, in words of timedelta."""
        self.clock.move(timedelta(**span))


def ended(
    delivery: Delivery, outcome: Outcome | None = None, *, retry: Retry | None = None
) -> Ended:
    """How an attempt is recorded; a success with the result `true` unless said otherwise."""
    outcome = outcome or Succeeded("true")
    counts = Counts(
        deliveries=delivery.deliveries, failures=delivery.failures, crashes=delivery.crashes
    )
    result = outcome.result if isinstance(outcome, Succeeded) else None
    settlement = decide(outcome, counts, retry or Retry(), chance=0.0)
    return Ended(delivery.job, delivery.epoch, 1500, settlement, result)
