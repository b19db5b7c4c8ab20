"""`Node`: keeps workers alive, and imports nothing of the user's.

Its main thread turns: it reads who has ended, what workers say and what the registrar has done,
makes events of that for the crew, and carries out the commands. It never waits for the store, nor
for a worker.
"""

import os
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.hosting import crew_words as crew
from jobhost.hosting.bulletin import Bulletin, LaneRest, spread
from jobhost.hosting.config import NodeConfig
from jobhost.hosting.crew import Crew, Limits
from jobhost.hosting.facts import (
    Broken,
    Entered,
    Fact,
    HandedBack,
    LeasesLost,
    Renewed,
    Service,
    SetAside,
    Trouble,
    Works,
)
from jobhost.hosting.logs import log_events
from jobhost.hosting.morgue import Morgue
from jobhost.hosting.node_events import (
    JobsHandedBack,
    NodeBeginsAnew,
    NodeBroken,
    NodeDraining,
    NodeReady,
    NodeStopping,
    WorkerKilled,
    WorkerNotStarted,
)
from jobhost.hosting.process import WorkerProcess, start
from jobhost.hosting.reception import Reception
from jobhost.hosting.registrar import Registrar
from jobhost.hosting.rounds import Rounds
from jobhost.hosting.systemd import Herald, service_manager
from jobhost.hosting.wake import Wake
from jobhost.hosting.watch import vitals
from jobhost.store.plans.nodes import Pulse, RescueReport
from jobhost.store.seam import Store
from jobhost.worker.descendants import become_subreaper
from jobhost.worker.exit_codes import WorkerExit
from jobhost.worker.wire import Hello

_TURN_SECONDS: Final = 1.0
"""Longest sleep of the main thread."""

_LATE_SECONDS: Final = 20.0
"""Beyond the stopping wait time: what a worker may need to hand back the rest."""


