"""The store thread: the only one in a worker that claims and records.

Each turn it does what is due - signals, rescue, staging, time limits - and then runs one
cycle if there is something to say or to ask; when nothing is left to do it sleeps until
the bell rings. All state here belongs to this thread; others reach it through the outbox,
`signals` and `lose_lease`: they only leave a note and ring.
"""

import json
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from jobhost.errors import StoreError, StoreGone
from jobhost.events import (
    Events,
    JobsLost,
    LeaseEnded,
    StoreTrouble,
    WorkerDraining,
    WorkerRetiring,
    WorkerStarted,
)
from jobhost.host.registry import Registry
from jobhost.jobs.outcomes import COMPLETED, Settlement
from jobhost.jobs.records import Delivery
from jobhost.jobs.states import Move, State
from jobhost.store.plan import Plan
from jobhost.store.plans.cycle import Wanted
from jobhost.store.plans.nodes import News
from jobhost.store.seam import Ring, Store
from jobhost.worker.config import WorkerConfig
from jobhost.worker.drain import STORE_SECONDS, Drain, Phase, Signal
from jobhost.worker.executor import Executor
from jobhost.worker.membership import Membership
from jobhost.worker.outbox import Outbox
from jobhost.worker.recorder import Recorder
from jobhost.worker.rescuer import LOOK_SECONDS, Rescuer
from jobhost.worker.rotation import Rotation
from jobhost.worker.stager import Stager
from jobhost.worker.verdict import Stop

_LIMIT_LOOK_SECONDS: Final = 0.1
"""Pause between looks at time limits while jobs run."""

_CANCEL_LOOK_SECONDS: Final = 0.05
"""Shortest pause between cycles that only ask for cancels: producers ring often."""

_GATHER_SECONDS: Final = 0.005
"""Longest wait for the event loop to end a turn in which jobs have ended: so they are recorded
together. A task that blocks the loop does not hold up the others' ends for longer."""

_UNRUNG_LOOK_SECONDS: Final = 0.1
"""Until the look for jobs that were accepted while this worker said that nobody need ring."""

_BACK_OFF_SECONDS: Final = (0.1, 5.0)
"""First and longest pause after a store error."""

_FAILURES_MAX: Final = 16
"""Counted failures in a row: far beyond the longest pause, far from the largest float."""

FirstPlan = Callable[[int], Plan[Delivery | None]]
"""Made for a node's number: claims what this worker starts with."""


