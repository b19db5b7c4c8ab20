"""What the records tell of processes that died: when their jobs began again, and what ran twice.

Pure: records and deaths in, values out.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bench.processes import BenchError
from bench.records import Kind, Record

UNWRITTEN_NS: Final = 250_000_000
"""A body that came to its end so shortly before the kill may run again: the end was not yet in
the store. Far above what it takes to write one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Processes that died, or were stopped for good, at one stroke.

    Args:
        pids: Theirs.
        at_ns: When, in nanoseconds of the monotonic clock.
    """

    pids: frozenset[int]
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What came of the deaths.

    Args:
        seconds: For each death that found jobs running: to the next start of one of them.
        extra: For each death: further starts of jobs that the dead had started.
        twice: Jobs that ran again though they had ended long before.
        duplicates: Further starts of jobs that no death explains.
        started: Numbers of all jobs that started.
    """

    seconds: Sequence[float]
    extra: Sequence[int]
    twice: int
    duplicates: int
    started: frozenset[int]

    @classmethod
    def of(cls, records: Iterable[Record], deaths: Sequence[Death]) -> "Recovery":
        """From all starts and ends. Raises BenchError for a death after which no job that had
        been running began again."""
        starts: dict[int, list[Record]] = defaultdict(list)
        ends: dict[tuple[int, int], int] = {}
        for record in sorted(records, key=lambda record: record.now_ns):
            if record.kind == Kind.START:
                starts[record.seq].append(record)
            else:
                ends[record.pid, record.seq] = record.now_ns
        by_pid = {pid: place for place, death in enumerate(deaths) for pid in death.pids}
        extra, twice, duplicates = [0] * len(deaths), 0, 0
        for seq, found in starts.items():
            for former, later in pairwise(found):
                place = by_pid.get(former.pid)
                if place is None or later.now_ns <= deaths[place].at_ns:
                    duplicates += 1
                    continue
                extra[place] += 1
                ended_ns = ends.get((former.pid, seq))
                twice += ended_ns is not None and ended_ns < deaths[place].at_ns - UNWRITTEN_NS
        return cls(
            seconds=_seconds(starts, ends, deaths, by_pid),
            extra=extra,
            twice=twice,
            duplicates=duplicates,
            started=frozenset(starts),
        )


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum, by the keys of the figures."""
    if not values:
        raise BenchError("no death found a job running")
    p99 = max(values)
    if len(values) > 1:
        p99 = statistics.quantiles(values, n=100, method="inclusive")[98]
    return {"median": statistics.median(values), "p99": p99, "max": max(values)}


def _seconds(
    starts: Mapping[int, Sequence[Record]],
    ends: Mapping[tuple[int, int], int],
    deaths: Sequence[Death],
    by_pid: Mapping[int, int],
) -> list[float]:
    """To the next start of a job that ran when its process died."""
    running = [False] * len(deaths)
    next_ns: dict[int, int] = {}
    for seq, found in starts.items():
        for place_in_life, start in enumerate(found):
            place = by_pid.get(start.pid)
            if place is None or (start.pid, seq) in ends or start.now_ns > deaths[place].at_ns:
                continue
            running[place] = True
            for later in found[place_in_life + 1 :]:
                next_ns[place] = min(later.now_ns, next_ns.get(place, later.now_ns))
    seconds = []
    for place, death in enumerate(deaths):
        if running[place]:
            if place not in next_ns:
                raise BenchError(f"no job of the dead {sorted(death.pids)} was started again")
            seconds.append((next_ns[place] - death.at_ns) / 1e9)
    return seconds
