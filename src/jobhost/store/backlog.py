"""What waits or piles up in a store, for `jobhost doctor`: the checks that every dialect shares.

Each asks by plans of `plans/checkup.py`, every one of which is bounded, and judges by a pure
function. Where all is well most say nothing: what there is to say has a next step.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from shlex import quote
from typing import Final, Protocol, TypeVar

from jobhost.durations import format_seconds
from jobhost.ids import format_id
from jobhost.jobs.depth import EXACT_MAX, NOTHING
from jobhost.jobs.queue_stats import NEARLY_FULL, PriorityStats, is_late, oldest
from jobhost.jobs.queues import QueueSettings, WhenFull
from jobhost.jobs.retention import Retention
from jobhost.jobs.states import State
from jobhost.plurals import counted
from jobhost.store.checkup import NAMED_MAX, Finding, note, ok, warning
from jobhost.store.plan import Plan, drive
from jobhost.store.plans import checkup as plans
from jobhost.store.plans.checkup import DeadLately, HeldKey, LongDeferred, Pause
from jobhost.store.plans.queue_stats import Line, depth_of, lines

T = TypeVar("T")

DEAD_MANY: Final = 1000
"""Dead letters that nobody looks after: more than anybody reads one by one."""

DEAD_FRESH: Final = 100
"""Dead letters of one hour: something has broken, and it is not single jobs."""

KEPT_LATE_US: Final = 86_400_000_000
"""A day past the retention: pruning walks anew every six hours, and may have much to do."""


class Ask(Protocol):
    """Drives a plan that reads."""

    def __call__(self, make: Callable[[], Plan[T]], /) -> T: ...


def paused(ask: Ask) -> list[Finding]:
    """Queues that stand still because somebody said so."""
    found = ask(plans.pauses)
    return judge_pauses(found, frozenset(ask(plans.waiting_queues))) if found else []


def pressed(ask: Ask) -> list[Finding]:
    """Queues that are late, or nearly full."""
    settings = ask(plans.bounded_queues)
    names = [one.name for one in settings]
    found = ask(lambda: lines(names, EXACT_MAX + 1)) if names else []
    return judge_pressure(
        (one, _measure(ask, [line for line in found if line.queue == one.name])) for one in settings
    )


def _measure(ask: Ask, found: Sequence[Line]) -> PriorityStats:
    """The lines of a queue as if they were one."""
    depths = (drive(ask, depth_of(line, random.random)) for line in found)
    return PriorityStats(
        priority=0, depth=sum(depths, NOTHING), oldest=oldest(line.age for line in found)
    )


def expired(ask: Ask) -> list[Finding]:
    """Jobs that wait past their expiry."""
    jobs, since_us = ask(plans.expired_for)
    return judge_expired(jobs, since_us)


def deferred(ask: Ask) -> list[Finding]:
    """Jobs that their task has set aside for long."""
    return judge_deferred(ask(plans.long_deferred))


def keys(ask: Ask) -> list[Finding]:
    """Keys that are stuck, or kept for nothing."""
    return judge_held_keys(ask(plans.long_held_keys)) + judge_windows(ask(plans.ended_windows))


def dead(ask: Ask) -> list[Finding]:
    """Dead letters."""
    return [judge_dead(ask(plans.dead_lately))]


def kept(ask: Ask) -> list[Finding]:
    """Jobs that should have been deleted by now."""
    return judge_kept(ask(plans.longest_kept))


_FULL: Final = {
    WhenFull.REJECT: "an enqueue is refused",
    WhenFull.WAIT: "an enqueue waits, and is refused then",
    WhenFull.DROP_OLDEST: "the oldest job makes room",
}

CHECKS: Final[Sequence[tuple[str, Callable[[Ask], list[Finding]]]]] = (
    ("paused", paused),
    ("pressure", pressed),
    ("expiry", expired),
    ("deferred", deferred),
    ("keys", keys),
    ("dead letters", dead),
    ("retention", kept),
)
"""All of them, with the name that stands for each where a login may not look."""


def judge_pauses(pauses: Sequence[Pause], waiting: frozenset[str]) -> list[Finding]:
    """Each paused queue; worse where jobs wait in it.

    Args:
        pauses: The paused queues.
        waiting: Those in which jobs are ready or set aside.
    """
    found = []
    for pause in sorted(pauses, key=lambda pause: (pause.queue not in waiting, -pause.since_us)):
        since = format_seconds(max(0, pause.since_us) / 1_000_000)
        sentence = f"queue {pause.queue!r} has been paused for {since}"
        name = quote(pause.queue)
        step = (
            f"'jobhost queues resume {name}' lets it go on; 'jobhost queues show {name}' tells why"
        )
        if pause.queue in waiting:
            found.append(warning("paused", f"{sentence}, and jobs wait in it", step))
        else:
            found.append(note("paused", sentence, step))
    return found[:NAMED_MAX]


def judge_pressure(queues: Iterable[tuple[QueueSettings, PriorityStats]]) -> list[Finding]:
    """Queues past their objective, and those with hardly any room left.

    Args:
        queues: What was said of each, and how it stands.
    """
    found = []
    for queue, now in queues:
        show = f"'jobhost queues show {quote(queue.name)}'"
        if queue.objective is not None and now.oldest and is_late(now.oldest, queue):
            found.append(
                warning(
                    "objective",
                    f"a job of queue {queue.name!r} has waited for "
                    f"{format_seconds(now.oldest.at_least)}, longer than its objective of "
                    f"{format_seconds(queue.objective.total_seconds())}",
                    f"give it more workers or slots, or a higher weight: see {show}",
                )
            )
        if queue.capacity is not None and now.depth.jobs >= NEARLY_FULL * queue.capacity:
            found.append(
                warning(
                    "capacity",
                    f"{now.depth} of the {queue.capacity:,} places of queue {queue.name!r} are "
                    f"taken; when it is full: {_FULL[queue.when_full]}",
                    f"give it more workers, or a higher capacity: see {show}",
                )
            )
    return found[: 2 * NAMED_MAX]


def judge_expired(jobs: int, since_us: int) -> list[Finding]:
    """Jobs that nobody has swept.

    Args:
        jobs: How many, up to `plans.checkup.LOOKED_AT`.
        since_us: For how long the first of them has been over.
    """
    if not jobs:
        return []
    more = " or more" if jobs >= plans.LOOKED_AT else ""
    return [
        warning(
            "expiry",
            f"{counted(jobs, 'job')}{more} still {_wait(jobs)} though {_their(jobs)} time to start "
            f"has been over for {format_seconds(since_us / 1_000_000)}",
            "start a worker: every one sweeps them, whatever it serves",
        )
    ]


def judge_deferred(groups: Sequence[LongDeferred]) -> list[Finding]:
    """Jobs that wait for somebody to fetch them, by task, the longest first."""
    return [
        warning(
            "deferred",
            f"{counted(group.jobs, 'job')} of task {group.task!r} {_wait(group.jobs)} to be "
            f"resumed, for {format_seconds(group.since_us / 1_000_000)}: "
            f"{_their(group.jobs)} task has deferred {'it' if group.jobs == 1 else 'them'}",
            f"'jobhost jobs list --state blocked --task {quote(group.task)}' shows them; then "
            "'jobhost jobs resume' or 'jobhost jobs cancel'",
        )
        for group in groups[:NAMED_MAX]
    ]


def judge_held_keys(held: Sequence[HeldKey]) -> list[Finding]:
    """Unique keys by task: while one is held no other job with it is accepted."""
    tasks: dict[str, list[HeldKey]] = {}
    for key in held:
        tasks.setdefault(key.task, []).append(key)
    found = []
    for task, group in sorted(tasks.items(), key=lambda part: -len(part[1])):
        longest = max(group, key=lambda key: key.since_us)
        found.append(
            warning(
                "keys",
                f"{counted(len(group), 'unique key')} of task {task!r} "
                f"{'is' if len(group) == 1 else 'are'} held by jobs that still wait, for "
                f"{format_seconds(longest.since_us / 1_000_000)}: others with the same key are "
                "refused, or replace them",
                f"'jobhost jobs explain {format_id(longest.job)}' tells why one does not run",
            )
        )
    return found[:NAMED_MAX]


def judge_windows(since_us: int | None) -> list[Finding]:
    """Idempotency keys whose window is over.

    Args:
        since_us: For how long that of the first one has been over; None without any.
    """
    if since_us is None or since_us <= KEPT_LATE_US:
        return []
    since = format_seconds(since_us / 1_000_000)
    return [
        note(
            "keys",
            f"idempotency keys are kept whose window has been over for {since}",
            "start a worker: one of them prunes, every ten minutes",
        )
    ]


def judge_dead(counts: DeadLately) -> Finding:
    """How many dead letters there are, and whether they come fast."""
    if not counts.jobs:
        return ok("dead letters", "there are none")
    many = f"more than {counts.jobs - 1:,} dead letters"
    sentence = many if counts.jobs >= plans.DEAD_LOOKED_AT else counted(counts.jobs, "dead letter")
    if counts.lately:
        sentence += f", {counts.lately:,} of them of the last hour"
    step = "see what they died of: 'jobhost dead list --group'"
    if counts.jobs >= DEAD_MANY or counts.lately >= DEAD_FRESH:
        return warning("dead letters", sentence, f"{step}; then redrive or purge them")
    return note("dead letters", sentence, step)


def judge_kept(kept_us: int | None) -> list[Finding]:
    """Whether ended jobs are deleted in time; what the program wants is known only to its workers.

    Args:
        kept_us: How long ago the success ended that has been kept longest.
    """
    limit_us = Retention().spans()[State.SUCCEEDED]
    if kept_us is None or kept_us <= limit_us + KEPT_LATE_US:
        return []
    usual = format_seconds(limit_us / 1_000_000)
    return [
        note(
            "retention",
            f"there are jobs that succeeded {format_seconds(kept_us / 1_000_000)} ago: workers "
            f"delete them after {usual} unless the program says otherwise",
            f"if it does not, keep a worker running, or give 'jobhost prune --succeeded {usual}'",
        )
    ]


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _their(count: int) -> str:
    return "its" if count == 1 else "their"