class StoreLoop:
    """The turns of the store thread.

    Args:
        store: The store.
        tasks: The tasks that this worker knows.
        weights: Queues to serve, by weight.
        config: The worker's settings.
        events: Who hears of what happens.
        make_executor: Makes the executor around this loop's outbox.
        signals: What happened to the worker; others append, `hurry` tells of it.
        first: What to start with, for a worker that is made for one job.
    """

    def __init__(  # noqa: PLR0913 - wired in one place, all keyword-only
        self,
        store: Store,
        tasks: Registry,
        *,
        weights: dict[str, int],
        config: WorkerConfig,
        events: Events,
        make_executor: Callable[[Outbox], Executor],
        signals: deque[Signal],
        first: FirstPlan | None = None,
    ) -> None:
        self._store = store
        self._config = config
        self._events = events
        self._first = first
        self._queues = list(weights)
        self._names = [task.name for task in tasks]
        self._known_tasks = json.dumps(self._names)
        self._rotation = Rotation(weights)
        self._drain = Drain(wait_seconds=config.stopping_wait_seconds)
        self._signals = signals
        self._lease_is_lost = False
        self._news: News | None = None
        self._rung = True
        self._hungry = True
        self._failures = 0
        self._next_rescue = self._next_poll = 0.0
        self._next_cancel_look = self._next_limit_look = 0.0
        self._next_read_back = time.monotonic() + config.lease_seconds
        self.released = 0
        self._session = store.session(apart=False)
        try:
            self._member = self._register()
        except BaseException:
            self._session.close()
            raise
        self._rescuer = Rescuer(
            store,
            self._session,
            heartbeat_seconds=config.heartbeat_seconds,
            events=events,
            look_seconds=store.pace.lease_look_seconds,
        )
        self._recorder = Recorder(self._session, events)
        self._stager = Stager(
            self._session, self._queues, events, pass_seconds=store.pace.stage_seconds
        )
        self._outbox = Outbox(lambda: self._member.bell.ring())
        self._executor = make_executor(self._outbox)

    @property
    def executor(self) -> Executor:
        """The jobs in work."""
        return self._executor

    @property
    def retired(self) -> bool:
        """Whether it ended because a job could not be stopped."""
        return self._drain.retired

    def hurry(self) -> None:
        """Have it look at its signals soon, and wait for the store only shortly from now on. From
        any thread, and from a signal handler."""
        self._session.hurry(STORE_SECONDS)
        self._member.bell.ring()

    def run(self) -> None:
        """Turn until it is time to leave; then leave."""
        try:
            self._start()
            while self._drain.phase is not Phase.LEAVING:
                try:
                    if not self._turn():
                        self._sleep()
                    self._failures = 0
                except StoreError as error:
                    self._back_off(error)
        finally:
            self._leave()

    def _turn(self) -> bool:
        """Whatever is due. False: nothing was, sleep.

        The cycle comes first: between a producer's ring and the start of its job stands
        nothing that could as well come after.
        """
        now = time.monotonic()
        self._mind_the_house(now)
        if self._lease_is_lost:
            self._register_anew()
        if self._news is not None:
            news, self._news = self._news, None
            self._heed(news)
        if self._recorder.doubtful or now >= self._next_read_back:
            self._read_back(now)
        if now >= self._next_poll:
            self._next_poll = now + (self._config.poll_seconds or self._store.pace.poll_seconds)
            self._rung = True
        worked = self._cycle_if_due(now)
        if self._maintain(now):
            self._hungry = worked = True
        else:
            self._finish_burst()
        return worked

    def _maintain(self, now: float) -> bool:
        """Rescue the dead and stage what is due. True: there is something new to claim."""
        found = self._stager.run_if_due()
        if now >= self._next_rescue:
            self._next_rescue = now + LOOK_SECONDS
            found += self._rescuer.run_once(self._member.number)
        return found > 0

    def _mind_the_house(self, now: float) -> None:
        """What must happen even while the store is out of reach: signals, limits, drain."""
        while self._signals:
            self._step(self._signals.popleft(), now)
        if now >= self._next_limit_look:
            self._next_limit_look = now + _LIMIT_LOOK_SECONDS
            self._enforce_limits(now)
        if self._drain.phase is not Phase.RUNNING:
            self._step(Signal.TICK, now)

    def _enforce_limits(self, now: float) -> None:
        stuck = self._executor.enforce_limits(now, self._config.cancel_grace_seconds)
        if stuck is not None and not self._drain.retired:
            self._events.emit(
                WorkerRetiring(
                    job=stuck.describe().id,
                    task=stuck.task.name,
                    waited_seconds=self._config.cancel_grace_seconds,
                )
            )
            self._step(Signal.RETIRE, now)

    def _step(self, signal: Signal, now: float) -> None:
        before = self._drain.phase
        self._drain = self._drain.step(signal, now, idle=self._is_idle(now))
        if self._drain.phase is before:
            return
        if self._drain.phase in (Phase.DRAINING, Phase.RETIRING):
            running = len(self._executor.running)
            wait = self._drain.wait_seconds
            self._events.emit(WorkerDraining(running=running, wait_seconds=wait))
        elif self._drain.phase is Phase.RELEASING:
            self._executor.release_all()

    def _is_idle(self, now: float) -> bool:
        if self._recorder.pending or len(self._outbox):
            return False
        running = self._executor.running
        if self._drain.retired:
            grace = self._config.cancel_grace_seconds
            running = [execution for execution in running if not execution.is_deaf(now, grace)]
        return not running

    def _cycle_if_due(self, now: float) -> bool:
        if self._outbox.is_filling():
            self._wait(_GATHER_SECONDS)
        if self._outbox.has_freed:  # a job recorded itself, perhaps with others that it accepted
            self._hungry = True
        self._recorder.pending += self._outbox.take()
        ended = bool(self._recorder.pending)
        slots = self._executor.free_slots if self._drain.claims else 0
        asks = self._hungry and slots > 0
        if self._rung and not slots and not ended and now < self._next_cancel_look:
            return False
        if not (ended or asks or self._rung):
            return False
        self._rung = False
        self._next_cancel_look = now + _CANCEL_LOOK_SECONDS
        self._run_cycle(slots)
        return True

    def _run_cycle(self, slots: int) -> None:
        """Record what is pending and claim for free slots in one transaction."""
        ended = self._recorder.pending
        report = self._recorder.cycle(
            Wanted(
                node=self._member.number,
                queues=self._rotation.turn() if slots else (),
                tasks=self._known_tasks,
                slots=slots,
            )
        )
        if not report.lease_live:
            self.lose_lease()
            return
        for job, reason in report.cancels.items():
            self._executor.cancel(job, reason)
        for end in ended:
            if end.settlement is not COMPLETED:
                self._note(end.settlement)
        self._executor.accept(report.claimed)
        if slots:
            self._hungry = slots == len(report.claimed)
        if report.unrung:
            self._next_poll = min(self._next_poll, time.monotonic() + _UNRUNG_LOOK_SECONDS)

    def _note(self, settlement: Settlement) -> None:
        """What matters here of an end other than a success."""
        if settlement.target is State.SCHEDULED:
            self._stager.expect(settlement.delay_us / 1_000_000)
        elif settlement.move is Move.RELEASE:
            self.released += 1

    def _finish_burst(self) -> None:
        now = time.monotonic()
        # In this order: a job that records itself tells so before it is gone.
        idle = self._config.burst and self._is_idle(now)
        if idle and not (self._outbox.has_freed or self._hungry):
            self._step(Signal.FINISH, now)

    def _read_back(self, now: float) -> None:
        """Make sure that the store and this worker agree about what runs here."""
        running = {execution.key: execution for execution in self._executor.running}
        gone = self._recorder.read_back(self._member.number, running.keys(), self._outbox.keys())
        left = [running[key] for key in gone if running[key].stop is not Stop.LOST]
        lost = [execution for execution in left if not execution.completing]
        pause = self._config.lease_seconds
        self._next_read_back = now + (
            max(pause, self._store.pace.poll_seconds) if not running else pause
        )
        if lost:
            self._executor.lose(lost, "the job was handed to another worker")
            self._events.emit(
                JobsLost(jobs=len(lost), reason="the store no longer holds them here")
            )

    def lose_lease(self) -> None:
        """The lease has ended: leave a note for the next turn. Called from any thread."""
        self._lease_is_lost = True
        self._member.bell.ring()

    def _hear(self, news: News) -> None:
        """What a heartbeat has told: leave a note for the next turn. Called from its thread."""
        self._news = news
        if news.lapsed or news.ready or news.blocked or news.due_in_us is not None:
            self._member.bell.ring()

    def _heed(self, news: News) -> None:
        """Look where there is something to do."""
        if news.lapsed:
            self._next_rescue = 0.0
            self._rescuer.hurry()
        if news.due_in_us is not None:
            self._stager.expect(news.due_in_us / 1_000_000)
        if self._hungry:
            return
        if news.ready or news.blocked:
            self._rung = True
            self._stager.expect(0.0)

    def _register_anew(self) -> None:
        """Everything that ran belongs to others now: tell it, forget it, begin again."""
        running = self._executor.running
        self._executor.lose(running, "the lease of this worker ended")
        self._recorder.pending = []
        self._outbox.take()
        former = self._member
        self._events.emit(LeaseEnded(node=former.number, running=len(running)))
        self._member = self._register()
        self._lease_is_lost = False
        former.drop()
        self._rescuer.take_over(former.number, former.name, self._member.number)
        self._hungry = True

    def _register(self) -> Membership:
        config = self._config
        member = Membership(
            self._store,
            self._session,
            slots=config.concurrency,
            queues=self._queues,
            tasks=self._names,
            lease_seconds=config.lease_seconds,
            on_lost=self.lose_lease,
            on_news=self._hear,
        )
        self._events.emit(
            WorkerStarted(
                node=member.number,
                worker=member.name,
                queues=tuple(self._queues),
                slots=config.concurrency,
                tasks=len(self._names),
            )
        )
        return member

    def _start(self) -> None:
        """What comes before the first claim: the job that this worker is made for, and those of
        the dead, which stand before all that is fresh."""
        if self._first is not None:
            first = self._first
            delivery = self._session.write(lambda: first(self._member.number))
            self._executor.accept([] if delivery is None else [delivery])
        try:
            self._maintain(time.monotonic())
        except StoreError as error:
            self._back_off(error)

    def _sleep(self) -> None:
        now = time.monotonic()
        due = [self._next_rescue, self._next_poll, self._next_read_back]
        if self._rung:
            due.append(self._next_cancel_look)
        if self._drain.phase is not Phase.RUNNING:
            due.append(self._drain.deadline)
        if self._executor.running:
            due.append(self._next_limit_look)
        pause = min(min(due) - now, self._stager.seconds_left())
        if pause > 0 and not self._signals and self._outbox.going_to_sleep():
            # A slot is freed after its job was seen to have ended: look again, now that
            # whoever frees one rings.
            asks = self._hungry and self._drain.claims and self._executor.free_slots > 0
            self._wait(0.0 if asks else pause)

    def _wait(self, seconds: float) -> None:
        """Until a bell rings, at the most so long."""
        ring = self._member.bell.wait(seconds)
        if Ring.READY in ring:
            self._rung = True
        if Ring.DUE in ring:
            self._stager.hurry()
        self._outbox.awake()

    def _back_off(self, error: StoreError) -> None:
        """Wait longer after each failure in a row, with jitter, but never miss a signal. A store
        that is gone does not come back: then the jobs are told, and it ends."""
        if isinstance(error, StoreGone):
            self._executor.lose(self._executor.running, "the store is gone")
            self._lease_is_lost = True
            raise error
        first, longest = _BACK_OFF_SECONDS
        pause = min(first * 2**self._failures, longest) * random.uniform(0.5, 1.0)
        self._failures = min(self._failures + 1, _FAILURES_MAX)
        self._events.emit(StoreTrouble(error=str(error), retry_seconds=pause))
        self._rung = True  # the look that failed may have been what somebody rang for
        end = time.monotonic() + pause
        while (now := time.monotonic()) < end and self._drain.phase is not Phase.LEAVING:
            self._mind_the_house(now)
            self._member.bell.wait(min(end - now, LOOK_SECONDS))

    def _leave(self) -> None:
        """Hand back what has not ended, and end the node. Without the store the end of this
        process, or of the lease, does so."""
        left = self._executor.abandon()
        self._recorder.pending += self._outbox.take()
        by_themselves = {(end.job, end.epoch) for end in self._recorder.pending}
        left = [end for end in left if (end.job, end.epoch) not in by_themselves]
        self._recorder.pending += left
        node_ended = False
        try:
            if not self._lease_is_lost:
                self._run_cycle(0)
                self._member.leave()
                node_ended = True
        except StoreError as error:
            self._events.emit(StoreTrouble(error=str(error), retry_seconds=None))
        finally:
            self._member.drop(ended=node_ended)
            self._session.close()
            if left:
                self._store.announce()
