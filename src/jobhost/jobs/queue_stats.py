"""What can be seen of a queue: how much waits, for how long, how fast it comes and goes. Pure.

Nothing of this is written down when a job is accepted, claimed or ended.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from jobhost.jobs.depth import NOTHING, Depth
from jobhost.jobs.queues import QueueSettings

NEARLY_FULL: Final = 0.8
"""Of a queue's capacity: from here on it is told, before it is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How long the job at the head of a line has waited, in seconds.

    Args:
        at_least: It was ready by then: the next job was accepted so long ago. For a job that was
            never scheduled, retried or handed back this is its own, and exact.
        at_most: It was not ready before: the last job before it was accepted so long ago.
    """

    at_least: float
    at_most: float

    @property
    def vague(self) -> bool:
        """Whether only `at_most` tells something: nothing was accepted since it became ready."""
        return self.at_least == 0 and self.at_most > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Jobs per second over the last minute."""

    accepted: float = 0.0
    started: float = 0.0
    succeeded: float = 0.0
    failed: float = 0.0

    def __add__(self, other: "Flow") -> "Flow":
        return Flow(
            accepted=self.accepted + other.accepted,
            started=self.started + other.started,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
        )

    def to_json(self) -> dict[str, float]:
        """Plain values for `--json`."""
        return {
            "accepted_per_second": round(self.accepted, 3),
            "started_per_second": round(self.started, 3),
            "succeeded_per_second": round(self.succeeded, 3),
            "failed_per_second": round(self.failed, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityStats:
    """One priority of a queue.

    Args:
        priority: Which.
        depth: How many jobs are ready.
        oldest: Age of the one that was ready first; None: none is.
        running: How many run.
        flow: Jobs per second.
    """

    priority: int
    depth: Depth = NOTHING
    oldest: Age | None = None
    running: int = 0
    flow: Flow = field(default_factory=Flow)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"priority": self.priority, **_figures(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """A queue: what was said of it, and what is to be seen.

    Args:
        name: Its name.
        settings: What was said of it.
        served: Whether some living worker serves it.
        priorities: Its priorities in use, the highest first.
    """

    name: str
    settings: QueueSettings
    served: bool
    priorities: tuple[PriorityStats, ...] = ()

    @property
    def depth(self) -> Depth:
        """How many jobs are ready."""
        return sum((one.depth for one in self.priorities), NOTHING)

    @property
    def running(self) -> int:
        """How many run."""
        return sum(one.running for one in self.priorities)

    @property
    def oldest(self) -> Age | None:
        """Age of the job that was ready first."""
        return oldest(one.oldest for one in self.priorities)

    @property
    def flow(self) -> Flow:
        """Jobs per second."""
        return sum((one.flow for one in self.priorities), Flow())

    @property
    def late(self) -> bool:
        """Whether a job has waited longer than the queue's objective while it was open."""
        return is_late(self.oldest, self.settings)

    @property
    def fullness(self) -> float | None:
        """Waiting jobs over the capacity; None without one."""
        capacity = self.settings.capacity
        return None if capacity is None else self.depth.jobs / capacity

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; keys are stable."""
        return {
            "name": self.name,
            "served": self.served,
            **self.settings.to_json(),
            **_figures(self),
            "late": self.late,
            "fullness": None if self.fullness is None else round(self.fullness, 4),
            "priorities": [one.to_json() for one in self.priorities],
        }


def is_late(age: Age | None, settings: QueueSettings) -> bool:
    """Whether a job of this age has certainly waited longer than it should."""
    if age is None or settings.objective is None:
        return False
    opening = settings.opening
    waited = age.at_least if opening is None else opening.counted(age.at_least)
    return waited > settings.objective.total_seconds()


def oldest(ages: Iterable[Age | None]) -> Age | None:
    """The highest of several."""
    found = [age for age in ages if age is not None]
    return max(found, key=lambda age: (age.at_least, age.at_most), default=None)


def flows(told: Sequence[str]) -> dict[tuple[str, int], Flow]:
    """What workers tell of their last minute, summed up by queue and priority.

    Args:
        told: The vitals of living nodes, as JSON; a supervised worker's are within its node's.

    What cannot be read is left out: another release may have written it.
    """
    sums: dict[tuple[str, int], Flow] = {}
    for text in told:
        for rates in _rates(text):
            for line, flow in _lines(rates):
                sums[line] = sums.get(line, Flow()) + flow
    return sums


def with_arrivals(
    flows: Mapping[tuple[str, int], Flow], arrivals: Mapping[tuple[str, int], float]
) -> dict[tuple[str, int], Flow]:
    """The flows, with what was accepted per second."""
    both = dict(flows)
    for line, rate in arrivals.items():
        both[line] = replace(both.get(line, Flow()), accepted=rate)
    return both


def _figures(one: PriorityStats | QueueStats) -> dict[str, Any]:
    age = one.oldest
    return {
        "depth": one.depth.jobs,
        "depth_error": one.depth.error,
        "running": one.running,
        "oldest_seconds": None if age is None else round(age.at_least, 3),
        "oldest_seconds_at_most": None if age is None else round(age.at_most, 3),
        **one.flow.to_json(),
    }


def _rates(text: str) -> list[Any]:
    try:
        told = json.loads(text)
        workers = told.get("workers", {})
        return [told.get("rates"), *(worker.get("rates") for worker in workers.values())]
    except (ValueError, AttributeError, RecursionError):
        return []


def _lines(rates: Any) -> list[tuple[tuple[str, int], Flow]]:
    try:
        seconds = max(float(rates["seconds"]), 1.0)
        return [
            (
                (str(queue), int(priority)),
                Flow(
                    started=started / seconds,
                    succeeded=succeeded / seconds,
                    failed=failed / seconds,
                ),
            )
            for queue, priority, started, succeeded, failed in rates["queues"]
        ]
    except (ValueError, TypeError, KeyError, OverflowError):
        return []
