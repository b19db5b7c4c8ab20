"""Who is started, stopped, killed or given up: a state machine without clock or processes.

    VACANT --start--> STARTING --hello--> JOINING --ready--> WORKING
       ^                  |                  |                  |
       |                  '------- stop: LEAVING; too slow, silent: KILLED
       '--ended-- (all of them)

A crew has slots for workers, numbered from 1, and one lane, in which suspects run; none ever
holds two processes. The first worker starts alone, so that what is wrong with the user's code is
shown once; when it has said hello, the others follow. The lane lives while there are suspects.

Who ended after it was ready is started again at once, but no more than RESTARTS_MAX times within
RESTARTS_SECONDS; who never became ready waits longer and longer.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from jobhost.durations import format_seconds
from jobhost.hosting.crew_words import (
    Begin,
    Command,
    Ended,
    Event,
    Finish,
    Hello,
    Kill,
    LaneEnded,
    Ready,
    Silent,
    Start,
    Stop,
    SuspectsSeen,
    Terminate,
    Tick,
)

LANE: Final = 0
"""The slot of the lane."""

RESTARTS_MAX: Final = 10
RESTARTS_SECONDS: Final = 10.0
"""No slot is started more often than RESTARTS_MAX times in any span of this length: a fresh
interpreter and the user's imports cost a processor for most of a second."""

BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_LONGEST_SECONDS: Final = 30.0
_DOUBLINGS: Final = 16
"""Far beyond the longest, and far from what a float cannot hold."""

BACKOFF_JITTER: Final = 0.25
"""Share of a wait that is left to chance, so that workers that failed together do not return
together."""

HASTE_SECONDS: Final = 1.5
"""How long workers may take to end after a second stop. A second signal must end the node within
two seconds; the rest is for handing back what they left."""

FAULTS: Final = frozenset({1, 2, *range(64, 70)})
"""Exit codes with which the very first worker says that no other will do better: an exception
that nobody caught, wrong use, and what the user's code or its store lacks."""

DONE: Final = 0
AT_ONCE: Final = 70
"""Exit code of a node that killed workers in order to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take; all in seconds.

    Args:
        start: From the start of a process to its hello, the user's imports included. So long
            silence means nothing.
        stop: From the first stop to the end. More than the stopping wait time of the workers,
            who hand back by themselves what has not ended by then. `None`: any time.
    """

    start: float = 120.0
    stop: float | None = None


class Phase(StrEnum):
    """How far the process of a slot is."""

    VACANT = "vacant"
    """There is none."""
    STARTING = "starting"
    """It imports the user's code."""
    JOINING = "joining"
    """It has said hello and waits for the store."""
    WORKING = "working"
    LEAVING = "leaving"
    """It was asked to stop."""
    KILLED = "killed"
    """It was killed, and its end is not known yet."""


@dataclass(slots=True)
class _Slot:
    """One place for a process.

    `due` is when it changes by itself: VACANT is started then, STARTING and LEAVING are killed.
    `failures` counts the processes in a row that ended before they were ready.
    """

    number: int
    phase: Phase = Phase.VACANT
    due: float | None = None
    ready: bool = False
    failures: int = 0
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_MAX))

    @property
    def vacant(self) -> bool:
        return self.phase is Phase.VACANT

    @property
    def heeds(self) -> bool:
        """Whether there is a process that can still be asked to do something."""
        return self.phase not in (Phase.VACANT, Phase.KILLED)

    def free_from(self, now: float) -> float:
        """When it may be started again without being started too often."""
        if len(self.starts) < RESTARTS_MAX:
            return now
        return max(now, self.starts[0] + RESTARTS_SECONDS)


