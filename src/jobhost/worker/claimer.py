"""Runs cycles: each records what has ended and claims for the free slots, in one transaction.

A cycle is due when a job has ended, when there is hope of another one for a free slot, or when
somebody rang.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from jobhost.errors import StoreBusy
from jobhost.jobs.outcomes import COMPLETED, Settlement
from jobhost.jobs.states import Move, State
from jobhost.plurals import counted
from jobhost.store.plans.cycle import Wanted
from jobhost.worker.drain import STORE_SECONDS
from jobhost.worker.holdings import Holdings
from jobhost.worker.membership import Member
from jobhost.worker.rotation import Rotation
from jobhost.worker.stager import Stager

_CANCEL_LOOK_SECONDS: Final = 0.05
"""Shortest pause between cycles that only ask for cancels: producers ring often."""

_UNRUNG_LOOK_SECONDS: Final = 0.1
"""Until the look for jobs that were accepted while this worker said that nobody need ring."""


class Claimer:
    """Decides when to run a cycle, and passes on what comes of it.

    Args:
        held: The jobs of this worker: those that ended are recorded, those claimed are started.
        stager: Is told of jobs that are due again later.
        weights: Queues to serve, by weight.
        tasks: Names of the tasks that this worker knows.
        poll_seconds: Longest pause between looks at the store, should a ring be lost.

    `hungry` is set while the store may have a job for a free slot, `rung` when it is to be asked
    for jobs and cancels once, free slot or not. `released` counts the jobs handed back.
    """

    def __init__(
        self,
        held: Holdings,
        stager: Stager,
        *,
        weights: Mapping[str, int],
        tasks: Sequence[str],
        poll_seconds: float,
    ) -> None:
        self._held = held
        self._stager = stager
        self._rotation = Rotation(weights)
        self._tasks = tasks
        self._left_out: Collection[str] = ()
        self._known_tasks = json.dumps(tasks)
        self._poll_seconds = poll_seconds
        self._next_poll = 0.0
        self._next_cancel_look = 0.0
        self.hungry = True
        self.rung = True
        self.released = 0

    @property
    def due(self) -> float:
        """Instant of the next look without a ring, in monotonic seconds."""
        return min(self._next_poll, self._next_cancel_look) if self.rung else self._next_poll

    def asks(self, *, claims: bool) -> bool:
        """Whether there is a free slot, and hope of a job for it.

        Args:
            claims: Whether the worker claims at all.
        """
        return self.hungry and self._slots(claims=claims) > 0

    def run_if_due(self, member: Member, now: float, *, claims: bool) -> bool:
        """Run a cycle if there is something to say or to ask. Raises StoreError.

        Args:
            member: In whose name; it is told when its lease has ended.
            now: Monotonic seconds.
            claims: Whether free slots are to be filled.

        Returns whether there was a cycle.
        """
        if now >= self._next_poll:
            self._next_poll = now + self._poll_seconds
            self.rung = True
        if self._held.outbox.has_freed:  # a job recorded itself, perhaps with others it accepted
            self.hungry = True
        ended = self._held.collect()
        slots = self._slots(claims=claims)
        if not self._is_due(now, ended=ended, slots=slots):
            return False
        self.rung = False
        self._next_cancel_look = now + _CANCEL_LOOK_SECONDS
        self._cycle(member, slots)
        return True

    def run_once(self, member: Member, *, slots: int) -> None:
        """Record all that is pending, short ends first, and claim so many jobs at the most, obey
        cancels. In as many cycles as it takes, until STORE_SECONDS are over: meant for a worker
        that leaves, whose supervisor does not wait for ever.

        Raises StoreError, StoreBusy if time was up; what is still pending stays so.
        """
        end = time.monotonic() + STORE_SECONDS
        recorder = self._held.recorder
        recorder.put_short_first()
        self._cycle(member, slots)
        while recorder.pending and not member.lost:
            if time.monotonic() >= end:
                raise StoreBusy(
                    f"{counted(len(recorder.pending), 'end')} could not be recorded in the time "
                    "that was left: those jobs run again"
                )
            self._cycle(member, 0)

    def _cycle(self, member: Member, slots: int) -> None:
        """Record and claim as much as one cycle carries, obey cancels. Raises StoreError; what was
        pending stays so."""
        if member.left_out != self._left_out:
            self._left_out = member.left_out
            self._known_tasks = json.dumps(
                [name for name in self._tasks if name not in self._left_out]
            )
        recorder = self._held.recorder
        if recorder.releasing and not member.may_hand_back:
            recorder.keep_released()
        report = recorder.cycle(
            Wanted(
                node=member.number,
                queues=self._rotation.turn() if slots else (),
                tasks=self._known_tasks,
                slots=slots,
            )
        )
        if not report.lease_live:
            member.lose()
            return
        for job, reason in report.cancels.items():
            self._held.executor.cancel(job, reason)
        for end in recorder.sent:
            if end.settlement is not COMPLETED:
                self._note(end.settlement)
        self._held.executor.accept(report.claimed)
        if slots:
            self.hungry = recorder.asked == len(report.claimed)
        if report.unrung:
            self._next_poll = min(self._next_poll, time.monotonic() + _UNRUNG_LOOK_SECONDS)

    def _slots(self, *, claims: bool) -> int:
        return self._held.executor.free_slots if claims else 0

    def _is_due(self, now: float, *, ended: bool, slots: int) -> bool:
        if ended or (self.hungry and slots):
            return True
        return self.rung and (slots > 0 or now >= self._next_cancel_look)

    def _note(self, settlement: Settlement) -> None:
        """What matters here of an end other than a success."""
        if settlement.target is State.SCHEDULED:
            self._stager.expect(settlement.delay_us / 1_000_000)
        elif settlement.move is Move.RELEASE:
            self.released += 1
