"""An executable specification of the store: what each plan does to jobs, in plain Python.

Every change of a state goes through `_move`, which asks the table of legal moves. The model
knows nothing of tables, statements or transactions; it decides nothing about an attempt
either, since `jobs.outcomes` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from jobhost.jobs.outcomes import (
    MAX_CRASHES,
    MAX_LOST_DELIVERIES,
    Counts,
    Settlement,
    obey_cancel,
)
from jobhost.jobs.states import FINAL, LIVE, Move, State, may
from jobhost.store.plans.operate import CancelResult

from .conservation import Standing

RETURNED, FRESH = 0, 1


@dataclass(slots=True)
class Job:
    """One job; `place` is its place among the ready, kept while it is set aside."""

    number: int
    task: str
    priority: int
    state: State | None = None
    due_at: int = 0
    place: tuple[int, int] = (FRESH, 0)
    node: int = 0
    claimed_at: int = 0
    epoch: int = 0
    deliveries: int = 0
    failures: int = 0
    crashes: int = 0
    cancel: str | None = None
    outcomes: list[str] = field(default_factory=list)
    lost_deliveries: int = 0
    expires_at: int | None = None
    suspect_of: int | None = None
    deferred: bool = False
    accepted_with: int = field(init=False)
    last_crash_of: int | None = None

    def __post_init__(self) -> None:
        self.accepted_with = self.priority

    @property
    def standing(self) -> Standing:
        """What the store's tables must say of it."""
        assert self.state is not None
        return Standing(self.state, self.epoch, self.deliveries, self.failures, self.crashes)

    @property
    def counts(self) -> Counts:
        """Its counts, as an executor sees them."""
        return Counts(deliveries=self.deliveries, failures=self.failures, crashes=self.crashes)


@dataclass(slots=True)
class Node:
    """One worker."""

    number: int
    tasks: frozenset[str]
    lease_until: int
    ended: bool = False


