"""The store thread: the only one in a worker that claims and records.

Each turn it does what is due - signals and time limits, a cycle if there is something to say or to
ask, then rescue and staging; when nothing is left to do it sleeps until the bell rings. What is
due, and when, its parts know; here is only the order, and what to do about a store that fails. All
state belongs to this thread; others reach it through the outbox, `signals` and the notes of its
membership: they only leave a note and ring.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from jobhost.errors import StoreError, StoreGone
from jobhost.events import Events, LeaseEnded, StoreBack, StoreTrouble
from jobhost.host.registry import Registry
from jobhost.jobs.records import Delivery
from jobhost.jobs.retention import Retention
from jobhost.store.plan import Plan
from jobhost.store.plans.nodes import News
from jobhost.store.seam import Ring, Session, Store
from jobhost.worker.back_off import BackOff
from jobhost.worker.claimer import Claimer
from jobhost.worker.config import WorkerConfig
from jobhost.worker.drain import STORE_SECONDS, Signal
from jobhost.worker.drainer import Drainer
from jobhost.worker.executor import Executor
from jobhost.worker.holdings import Holdings
from jobhost.worker.membership import Member, Membership, Profile
from jobhost.worker.outbox import Outbox
from jobhost.worker.quarantine import Quarantine
from jobhost.worker.read_back import ReadBack
from jobhost.worker.recorder import Recorder
from jobhost.worker.rescuer import LOOK_SECONDS
from jobhost.worker.upkeep import Upkeep

_GATHER_SECONDS: Final = 0.005
"""Longest wait for the event loop to end a turn in which jobs have ended: so they are recorded
together. A task that blocks the loop does not hold up the others' ends for longer."""

_BACK_OFF_SECONDS: Final = (0.1, 5.0)
"""First and longest pause after a store error."""


def store_back_off() -> BackOff:
    """The pauses of a worker whose store fails, from its start on."""
    return BackOff(*_BACK_OFF_SECONDS)


FirstPlan = Callable[[int], Plan[Delivery | None]]
"""Made for a node's number: claims what this worker starts with."""

Join = Callable[[Session, Profile], Member]
"""Makes this worker a place among the nodes. Raises StoreError."""