class Crew:
    """The workers of one node and its lane.

    `step` takes what happened and gives what is to be done, in that order. What the caller must
    keep: `now` never falls, and of one process Hello, Ready and Ended come in this order, before
    anything of its successor.

    Args:
        workers: Slots for workers, 1 or more.
        limits: How long things may take.
    """

    def __init__(self, workers: int, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lane = _Slot(LANE)
        self._slots = {LANE: self._lane, **{n: _Slot(n) for n in range(1, workers + 1)}}
        self._open = False  # the first hello was heard
        self._suspects = False
        self._stops = 0
        self._code = DONE
        self._finished = False

    @property
    def due_at(self) -> float | None:
        """When the next Tick is due; `None`: only an event can change anything."""
        return min((slot.due for slot in self._all() if slot.due is not None), default=None)

    @property
    def stopping(self) -> bool:
        """Whether nothing will be started any more."""
        return self._stops > 0

    def step(self, event: Event, now: float) -> list[Command]:
        """What to do about this.

        Args:
            event: What happened.
            now: Monotonic seconds.
        """
        if self._finished:
            return []
        commands = [*self._react(event, now), *self._overdue(now)]
        if self.stopping and all(slot.vacant for slot in self._all()):
            self._finished = True
            commands.append(Finish(self._code))
        return commands

    def _react(self, event: Event, now: float) -> Iterator[Command]:
        match event:
            case Begin():
                self._begin(self._slots[1], now)
            case Hello(slot=number):
                self._hello(self._slots[number], now)
            case Ready(slot=number):
                self._ready(self._slots[number])
            case Silent(slot=number, seconds=seconds):
                yield from self._silent(self._slots[number], seconds)
            case Ended():
                self._ended(self._slots[event.slot], event, now)
            case SuspectsSeen():
                self._suspects = True
                self._man_lane(now)
            case LaneEnded():
                yield from self._lane_ended(now)
            case Stop():
                yield from self._stop(now)
            case Tick():
                pass

    def _all(self) -> list[_Slot]:
        return list(self._slots.values())

    def _begin(self, first: _Slot, now: float) -> None:
        if not self.stopping and not first.starts:
            first.due = now

    def _hello(self, slot: _Slot, now: float) -> None:
        if slot.phase is Phase.STARTING:
            slot.phase, slot.due = Phase.JOINING, None
        if slot.vacant or self._open or self.stopping:
            return
        self._open = True
        for other in self._all():
            if other.vacant and other is not self._lane:
                other.due = now
        self._man_lane(now)

    def _ready(self, slot: _Slot) -> None:
        slot.ready = not slot.vacant
        if slot.phase in (Phase.STARTING, Phase.JOINING):
            slot.phase, slot.due = Phase.WORKING, None

    def _silent(self, slot: _Slot, seconds: float) -> Iterator[Command]:
        """While it imports the user's code nobody can tell; the limits of a start are for that."""
        if slot.heeds and slot.phase is not Phase.STARTING:
            yield self._kill(slot, f"it had not answered for {format_seconds(seconds)}")

    def _ended(self, slot: _Slot, event: Ended, now: float) -> None:
        if slot.vacant:
            return
        unasked = slot.phase is not Phase.LEAVING
        slot.ready |= event.was_ready
        slot.phase, slot.due = Phase.VACANT, None
        if not self._open and not self.stopping and event.exit_code in FAULTS:
            self._stops, self._code = 1, event.exit_code
        if slot is self._lane and unasked and event.in_order and event.exit_code == DONE:
            self._suspects = False
        if self.stopping or (slot is self._lane and not self._suspects):
            return
        slot.failures = 0 if slot.ready else slot.failures + 1
        pause = backoff_seconds(slot.failures, event.chance)
        slot.due = max(now + pause, slot.free_from(now))

    def _lane_ended(self, now: float) -> Iterator[Command]:
        """It is started again only if suspects are seen after this."""
        if not self._lane.vacant:
            self._suspects = False
        if self._lane.heeds and self._lane.phase is not Phase.LEAVING:
            yield self._terminate(self._lane, now)

    def _man_lane(self, now: float) -> None:
        wanted = self._suspects and self._open and not self.stopping
        if wanted and self._lane.vacant and self._lane.due is None:
            self._lane.due = self._lane.free_from(now)

    def _stop(self, now: float) -> Iterator[Command]:
        """The first is passed on once, and so is the second, which makes workers hurry."""
        self._stops += 1
        for slot in self._all():
            if slot.vacant:
                slot.due = None
            elif not slot.heeds:
                continue
            elif self._stops == 1 and slot.phase is not Phase.LEAVING:
                yield self._terminate(slot, now)
            elif self._stops == 2:
                yield self._terminate(slot, now)
                soon = now + HASTE_SECONDS
                slot.due = soon if slot.due is None else min(slot.due, soon)

    def _terminate(self, slot: _Slot, now: float) -> Terminate:
        if slot.phase is not Phase.LEAVING:
            slot.phase = Phase.LEAVING
            slot.due = None if self._limits.stop is None else now + self._limits.stop
        return Terminate(slot.number)

    def _kill(self, slot: _Slot, why: str) -> Kill:
        slot.phase, slot.due = Phase.KILLED, None
        if self.stopping:
            self._code = AT_ONCE
        return Kill(slot.number, why)

    def _overdue(self, now: float) -> Iterator[Command]:
        for slot in self._all():
            if slot.due is None or now < slot.due:
                continue
            if slot.vacant:
                yield self._start(slot, now)
            else:
                yield self._kill(slot, self._too_slow(slot))

    def _start(self, slot: _Slot, now: float) -> Start:
        slot.phase, slot.due, slot.ready = Phase.STARTING, now + self._limits.start, False
        slot.starts.append(now)
        return Start(slot.number, lane=slot is self._lane)

    def _too_slow(self, slot: _Slot) -> str:
        if slot.phase is Phase.STARTING:
            return f"it had not started within {format_seconds(self._limits.start)}"
        if self._stops > 1:
            return "it was to stop at once, and did not"
        return f"it had not stopped within {format_seconds(self._limits.stop or 0.0)}"


def backoff_seconds(failures: int, chance: float) -> float:
    """The pause after this many processes in a row that ended before they were ready.

    0 for none, then 0.5 s doubled up to 30 s. The jitter only shortens.

    Args:
        failures: 0 or more.
        chance: A random number from 0 up to 1.
    """
    if not failures:
        return 0.0
    pause = math.ldexp(BACKOFF_FIRST_SECONDS, min(failures, _DOUBLINGS) - 1)
    return min(pause, BACKOFF_LONGEST_SECONDS) * (1.0 - BACKOFF_JITTER * chance)