class Model:
    """All jobs and nodes, and the present instant."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.jobs: dict[bytes, Job] = {}
        self.nodes: dict[int, Node] = {}
        self.shut = False
        self._places = count(1)

    # --- what is there

    def live(self, node: int) -> bool:
        """Whether a node's lease is live."""
        return self.nodes[node].lease_until > self.now and not self.nodes[node].ended

    def served(self) -> set[str]:
        """Tasks that some live node knows."""
        live = [node for node in self.nodes.values() if self.live(node.number)]
        return {task for node in live for task in node.tasks}

    def of(self, number: int) -> Job:
        """A job by its number."""
        return next(job for job in self.jobs.values() if job.number == number)

    def standing_in(self, state: State) -> list[Job]:
        """Jobs of one state; the ready ones in the order in which they are claimed."""
        found = [job for job in self.jobs.values() if job.state is state]
        return sorted(found, key=lambda job: (-job.priority, job.place))

    # --- producers and operators

    def enqueue(self, job_id: bytes, job: Job, due_at: int | None) -> None:
        """A new job; a repeated id changes nothing."""
        if job_id in self.jobs:
            return
        self.jobs[job_id] = job
        if due_at is None:
            self._ready(job, Move.ENQUEUE, FRESH)
        else:
            job.due_at = due_at
            self._move(job, Move.ENQUEUE, State.SCHEDULED)

    def cancel(self, job_id: bytes, reason: str) -> CancelResult:
        """A waiting job ends, a running one is asked, the first reason counts."""
        job = self.jobs[job_id]
        if job.state in FINAL:
            return CancelResult.TOO_LATE
        if job.state is State.RUNNING:
            job.cancel = job.cancel or reason
            return CancelResult.REQUESTED
        self._move(job, Move.CANCEL, State.CANCELLED)
        return CancelResult.CANCELLED

    def redrive(self, job_id: bytes) -> bool:
        """A dead or cancelled job starts again with fresh counts and its old epoch."""
        job = self.jobs[job_id]
        if not may(Move.REDRIVE, job.state, State.READY):
            return False
        job.deliveries = job.failures = job.crashes = job.lost_deliveries = 0
        job.last_crash_of = None
        job.priority = job.accepted_with
        self._ready(job, Move.REDRIVE, FRESH)
        return True

    def resume(self, job_id: bytes) -> bool:
        """A job that its task has set aside is ready again, with the counts that it had."""
        job = self.jobs[job_id]
        if job.state is not State.BLOCKED or not job.deferred:
            return False
        self._ready(job, Move.RESUME, RETURNED)
        return True

    # --- workers

    def heartbeat(self, node: int, lease: int) -> bool:
        """Only a live lease is renewed."""
        if not self.live(node):
            return False
        self.nodes[node].lease_until = self.now + lease
        return True

    def claim(self, node: int, slots: int) -> list[Job]:
        """The first ready jobs that the node knows; epoch and deliveries rise."""
        if self.shut:
            return []
        tasks = self.nodes[node].tasks
        taken = [job for job in self.standing_in(State.READY) if job.task in tasks][:slots]
        for job in taken:
            self._take(job, node)
        return taken

    def raise_waiting(self) -> int:
        """Each ready job gets the next higher priority in use, at the end of its line there."""
        ready = self.standing_in(State.READY)
        in_use = {job.priority for job in (*ready, *self.standing_in(State.RUNNING))}
        raised = 0
        for job in ready:
            above = [priority for priority in in_use if priority > job.priority]
            if above:
                job.priority = min(above)
                job.place = (job.place[0], next(self._places))
                raised += 1
        return raised

    def owns(self, node: int, number: int, epoch: int) -> bool:
        """Whether an acknowledgement is accepted."""
        job = self.of(number)
        running = job.state is State.RUNNING
        return self.live(node) and running and (job.node, job.epoch) == (node, epoch)

    def settle(self, batch: Iterable[tuple[int, int, Settlement]], node: int) -> list[int]:
        """Record ended attempts; the numbers of those that were not owned."""
        asked, owned = set(), set()
        for number, epoch, settlement in batch:
            asked.add(number)
            if self.owns(node, number, epoch):
                owned.add(number)
                self._end(self.of(number), settlement)
        return sorted(asked - owned)

    def rescue(self, node: int, rescuer: int, *, died: bool, own_doing: bool | None) -> int:
        """What a dead node held goes back, in the order of its claim; how many jobs that were.
        Who may have killed it is set aside, and a proof clears those set aside before."""
        dead = self.nodes[node]
        if not self.live(rescuer) or node == rescuer:
            return 0
        if not died and self.live(node):
            return 0
        held = sorted(
            (job for job in self.standing_in(State.RUNNING) if job.node == node),
            key=lambda job: (-job.priority, job.claimed_at, job.number),
        )
        alone = died and not dead.ended and len(held) == 1
        dead.ended = True
        for job in held:
            seen = job.lost_deliveries >= 2 if own_doing is None else own_doing
            former = job.last_crash_of
            self._crash(job, proven=alone and seen, blamed=died and bool(own_doing), died=died)
            if alone and seen:
                self._clear(former)
        return len(held)

    def claim_suspect(self, node: int) -> Job | None:
        """The suspect that runs next."""
        if self.shut:
            return None
        if not self.live(node):
            return None
        waiting = [
            job
            for job in self.standing_in(State.BLOCKED)
            if job.suspect_of is not None and job.task in self.nodes[node].tasks
        ]
        if not waiting:
            return None
        job = min(waiting, key=lambda job: (job.suspect_of, -job.number))
        self._take(job, node)
        return job

    def stage(self) -> tuple[int, int, int]:
        """Due jobs become ready, served ones come back, unserved ones are set aside."""
        due = [job for job in self.standing_in(State.SCHEDULED) if job.due_at <= self.now]
        for job in sorted(due, key=lambda job: (job.due_at, -job.priority, job.number)):
            self._ready(job, Move.STAGE, FRESH)
        back = [
            job
            for job in self.standing_in(State.BLOCKED)
            if job.suspect_of is None and not job.deferred and job.task in self.served()
        ]
        for job in sorted(back, key=lambda job: (job.task, job.number)):
            self._ready(job, Move.UNPARK, RETURNED)
        aside = [job for job in self.standing_in(State.READY) if job.task not in self.served()]
        for job in aside:
            self._move(job, Move.PARK, State.BLOCKED)
        return len(due), len(aside), len(back)

    def expire(self) -> int:
        """What has not started in time, and waits, is dead; how many jobs that were. An expiry ends
        with its job, or when it is seen behind the end of it."""
        due = [
            job
            for job in self.jobs.values()
            if job.expires_at is not None
            and job.expires_at <= self.now
            and job.state is not State.RUNNING
        ]
        waiting = [job for job in due if job.state in LIVE]
        for job in due:
            job.expires_at = None
        for job in waiting:
            self._move(job, Move.EXPIRE, State.DEAD)
        return len(waiting)

    # --- inside

    def _end(self, job: Job, settlement: Settlement) -> None:
        if job.cancel is not None:
            settlement = obey_cancel(settlement, job.cancel)
        job.cancel = None
        job.outcomes.append(settlement.label)
        if settlement.label != "succeeded":
            job.failures, job.crashes = settlement.failures, settlement.crashes
        if settlement.target is State.READY:
            lane = RETURNED if settlement.move in (Move.RELEASE, Move.RESCUE) else FRESH
            self._ready(job, settlement.move, lane)
            return
        job.due_at = self.now + settlement.delay_us
        job.deferred = settlement.move is Move.DEFER
        self._move(job, settlement.move, settlement.target)

    def _take(self, job: Job, node: int) -> None:
        self._move(job, Move.CLAIM, State.RUNNING)
        job.node, job.claimed_at, job.suspect_of = node, self.now, None
        job.epoch += 1
        job.deliveries += 1

    def _clear(self, worker: int | None) -> None:
        cleared = [job for job in self.standing_in(State.BLOCKED) if job.suspect_of == worker]
        for job in sorted(cleared, key=lambda job: job.number):
            if worker is not None:
                job.suspect_of = None
                self._ready(job, Move.UNPARK, RETURNED)

    def _crash(self, job: Job, *, proven: bool, blamed: bool, died: bool) -> None:
        job.crashes += proven
        job.lost_deliveries += 1
        job.last_crash_of = job.node
        suspect = blamed or (died and (job.lost_deliveries >= 2 or job.crashes > 0))
        job.outcomes.append("crashed")
        cancelled, job.cancel = job.cancel is not None, None
        if cancelled:
            self._move(job, Move.CANCEL, State.CANCELLED)
        elif job.crashes >= MAX_CRASHES or job.lost_deliveries >= MAX_LOST_DELIVERIES:
            self._move(job, Move.FAIL, State.DEAD)
        elif suspect:
            job.suspect_of = job.node
            self._move(job, Move.RESCUE, State.BLOCKED)
        else:
            self._ready(job, Move.RESCUE, RETURNED)

    def _ready(self, job: Job, move: Move, lane: int) -> None:
        job.place = (lane, next(self._places))
        job.deferred = False
        self._move(job, move, State.READY)

    def _move(self, job: Job, move: Move, target: State) -> None:
        assert may(move, job.state, target), f"{move} from {job.state} to {target}"
        assert job.state is None or job.state in LIVE or move is Move.REDRIVE
        job.state = target
