"""Claims that do not walk twice past jobs which they cannot take.

Jobs of tasks that a worker does not know stand in its queues: until the stager sets them aside, or
for good where another worker knows them. A million of them at the head would be walked past by each
claim. So a worker that has passed by a job remembers, for each line of that queue, the place up to
which it has looked, and begins behind it.

That is exact: writers take turns, and each draws the places of what it adds, so that a job which
comes to a line stands behind all that anybody has ever seen there. Once a minute a claim begins at
the head all the same. On PostgreSQL it can only be a hint: see docs/adr/0010.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from jobhost.jobs.records import Delivery, Ended
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import CycleReport, Wanted, claim_from_head, cycle, take
from jobhost.store.plans.enqueue import enqueue
from jobhost.store.plans.hot import HotPlans

LOOK_SECONDS: Final = 0.25
"""Between looks at where the lines end: what has come since then is walked past until the next."""

HEAD_SECONDS: Final = 60.0
"""Between claims that begin at the head, whatever is remembered."""

PRIORITIES_MAX: Final = 64
"""That are remembered; jobs of lower ones are found at some cost."""

_LOWEST, _HIGHEST = -32769, 32768

_Line = tuple[int, int]
"""Priority and lane."""


@dataclass(slots=True)
class Reach:
    """How far a worker has looked in one queue.

    Args:
        until: When to begin at the head again, in monotonic seconds.
        next_look: When to look for the ends of the lines again.
        passed: By line the highest place of what was passed by.
    """

    until: float
    next_look: float = 0.0
    passed: dict[_Line, int] = field(default_factory=dict)

    def stretches(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Where to look, in the order of the queue: the statement, with its parameters."""
        above = _HIGHEST
        for priority in sorted({priority for priority, _ in self.passed}, reverse=True):
            if priority + 1 < above:
                yield "claim_between", {"low": priority, "high": above}
            for lane in (0, 1):
                passed = self.passed.get((priority, lane), 0)
                yield "claim_line", {"priority": priority, "lane": lane, "passed": passed}
            above = priority
        yield "claim_between", {"low": _LOWEST, "high": above}


class Claims:
    """Cycles of one worker, with its memory.

    Args:
        monotonic: The clock of the memory.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._worker = 0, ""
        self._reaches: dict[str, Reach] = {}

    def plans(self) -> HotPlans:
        """Those of this worker."""
        return HotPlans(enqueue=enqueue, enqueue_new=enqueue, cycle=self.cycle, announces=False)

    def cycle(self, ended: Sequence[Ended], wanted: Wanted) -> Plan[CycleReport]:
        """Record and claim; see `store.plans.cycle`. If its transaction does not end well, `forget`
        must follow."""
        if (wanted.node, wanted.tasks) != self._worker:
            self.forget()
            self._worker = wanted.node, wanted.tasks
        return (yield from cycle(ended, wanted, self._claim))

    def forget(self) -> None:
        """What was passed by may stand there again."""
        self._reaches.clear()

    def _claim(self, queue: str, wanted: Wanted, slots: int) -> Plan[list[Delivery]]:
        now, reaches = self._monotonic(), self._reaches
        reach = reaches.get(queue)
        if reach is not None and now < reach.until:
            claimed = yield from _claim_beyond(reach, queue, wanted, slots)
        else:
            reaches.pop(queue, None)
            claimed = yield from claim_from_head(queue, wanted, slots)
            if not (yield from _has_passed_by(queue, claimed, slots)):
                return claimed
            reach = reaches[queue] = Reach(until=now + HEAD_SECONDS)
        if now >= reach.next_look:
            reach.next_look = now + LOOK_SECONDS
            yield from _look(reach, queue, claimed, slots)
        return claimed


def _has_passed_by(queue: str, claimed: list[Delivery], slots: int) -> Plan[bool]:
    """Whether a claim from the head has left jobs standing that it has come by."""
    head = (yield Statement("head_of", {"queue": queue})).first
    if head is None or len(claimed) < slots:
        return head is not None
    last = claimed[-1]
    return _order(*head) < _order(last.priority, last.lane, last.seq)


def _claim_beyond(reach: Reach, queue: str, wanted: Wanted, slots: int) -> Plan[list[Delivery]]:
    """Take the next jobs from behind what was passed by."""
    claimed: list[Delivery] = []
    for name, place in reach.stretches():
        left = slots - len(claimed)
        taken = yield from take(name, {**place, "queue": queue}, wanted, left)
        if taken and name == "claim_line":
            reach.passed[place["priority"], place["lane"]] = taken[-1].seq
        claimed += taken
        if len(taken) == left:
            break
    return claimed


def _look(reach: Reach, queue: str, claimed: list[Delivery], slots: int) -> Plan[None]:
    """Remember where the lines end that this claim has walked along, and where it stopped."""
    lines = yield Statement("ends_of_lines", {"queue": queue, "limit": PRIORITIES_MAX})
    last = claimed[-1] if len(claimed) == slots else None
    passed = {}
    for priority, lane, end in lines.rows:
        line = priority, lane
        if last is None or _order(priority, lane) < _order(last.priority, last.lane):
            passed[line] = end or 0
        elif line == (last.priority, last.lane):
            passed[line] = last.seq
        else:
            passed[line] = reach.passed.get(line, 0)
    reach.passed = passed


def _order(priority: int, lane: int, seq: int = 0) -> tuple[int, int, int]:
    """By which jobs stand in a queue."""
    return -priority, lane, seq
