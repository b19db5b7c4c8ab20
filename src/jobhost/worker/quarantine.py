"""Runs suspects: one at a time, and each alone in this process.

In the lane of a node that is all that a worker does; it ends when no suspect is left. A worker
that no node supervises does it between its other jobs, with suspects of which no living node takes
care: at once when it has nothing else to do, or else it claims nothing until what runs has ended,
but never for long. Which suspects are whose is decided in `store/plans/suspects.py`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobhost.store.plans.suspects import claim_suspect, suspect_waits
from jobhost.store.seam import Session
from jobhost.worker.holdings import Holdings
from jobhost.worker.membership import Member

HOLD_BACK_SECONDS: Final = 30.0
"""So long a worker waits for its other jobs to end, before it goes on claiming for as long."""


@dataclass(frozen=True, slots=True)
class HoldBack:
    """When a busy worker holds back for suspects: from `since` on for HOLD_BACK_SECONDS, and then
    not for as long. All instants are monotonic seconds."""

    since: float = -math.inf

    def may_begin(self, now: float) -> bool:
        """Whether enough time has passed since the last one."""
        return now >= self.since + 2 * HOLD_BACK_SECONDS

    def holds(self, now: float) -> bool:
        """Whether it lasts."""
        return self.since <= now < self.since + HOLD_BACK_SECONDS

    def due(self, now: float) -> float:
        """When it ends, or else when the next one may begin."""
        return self.since + (1 if self.holds(now) else 2) * HOLD_BACK_SECONDS

    def suspect_ended(self, now: float) -> "HoldBack":
        """If a suspect ran past the end of it: others have their turn from now on."""
        return HoldBack(max(self.since, now - HOLD_BACK_SECONDS))


class Quarantine:
    """Decides when this worker is alone, and claims suspects then.

    Args:
        held: The jobs of this worker.
        session: The store thread's connection.
        tasks: Names of the tasks whose suspects it may run; none: it runs no suspects.
        lane: Whether it is there for suspects only.
        burst: Whether it ends when nothing is left to do; suspects are something to do.

    `done` is set once a lane has found no suspect. `unasked` is whether a worker that ends when
    nothing is left has yet to ask for suspects before it does. `due` is the instant at which it
    changes by itself, in monotonic seconds.
    """

    def __init__(
        self,
        held: Holdings,
        session: Session,
        tasks: Sequence[str],
        *,
        lane: bool,
        burst: bool = False,
    ) -> None:
        self._held = held
        self._session = session
        self._may_run = bool(tasks)
        self._tasks = json.dumps(list(tasks))
        self._lane = lane
        self._burst = burst
        self._hold = HoldBack()
        self._holding = False
        self._alone = False
        self.due = math.inf
        self.done = self.unasked = False

    @property
    def holds_back(self) -> bool:
        """Whether other jobs must not be claimed now."""
        return self._lane or self._alone or self._holding

    def run_if_due(self, member: Member, now: float, *, claims: bool, hungry: bool) -> bool:
        """Claim a suspect if this worker is alone with it. Raises StoreError.

        Args:
            member: In whose name.
            now: Monotonic seconds.
            claims: Whether the worker claims at all.
            hungry: Whether there may be other jobs to claim first.

        Returns whether one was claimed.
        """
        empty = self._held.is_empty()
        ended = self._alone and empty
        if ended:  # what came in the meantime is looked for before the next
            self._alone = False
            self._hold = self._hold.suspect_ended(now)
        self._holding, self.due = False, math.inf
        self.unasked = self._burst and self._may_run
        if not claims or not self._may_run or self._alone:
            return False
        if not self._lane:
            self._decide(member, now, idle=empty and not hungry and not ended)
        if not (empty and (self._lane or self._holding)):
            return False
        if not self._claim(member):
            return False
        self._alone = True
        return True

    def _decide(self, member: Member, now: float, *, idle: bool) -> None:
        """Whether to hold back now, and when to think again."""
        if not (member.suspects or (self._burst and idle)):
            return
        if idle:
            self._holding = True  # for nobody: it is over as soon as the store has answered
            if self._hold.may_begin(now):
                self._hold = HoldBack(now)
            return
        if self._hold.may_begin(now):
            if not self._session.write(lambda: suspect_waits(member.number, self._tasks)):
                member.suspects = False
                return
            self._hold = HoldBack(now)
        self._holding = self._hold.holds(now)
        self.due = self._hold.due(now)

    def _claim(self, member: Member) -> bool:
        delivery = self._session.write(lambda: claim_suspect(member.number, self._tasks))
        if delivery is None:
            member.suspects = self._holding = self.unasked = False
            self.due = math.inf
            self.done = self._lane
            return False
        self._held.executor.accept([delivery])
        return True
