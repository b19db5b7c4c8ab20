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

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jobhost.durations import format_seconds
from jobhost.hosting.crew_words import (
    Begin,
    Command,
    Drain,
    Ended,
    Event,
    Finish,
    Hello,
    HoldsUp,
    Kill,
    Ready,
    Silent,
    Start,
    Stop,
    SuspectsSeen,
    Terminate,
    Tick,
)
from jobhost.hosting.slots import STARTS_KEPT, Phase, Slot, backoff_seconds

LANE: Final = 0
"""The slot of the lane."""

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
        self._lane = Slot(LANE)
        self._slots = {LANE: self._lane, **{n: Slot(n) for n in range(1, workers + 1)}}
        self._open = False  # the first hello was heard
        self._suspects = False
        self._drains = False
        self._stops = 0
        self._code = DONE
        self._starts: deque[float] = deque(maxlen=STARTS_KEPT)
        self._finished = False

    @property
    def due_at(self) -> float | None:
        """When the next Tick is due; `None`: only an event can change anything."""
        return min((slot.due for slot in self._all() if slot.due is not None), default=None)

    @property
    def stopping(self) -> bool:
        """Whether nothing will be started any more."""
        return self._drains or self._stops > 0

    @property
    def start_seconds(self) -> float:
        """The longest of the newest starts of a process, until it was ready; 0 before the first."""
        return max(self._starts, default=0.0)

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
                self._ready(self._slots[number], now)
            case Silent() | HoldsUp():
                yield from self._stuck(self._slots[event.slot], event)
            case Ended():
                self._ended(self._slots[event.slot], event, now)
            case SuspectsSeen():
                self._suspects = True
                self._man_lane(now)
            case Drain():
                yield from self._drain(now)
            case Stop():
                yield from self._stop(now)
            case Tick():
                pass

    def _all(self) -> list[Slot]:
        return list(self._slots.values())

    def _begin(self, first: Slot, now: float) -> None:
        if not self.stopping and not first.starts:
            first.due = now

    def _hello(self, slot: Slot, now: float) -> None:
        if slot.phase is Phase.STARTING:
            slot.phase, slot.due = Phase.JOINING, None
        if slot.vacant or self._open or self.stopping:
            return
        self._open = True
        for other in self._all():
            if other.vacant and other is not self._lane:
                other.due = now
        self._man_lane(now)

    def _ready(self, slot: Slot, now: float) -> None:
        slot.ready = not slot.vacant
        if slot.phase in (Phase.STARTING, Phase.JOINING):
            self._starts.append(now - slot.starts[-1])
            slot.phase, slot.due = Phase.WORKING, None

    def _stuck(self, slot: Slot, event: Silent | HoldsUp) -> Iterator[Command]:
        """While one imports the user's code its silence tells nothing; the limits of a start are
        for that."""
        lasted = format_seconds(event.seconds)
        if isinstance(event, HoldsUp):
            if slot.heeds:
                why = f"it had held up all other writers of the store for {lasted}"
                yield self._kill(slot, why)
        elif slot.heeds and slot.phase is not Phase.STARTING:
            yield self._kill(slot, f"it had not answered for {lasted}")

    def _ended(self, slot: Slot, event: Ended, now: float) -> None:
        if slot.vacant:
            return
        unasked = slot.phase is not Phase.LEAVING
        slot.ready |= event.was_ready
        slot.phase, slot.due = Phase.VACANT, None
        if not self._open and not self.stopping and event.exit_code in FAULTS:
            self._drains, self._code = True, event.exit_code
        if slot is self._lane and unasked and event.in_order and event.exit_code == DONE:
            self._suspects = False
        if self.stopping or (slot is self._lane and not self._suspects):
            return
        slot.failures = 0 if slot.ready else slot.failures + 1
        pause = backoff_seconds(slot.failures, event.chance)
        slot.due = max(now + pause, slot.free_from(now))

    def _man_lane(self, now: float) -> None:
        wanted = self._suspects and self._open and not self.stopping
        if wanted and self._lane.vacant and self._lane.due is None:
            self._lane.due = self._lane.free_from(now)

    def _drain(self, now: float) -> Iterator[Command]:
        """It is passed on once, by whatever means it comes first."""
        self._drains = True
        for slot in self._all():
            if slot.vacant:
                slot.due = None
            elif slot.heeds and slot.phase is not Phase.LEAVING:
                yield self._terminate(slot, now)

    def _stop(self, now: float) -> Iterator[Command]:
        """The first is a drain; the second is passed on too, and makes workers hurry."""
        self._stops += 1
        if self._stops == 1:
            yield from self._drain(now)
        if self._stops != 2:
            return
        for slot in self._all():
            if slot.heeds:
                yield self._terminate(slot, now)
                soon = now + HASTE_SECONDS
                slot.due = soon if slot.due is None else min(slot.due, soon)

    def _terminate(self, slot: Slot, now: float) -> Terminate:
        if slot.phase is not Phase.LEAVING:
            slot.phase = Phase.LEAVING
            slot.due = None if self._limits.stop is None else now + self._limits.stop
        return Terminate(slot.number)

    def _kill(self, slot: Slot, why: str) -> Kill:
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

    def _start(self, slot: Slot, now: float) -> Start:
        slot.phase, slot.due, slot.ready = Phase.STARTING, now + self._limits.start, False
        slot.starts.append(now)
        return Start(slot.number, lane=slot is self._lane)

    def _too_slow(self, slot: Slot) -> str:
        if slot.phase is Phase.STARTING:
            return f"it had not started within {format_seconds(self._limits.start)}"
        if self._stops > 1:
            return "it was to stop at once, and did not"
        return f"it had not stopped within {format_seconds(self._limits.stop or 0.0)}"
