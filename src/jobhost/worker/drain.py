"""When a worker stops: a state machine without clocks or signals of its own.

    RUNNING --stop or drain--> DRAINING --idle--> LEAVING
       |                          \\--deadline or second stop--> RELEASING
       |--work is done (burst)--> LEAVING
       |--recycle--> RECYCLING --idle--> LEAVING
       |                 |--stop or drain--> DRAINING
       |                 \\--a job cannot be stopped--> RETIRING
       \\--a job cannot be stopped--> RETIRING --idle--> LEAVING
                                         \\--deadline or second stop--> RELEASING

    RELEASING --idle or deadline--> LEAVING

Only RUNNING claims. RECYCLING, DRAINING and RETIRING let running jobs end, RECYCLING for as long as
they take; RELEASING hands back those that have not, uncharged. Only stops are counted: the first
never means at once, whatever else has made the worker drain before.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

RELEASE_SECONDS: Final = 1.0
"""How long cancelled jobs may take to end before they are handed back all the same. A second
signal must end the worker within two seconds, recording included."""

STORE_SECONDS: Final = 1.5
"""Longest wait for the store once the worker was asked to stop: long for a turn among writers of
ours, short beside the time that a supervisor gives. Who leaves without a word to the store is
rescued like the dead. Together with RELEASE_SECONDS it is longer than a second signal allows: then
the exit code tells that not everything was recorded."""


class Phase(StrEnum):
    """What a worker is doing about its end."""

    RUNNING = "running"
    RECYCLING = "recycling"
    DRAINING = "draining"
    RETIRING = "retiring"
    RELEASING = "releasing"
    LEAVING = "leaving"


class Signal(StrEnum):
    """What can happen to it."""

    STOP = "stop"
    """Somebody asked it to stop; the second time means at once."""
    DRAIN = "drain"
    """The store says that somebody wants it to drain, perhaps again and again: it never hurries."""
    FINISH = "finish"
    """Nothing is left to do, and the worker was asked to end then."""
    RETIRE = "retire"
    """A job does not obey its time limit."""
    RECYCLE = "recycle"
    """It has run its number of jobs, or holds too much memory: a fresh process is to follow."""
    TICK = "tick"
    """Time passed; `idle` tells that nothing runs any more and nothing waits to be recorded
    (once retired: nothing but what cannot be stopped)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The state: a phase and, where time ends it, the instant at which it does.

    `wait_seconds` is how long running jobs may go on after the first stop; `stopped` tells that
    there was one.
    """

    wait_seconds: float
    phase: Phase = Phase.RUNNING
    deadline: float = math.inf
    stopped: bool = False
    retired: bool = False
    recycled: bool = False

    @property
    def claims(self) -> bool:
        """Whether new jobs may be claimed."""
        return self.phase is Phase.RUNNING

    def step(self, signal: Signal, now: float, *, idle: bool = False) -> "Drain":
        """The state after this.

        Args:
            signal: What happened.
            now: Monotonic seconds.
            idle: For TICK, see there.
        """
        match signal:
            case Signal.STOP:
                return self._stop(now)
            case Signal.DRAIN:
                return self._start_draining(now)
            case Signal.FINISH:
                return replace(self, phase=Phase.LEAVING) if self.claims else self
            case Signal.RETIRE:
                return self._retire(now)
            case Signal.RECYCLE:
                return self._recycle()
            case Signal.TICK:
                return self._tick(now, idle=idle)

    def _stop(self, now: float) -> "Drain":
        if self.stopped:
            return self._release(now)
        return replace(self._start_draining(now), stopped=True)

    def _start_draining(self, now: float) -> "Drain":
        if self.phase in (Phase.RUNNING, Phase.RECYCLING):
            deadline = now + self.wait_seconds
            return replace(self, phase=Phase.DRAINING, deadline=deadline, recycled=False)
        return self

    def _recycle(self) -> "Drain":
        return replace(self, phase=Phase.RECYCLING, recycled=True) if self.claims else self

    def _retire(self, now: float) -> "Drain":
        if self.phase in (Phase.RUNNING, Phase.RECYCLING):
            deadline = now + self.wait_seconds
            return replace(self, phase=Phase.RETIRING, deadline=deadline, retired=True)
        return replace(self, retired=True)

    def _tick(self, now: float, *, idle: bool) -> "Drain":
        if self.phase in (Phase.RUNNING, Phase.LEAVING):
            return self
        if idle:
            return replace(self, phase=Phase.LEAVING)
        if now >= self.deadline:
            if self.phase is Phase.RELEASING:
                return replace(self, phase=Phase.LEAVING)
            return self._release(now)
        return self

    def _release(self, now: float) -> "Drain":
        if self.phase in (Phase.RELEASING, Phase.LEAVING):
            return self
        return replace(self, phase=Phase.RELEASING, deadline=now + RELEASE_SECONDS)