class StoreLoop:
    """The turns of the store thread.

    Args:
        store: The store.
        tasks: The tasks that this worker knows.
        weights: Queues to serve, by weight.
        config: The worker's settings.
        events: Who hears of what happens.
        make_executor: Makes the executor around this loop's outbox.
        retention: How long jobs that have ended are kept.
        declared: What the program has declared of queues, by name and column.
        signals: What happened to the worker; others append, `hurry` tells of it.
        first: What to start with, for a worker that is made for one job.
        join: How it comes to its place among the nodes; by itself unless said otherwise.
        lane: It runs suspects only.
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
        retention: Retention,
        declared: Mapping[str, Mapping[str, Any]],
        signals: deque[Signal],
        first: FirstPlan | None = None,
        join: Join | None = None,
        lane: bool = False,
    ) -> None:
        self._store = store
        self._join = join or self._register
        self._unsupervised = join is None
        self._may_claim = self._unsupervised
        self._events = events
        self._first = first
        names = tasks.names
        self._profile = Profile(
            slots=config.concurrency,
            queues=list(weights),
            tasks=names,
            lease_seconds=config.lease_seconds,
        )
        self._session = store.session(apart=False)
        try:
            self._member = self._join(self._session, self._profile)
        except BaseException:
            self._session.close()
            raise
        self._outbox = Outbox(lambda: self._member.bell.ring())
        self._held = Holdings(
            executor=make_executor(self._outbox),
            outbox=self._outbox,
            recorder=Recorder(self._session, events),
        )
        self._member.report_rates(self._held.executor.rates.tell)
        self._upkeep = Upkeep(
            store,
            self._session,
            list(weights),
            events,
            heartbeat_seconds=config.heartbeat_seconds,
            retention=retention,
            declared=declared,
        )
        self.executor.late_among = self._upkeep.expirer.late_among
        self._claimer = Claimer(
            self._held,
            self._upkeep.stager,
            weights=weights,
            tasks=names,
            poll_seconds=config.poll_seconds or store.pace.poll_seconds,
        )
        self._read_back = ReadBack(
            self._held,
            events,
            busy_seconds=config.lease_seconds,
            idle_seconds=store.pace.poll_seconds,
        )
        self._quarantine = Quarantine(
            self._held,
            self._session,
            names if first is None else (),
            lane=lane,
            burst=config.burst,
        )
        self._signals = signals
        self._drainer = Drainer(self._held, config, events, signals)
        self._back_off = store_back_off()
        self._in_trouble = False

    @property
    def executor(self) -> Executor:
        """The jobs in work."""
        return self._held.executor

    @property
    def retired(self) -> bool:
        """Whether it ended because a job could not be stopped."""
        return self._drainer.retired

    @property
    def recycled(self) -> bool:
        """Whether it ended so that a fresh process can follow."""
        return self._drainer.recycled

    @property
    def finished(self) -> bool:
        """Whether it ended as a lane without suspects."""
        return self._quarantine.done

    @property
    def released(self) -> int:
        """How many jobs were handed back."""
        return self._claimer.released

    def hurry(self) -> None:
        """Have it look at its signals soon, and wait for the store only shortly from now on. From
        any thread, and from a signal handler."""
        self._session.hurry(STORE_SECONDS)
        self._member.bell.ring()

    def run(self) -> None:
        """Turn until it is time to leave; then leave."""
        try:
            self._start()
            while not self._drainer.leaving:
                try:
                    if self._turn():
                        self._works()
                        self._begin()
                    else:
                        self._sleep()
                    self._back_off.succeeded()
                except StoreError as error:
                    self._wait_for_store(error)
        finally:
            self._leave()

    def _start(self) -> None:
        """What comes before the first claim: the job that this worker is made for, and those of
        the dead, which stand before all that is fresh."""
        if self._first is not None:
            first = self._first
            delivery = self._session.write(lambda: first(self._member.number))
            self.executor.accept([] if delivery is None else [delivery])
        try:
            self._upkeep.run_if_due(self._member.number, time.monotonic())
        except StoreError as error:
            self._wait_for_store(error)

    def _begin(self) -> None:
        """A supervised worker takes a turn without claiming before its node counts on it: so it is
        proven that it works, and the first job cannot end it before that was said."""
        if not self._may_claim and not self._member.lost:
            self._may_claim = True
            self._member.began()

    def _turn(self) -> bool:
        """Whatever is due. False: nothing was, sleep.

        The cycle comes first: between a producer's ring and the start of its job stands
        nothing that could as well come after.
        """
        now = time.monotonic()
        self._drainer.run_once(now)
        if self._member.lost:
            self._register_anew()
        self._heed_notes()
        self._read_back.run_if_due(self._member.number, now)
        if self._outbox.is_filling():
            self._wait(_GATHER_SECONDS)
        if self._upkeep.rescuer.set_aside and self._unsupervised:
            self._upkeep.rescuer.set_aside = False
            self._member.suspects = True  # a heartbeat would tell so much later
        claims = self._drainer.claims and self._may_claim
        self._claimer.rung |= not self._may_claim
        hungry, held_back = self._claimer.asks(claims=claims), self._quarantine.holds_back
        worked = self._quarantine.run_if_due(self._member, now, claims=claims, hungry=hungry)
        if held_back and not self._quarantine.holds_back:
            self._claimer.hungry = True  # whoever rang meanwhile rang in vain
        claims = claims and not self._quarantine.holds_back
        worked |= self._claimer.run_if_due(self._member, now, claims=claims)
        if self._quarantine.done:
            self._signals.append(Signal.FINISH)
        if self._upkeep.run_if_due(self._member.number, now):
            self._claimer.hungry = worked = True
        else:
            hungry = self._claimer.hungry or self._quarantine.unasked
            self._drainer.finish_burst(time.monotonic(), hungry=hungry)
        return worked

    def _heed_notes(self) -> None:
        """What others have left at the membership."""
        if self._member.drain_wanted:
            self._member.drain_wanted = False
            self._signals.append(Signal.DRAIN)
        if (news := self._member.take_news()) is not None:
            self._heed(news)

    def _heed(self, news: News) -> None:
        """Look where there is something to do."""
        self._upkeep.heed(news)
        if (news.ready or news.blocked) and not self._claimer.hungry:
            self._claimer.rung = True
            self._upkeep.stager.expect(0.0)

    def _register(self, session: Session, profile: Profile) -> Member:
        return Membership(self._store, session, profile, self._events)

    def _register_anew(self) -> None:
        """Everything that ran belongs to others now: tell it, forget it, begin again."""
        former = self._member
        running = self._held.disown("the lease of this worker ended")
        self._events.emit(LeaseEnded(node=former.number, running=running))
        self._member = self._join(self._session, self._profile)
        self._member.report_rates(self._held.executor.rates.tell)
        former.drop()
        self._upkeep.rescuer.take_over(former.number, former.name, self._member.number)
        self._claimer.hungry = True

    def _sleep(self) -> None:
        parts = (self._claimer, self._upkeep, self._read_back, self._drainer, self._quarantine)
        pause = min(part.due for part in parts) - time.monotonic()
        if pause > 0 and not self._drainer.has_signals and self._outbox.going_to_sleep():
            # A slot is freed after its job was seen to have ended: look again, now that
            # whoever frees one rings.
            claims = self._drainer.claims and not self._quarantine.holds_back
            asks = self._claimer.asks(claims=claims)
            self._wait(0.0 if asks else pause)

    def _wait(self, seconds: float) -> None:
        """Until a bell rings, at the most so long."""
        ring = self._member.bell.wait(seconds)
        if Ring.READY in ring:
            self._claimer.rung = True
        if Ring.DUE in ring:
            self._upkeep.hurry()
        self._outbox.awake()

    def _wait_for_store(self, error: StoreError) -> None:
        """Wait longer after each failure in a row, but never miss a signal. A store that is gone
        does not come back: then the jobs are told, and it ends."""
        if isinstance(error, StoreGone):
            self.executor.lose(self.executor.running, "the store is gone")
            self._member.lost = True
            raise error
        pause = self._back_off.failed()
        self._in_trouble = True
        self._events.emit(StoreTrouble(error=str(error), retry_seconds=pause))
        self._claimer.rung = True  # the look that failed may have been what somebody rang for
        end = time.monotonic() + pause
        while (now := time.monotonic()) < end and not self._drainer.leaving:
            self._drainer.run_once(now)
            self._member.bell.wait(min(end - now, LOOK_SECONDS))

    def _works(self) -> None:
        """A turn has spoken with the store."""
        if self._in_trouble:
            self._in_trouble = False
            self._events.emit(StoreBack())

    def _leave(self) -> None:
        """Hand back what has not ended, and end the node. Without the store the end of this
        process, or of the lease, does so."""
        handed_back = self._held.hand_back()
        node_ended = False
        try:
            if not self._member.lost:
                self._claimer.run_once(self._member, slots=0)
                self._member.leave()
                node_ended = True
        except StoreError as error:
            self._events.emit(StoreTrouble(error=str(error), retry_seconds=None))
        finally:
            self._member.drop(ended=node_ended)
            self._session.close()
            if handed_back:
                self._store.announce()
