"""Ageing of priorities: what has waited for long in a queue is raised to the next higher priority
that is in use there, at the end of that line."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jobhost.jobs.ageing import (
    Mark,
    between_us,
    last_place,
    marks_text,
    next_look_us,
    next_priority,
    read_marks,
    with_mark,
)
from jobhost.store.plan import Plan, Statement
from jobhost.store.plans.cycle import draw_numbers
from jobhost.store.plans.queue_stats import Line, lines, running

QUEUES_MAX: Final = 1000
"""Queues with an age that are looked after: people have named them."""

RAISE_BATCH: Final = 1000
"""Jobs that one transaction raises, shared among the lines of the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingReport:
    """What one pass over a queue did.

    Args:
        raised: How many jobs have a higher priority now.
        more: There may be others that have waited as long.
        due_in_us: Microseconds until there is something to do again; None: the queue has no age.
    """

    raised: int = 0
    more: bool = False
    due_in_us: int | None = None


def ageing_queues(node: int) -> Plan[list[str]]:
    """Names of the queues with an age, if this node is the first of the living workers; else none:
    one of them looks after all."""
    found = yield Statement("ageing_queues", {"node": node, "limit": QUEUES_MAX})
    return [name for (name,) in found.rows]


def raise_waiting(queue: str) -> Plan[AgeingReport]:
    """One pass over a queue: make a mark if it is time, and raise what has waited long enough."""
    number = yield from draw_numbers(1)  # first: all that was drawn before was so before `now`
    found = yield Statement("age_of_queue", {"queue": queue})
    if found.first is None:
        return AgeingReport()
    age_us, text, shut, now_us = found.first
    before = read_marks(text)
    # What a job waits while nothing of its queue starts is not for want of priority.
    marks = [] if shut else with_mark(before, Mark(now_us, number), age_us)
    if marks != before:
        yield Statement("keep_marks", {"queue": queue, "marks": marks_text(marks)})
    below = last_place(marks, now_us, age_us)
    raised, more = 0, False
    if below is not None:
        raised, more = yield from raise_up_to(queue, below)
    due_in_us = between_us(age_us) if shut else next_look_us(marks, now_us, age_us)
    return AgeingReport(raised=raised, more=more, due_in_us=due_in_us)


def raise_up_to(queue: str, below: int) -> Plan[tuple[int, bool]]:
    """Raise what stands at a place up to `below`; how many, and whether a slice was full."""
    waiting = yield from lines([queue], 1)
    if all(line.first > below for line in waiting):
        return 0, False
    in_use = {priority for name, priority in (yield from running()) if name == queue}
    in_use |= {line.priority for line in waiting}
    steps = [(line, next_priority(line.priority, in_use)) for line in waiting]
    upwards = [(line, to) for line, to in steps if to is not None and line.first <= below]
    slice_of_each = max(1, RAISE_BATCH // max(1, len(upwards)))
    raised, more = 0, False
    for line, to in upwards:
        count = yield from _raise_line(line, to, below, slice_of_each)
        raised, more = raised + count, more or count == slice_of_each
    return raised, more


def _raise_line(line: Line, to: int, below: int, limit: int) -> Plan[int]:
    place = {"queue": line.queue, "priority": line.priority, "lane": line.lane}
    found = yield Statement("waited", {**place, "below": below, "limit": limit})
    if found.rows:
        places = _places(found.rows)
        first_seq = yield from draw_numbers(len(found.rows))
        yield Statement(
            "raise_ready", {**place, "places": places, "raised": to, "first_seq": first_seq}
        )
        yield Statement("leave_line", {**place, "places": places})
    return len(found.rows)


def _places(rows: Sequence[tuple[int, ...]]) -> str:
    return json.dumps([list(row) for row in rows])
