"""What can be seen of queues. Nothing is counted that grows: a line that is longer than a bound is
estimated from samples, by `jobs.depth`.

Each plan is one statement; what several tell is put together by `look_at`, which is no snapshot: a
job may move between two looks.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from jobhost.jobs.depth import EXACT_MAX, NOTHING, Depth, Survey, main_survey, pilot
from jobhost.jobs.queue_stats import (
    Age,
    Flow,
    PriorityStats,
    QueueStats,
    flows,
    oldest,
    with_arrivals,
)
from jobhost.jobs.queues import QueueSettings
from jobhost.store.plan import Looks, Plan, Row, Statement
from jobhost.store.plans.look import served_queues
from jobhost.store.plans.queues import all_settings

QUEUES_MAX: Final = 1000
"""Queues of one listing."""

LINES_MAX: Final = 4000
"""Lines that one look has."""

ARRIVALS_MAX: Final = 2000
"""Of the newest jobs so many are looked at: the rate of a queue that has all of them is right to
some 2 %."""

ARRIVALS_US: Final = 60_000_000
"""The window of the rate of arrivals."""

WINDOW_ROWS_MAX: Final = 20_000
"""Rows of one window of a survey: reached only where all jobs stand close together in a line
that is thousands of times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What waits in one queue, priority and lane.

    Args:
        queue, priority, lane: Which.
        first, last: Its first and last place.
        head: Number of the job at its head.
        counted: How many there are, counted up to a bound.
        age: Of the head.
    """

    queue: str
    priority: int
    lane: int
    first: int
    last: int
    head: int
    counted: int
    age: Age

    @property
    def key(self) -> tuple[str, int, int]:
        """Queue, priority and lane."""
        return self.queue, self.priority, self.lane


def lines(queues: Sequence[str], count: int) -> Plan[list[Line]]:
    """The lines of these queues.

    Args:
        queues: Names.
        count: How far to count each.
    """
    params = {"queues": json.dumps(list(queues)), "counted": count, "limit": LINES_MAX}
    found = yield Statement("queue_lines", params)
    return [_line(row) for row in found.rows]


def sample(line: Line, survey: Survey, places: Sequence[int]) -> Plan[list[int]]:
    """The counts of the windows at these places, in their order."""
    found = yield Statement(
        "sample_line",
        {
            "queue": line.queue,
            "priority": line.priority,
            "lane": line.lane,
            "places": json.dumps(list(places)),
            "width": survey.width,
            "rows": WINDOW_ROWS_MAX,
        },
    )
    return [count for (count,) in found.rows]


def arrivals() -> Plan[dict[tuple[str, int], float]]:
    """Jobs accepted per second, by queue and priority: over the last minute, or over the time of
    the last ARRIVALS_MAX jobs where that is shorter."""
    params = {"limit": ARRIVALS_MAX, "window_us": ARRIVALS_US}
    found = yield Statement("arrivals", params)
    span_us = ARRIVALS_US
    if found.rows and sum(row[2] for row in found.rows) >= ARRIVALS_MAX:
        span_us = max(1, max(row[4] for row in found.rows) - min(row[3] for row in found.rows))
    return {(row[0], row[1]): row[2] * 1_000_000 / span_us for row in found.rows}


def running() -> Plan[dict[tuple[str, int], int]]:
    """How many jobs run, by queue and priority."""
    found = yield Statement("running_in_queues")
    return {(queue, priority): count for queue, priority, count in found.rows}


def told() -> Plan[dict[tuple[str, int], Flow]]:
    """What living workers have told of their last minute, by queue and priority."""
    found = yield Statement("told_by_nodes")
    return flows([text for (text,) in found.rows])


def known_queues() -> Plan[list[str]]:
    """Names of queues that anything is known of, in order: something waits or runs there, somebody
    said something of them, or a living worker serves them. Scheduled jobs alone do not show."""
    found = yield Statement("known_queues", {"limit": QUEUES_MAX})
    return [name for (name,) in found.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the looks at some queues have found."""

    waiting: list[Line]
    runs: dict[tuple[str, int], int]
    moves: dict[tuple[str, int], Flow]
    depths: dict[tuple[str, int, int], Depth] = field(default_factory=dict)


def look_at(names: Sequence[str], chance: Callable[[], float]) -> Looks[list[QueueStats]]:
    """The figures of these queues, in their order.

    Args:
        names: Of the queues.
        chance: Gives a number from 0 to below 1: where samples are taken.
    """
    settings = {one.name: one for one in (yield all_settings)}
    served = yield served_queues
    seen = _Seen(
        moves=with_arrivals((yield told), (yield arrivals)),
        runs=(yield running),
        waiting=(yield lambda: lines(names, EXACT_MAX + 1)),
    )
    for line in seen.waiting:
        seen.depths[line.key] = yield from depth_of(line, chance)
    return [
        QueueStats(
            name=name,
            settings=settings.get(name, QueueSettings(name=name)),
            served=name in served,
            priorities=tuple(_priorities(name, seen)),
        )
        for name in names
    ]


def depth_of(line: Line, chance: Callable[[], float]) -> Looks[Depth]:
    """How long a line is that was counted up to one above EXACT_MAX: that, or by two surveys."""
    if line.counted <= EXACT_MAX:
        return Depth(jobs=line.counted)
    first = pilot(line.first, line.last)
    counts = yield lambda: sample(line, first, first.places(chance))
    second = main_survey(first, counts)
    counts = yield lambda: sample(line, second, second.places(chance))
    return second.estimate(counts)


def _priorities(name: str, seen: _Seen) -> Iterable[PriorityStats]:
    here = [line for line in seen.waiting if line.queue == name]
    found = {line.priority for line in here}
    found |= {priority for queue, priority in (*seen.runs, *seen.moves) if queue == name}
    for priority in sorted(found, reverse=True):
        lanes = [line for line in here if line.priority == priority]
        yield PriorityStats(
            priority=priority,
            depth=sum((seen.depths[line.key] for line in lanes), NOTHING),
            oldest=oldest(line.age for line in lanes),
            running=seen.runs.get((name, priority), 0),
            flow=seen.moves.get((name, priority), Flow()),
        )


def _line(row: Row) -> Line:
    queue, priority, lane, first, last, head, counted, after, until, now = row
    at_least = 0.0 if until is None else max(0, now - until) / 1_000_000
    at_most = at_least if after is None else max(at_least, (now - after) / 1_000_000)
    fresh = head == first and until is not None
    return Line(
        queue=queue,
        priority=priority,
        lane=lane,
        first=first,
        last=last,
        head=head,
        counted=counted,
        age=Age(at_least=at_least, at_most=at_least if fresh else at_most),
    )