class Node:
    """Runs workers until it is told to stop.

    Args:
        config: Its settings.
        open_store: From the address that the first worker tells to the store.
    """

    def __init__(self, config: NodeConfig, open_store: Callable[[str], Store]) -> None:
        self._config = config
        stop = config.stopping_wait_seconds + _LATE_SECONDS
        self._crew = Crew(config.processes, Limits(start=config.start_seconds, stop=stop))
        self._processes: dict[int, WorkerProcess] = {}
        self._facts: deque[Fact] = deque()
        self._wake = Wake()
        self._drains = False
        self._stops_passed_on = 0
        self._events = Events()
        log_events(self._events)
        self._code: int | None = None
        self._broken: BaseException | None = None
        self._morgue = Morgue(self._events)
        self._bulletin = Bulletin(self._events)
        self._lane_rest = LaneRest()
        self._herald = Herald(service_manager())
        self._reception = Reception(
            lambda hello: self._make_registrar(open_store(hello.url), hello),
            open_store,
            self._happen,
            self._events,
        )
        self._rounds = Rounds(
            config.unresponsive_seconds, self._events, self._reception.is_held_up_by
        )

    def run(self) -> int:
        """Keep the crew alive; the exit code of the process. Raises what broke the registrar, such
        as StoreGone, once the workers have ended."""
        become_subreaper()
        with self._wake.on_signals():
            self._heed_signals()
            self._happen(crew.Begin())
            while self._code is None:
                self._turn()
            self._herald.stopping()
            if self._reception.registrar is not None:
                self._reception.registrar.close()
                self._heed_facts()
        if self._broken is not None:
            raise self._broken
        return self._code

    def _turn(self) -> None:
        self._wake.wait(self._pause(), [process.wire for process in self._all()])
        # First: whoever signals a whole service has its workers end as soon as the node hears.
        self._heed_signals()
        self._morgue.look()
        for pid, status in self._morgue.ended():
            for process in self._all():
                if process.child.pid == pid:
                    self._bury(process, status)
        for process in self._all():
            self._listen(process)
        self._heed_facts()
        if time.monotonic() >= self._rounds.due:
            self._keep_watch(time.monotonic())
        self._happen(crew.Tick())

    def _heed_signals(self) -> None:
        if self._wake.hung_up:
            self._drain("the terminal has closed: this node drains")
        while self._stops_passed_on < self._wake.stops:
            self._stops_passed_on += 1
            self._stop()

    def _pause(self) -> float:
        if self._facts or self._stops_passed_on < self._wake.stops:
            return 0.0
        now = time.monotonic()
        due = min(self._rounds.due, now + _TURN_SECONDS)
        return (due if self._crew.due_at is None else min(due, self._crew.due_at)) - now

    def _all(self) -> list[WorkerProcess]:
        return list(self._processes.values())

    # --- what happens, and what is done about it

    def _happen(self, event: crew.Event) -> None:
        for command in self._crew.step(event, time.monotonic()):
            match command:
                case crew.Start(slot=slot, lane=lane):
                    self._start(slot, lane=lane)
                case crew.Terminate(slot=slot):
                    self._processes[slot].terminate()
                case crew.Kill(slot=slot, why=why):
                    process = self._processes[slot]
                    self._events.emit(WorkerKilled(pid=process.pid, why=why))
                    process.kill(why)
                case crew.Finish(code=code):
                    self._code = code
        if isinstance(event, crew.Ready):
            self._tell_ready()

    def _start(self, slot: int, *, lane: bool) -> None:
        try:
            self._processes[slot] = start(self._config.command, slot, lane=lane)
        except OSError as error:
            self._events.emit(WorkerNotStarted(error=str(error)))
            died = crew.Ended(
                slot, was_ready=False, in_order=False,
                exit_code=os.EX_OSERR, chance=random.random(),
            )  # fmt: skip
            self._happen(died)

    def _stop(self) -> None:
        self._herald.stopping()
        at_once = self._stops_passed_on > 1
        self._events.emit(NodeStopping(workers=len(self._processes), at_once=at_once))
        self._happen(crew.Stop())

    def _drain(self, why: str) -> None:
        """Once; after a stop it is nothing new."""
        if self._drains or self._wake.stops:
            return
        self._drains = True
        self._herald.stopping()
        self._events.emit(NodeDraining(why=why))
        self._happen(crew.Drain())

    def _bury(self, process: WorkerProcess, status: int) -> None:
        """A worker is dead: clear away what it left, then have its jobs handed back."""
        self._listen(process)
        self._reception.bury(process)
        del self._processes[process.slot]
        code = os.waitstatus_to_exitcode(status)
        process.ended(code)
        death = self._morgue.examine(process, status, self._all())
        if process.hello is not None and self._reception.registrar is not None:
            self._reception.registrar.end(process.ticket, death)
        looked = death is None and code in (WorkerExit.FINISHED, WorkerExit.IDLE)
        if looked:
            self._lane_rest.ended(time.monotonic(), idle=code == WorkerExit.IDLE)
        self._happen(
            crew.Ended(
                process.slot,
                was_ready=process.ready,
                in_order=death is None,
                exit_code=0 if looked else code,
                chance=random.random(),
            )
        )

    # --- what workers say

    def _listen(self, process: WorkerProcess) -> None:
        for message in process.messages():
            if message is not None:
                self._reception.heed(process, message)

    def _tell_ready(self) -> None:
        ready = sum(process.ready for process in self._all() if not process.lane)
        if ready == self._config.processes and self._herald.ready(ready):
            self._events.emit(NodeReady(workers=ready))

    # --- what the registrar has done

    def _make_registrar(self, store: Store, hello: Hello) -> Registrar:
        return Registrar(
            store,
            Service(queues=tuple(hello.queues), tasks=tuple(hello.tasks)),
            lease_seconds=self._config.lease_seconds,
            tell=self._take_fact,
            vitals=lambda: vitals(self._all()),
        )

    def _take_fact(self, fact: Fact) -> None:
        """Called from other threads."""
        self._facts.append(fact)
        self._wake.up()

    def _heed_facts(self) -> None:
        while self._facts:
            self._heed_fact(self._facts.popleft())

    def _heed_fact(self, fact: Fact) -> None:
        match fact:
            case Entered():
                self._bulletin.welcome(fact, self._all())
            case HandedBack(report=report):
                self._after_rescue(report)
            case SetAside(jobs=jobs):
                self._bulletin.moved()
                if jobs:
                    self._happen(crew.SuspectsSeen())
            case Renewed(pulse=pulse):
                self._hear(pulse)
            case LeasesLost():
                self._events.emit(NodeBeginsAnew())
            case Trouble(error=error, retry_seconds=pause):
                self._events.emit(StoreTrouble(error=error, retry_seconds=pause))
            case Works():
                self._events.emit(StoreBack())
            case Broken(error=broken):
                self._broken = broken
                self._events.emit(NodeBroken(error=broken))
                self._happen(crew.Drain())

    def _after_rescue(self, report: RescueReport) -> None:
        self._events.emit(JobsHandedBack(report=report))
        self._bulletin.note(report.proven, time.monotonic())
        if report.aside:
            self._happen(crew.SuspectsSeen())

    def _hear(self, pulse: Pulse) -> None:
        now = time.monotonic()
        if pulse.news is not None:
            spread(pulse.news, self._all(), now)
        if pulse.suspects and self._lane_rest.over(now):
            self._happen(crew.SuspectsSeen())
        if pulse.drain:
            self._drain("somebody asked this node to drain")

    # --- what time brings

    def _keep_watch(self, now: float) -> None:
        for event in self._rounds.go(self._all(), now):
            self._happen(event)
        self._reception.enter_again(now)
        if self._reception.registrar is not None:
            self._bulletin.post(
                self._all(),
                self._reception.registrar,
                now,
                start_seconds=self._crew.start_seconds,
            )
        self._herald.alive()
