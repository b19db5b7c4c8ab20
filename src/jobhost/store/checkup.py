"""What a look at a store has found, as values; and the judgement of what both dialects know.

The dialects look (`sqlite/checkup.py`, `postgres/checkup.py`); nothing here does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from shlex import quote
from typing import Final

from jobhost.durations import format_seconds
from jobhost.plurals import counted
from jobhost.store.plans.checkup import LOOP_WITHIN_US, CrashLoop, Suspects
from jobhost.store.plans.nodes import Kind, LiveNode

OVERDUE_US: Final = 120_000_000
"""A due job that still waits: any live worker would have staged it, even one behind a pooler."""

NAMED_MAX: Final = 10
"""Things of one kind that are named; the rest is counted."""


class Level(StrEnum):
    """How bad it is, from the best to the worst."""

    OK = "ok"
    NOTE = "note"
    """Good to know; nothing needs to be done."""
    WARNING = "warning"
    """It works, and may stop working well."""
    PROBLEM = "problem"
    """Jobs do not run, or may be lost."""

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: What was looked at, in a word or two; the same from release to release.
        level: How bad it is.
        sentence: What was found.
        next_step: What to do about it; None where nothing needs to be done.
    """

    check: str
    level: Level
    sentence: str
    next_step: str | None = None


def ok(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check=check, level=Level.OK, sentence=sentence)


def note(check: str, sentence: str, next_step: str | None = None) -> Finding:
    """Good to know."""
    return Finding(check=check, level=Level.NOTE, sentence=sentence, next_step=next_step)


def warning(check: str, sentence: str, next_step: str) -> Finding:
    """It may stop working well."""
    return Finding(check=check, level=Level.WARNING, sentence=sentence, next_step=next_step)


def problem(check: str, sentence: str, next_step: str) -> Finding:
    """Something is broken, or jobs are in danger."""
    return Finding(check=check, level=Level.PROBLEM, sentence=sentence, next_step=next_step)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among them; ok without any."""
    return max((found.level for found in findings), key=lambda level: level.rank, default=Level.OK)


def name_some(names: Sequence[str]) -> str:
    """Up to NAMED_MAX names, and how many more there are."""
    shown = ", ".join(names[:NAMED_MAX])
    left = len(names) - NAMED_MAX
    return f"{shown} and {left:,} more" if left > 0 else shown


def judge_schema(applied: Iterable[int], newest: int, step: str) -> Finding:
    """The migrations against those of this release.

    Args:
        applied: Numbers of those that the store has.
        newest: The last one that this release knows.
        step: What to do where some are missing.
    """
    highest = max(applied, default=0)
    if highest == newest:
        return ok("schema", f"schema {highest} is the one of this release")
    if highest > newest:
        return problem(
            "schema",
            f"schema {highest} is newer than this release, which knows schemas up to {newest}",
            "upgrade jobhost here",
        )
    if not highest:
        return problem("schema", "there is no jobhost schema yet", step)
    return problem("schema", f"schema {highest} is older than {newest}, that of this release", step)


def judge_nodes(nodes: Sequence[LiveNode], loops: Sequence[CrashLoop] = ()) -> list[Finding]:
    """The workers: who is there, whose lease ran out, and who dies again and again."""
    lapsed = [node.worker for node in nodes if node.lapsed]
    live = [node for node in nodes if not node.lapsed]
    if not nodes:
        return [note("workers", "no worker runs", "start one with 'jobhost worker'")]
    found = [ok("workers", _who_lives(live))] if live else []
    if lapsed:
        sentence = f"the lease of {name_some(lapsed)} has run out"
        if live:
            step = "the others take its jobs over within a minute; see its log for why"
            found.append(note("workers", sentence, step))
        else:
            step = "start a worker: it takes over what that one held"
            found.append(warning("workers", f"{sentence}, and no other one runs", step))
    supervisors = {node.supervisor for node in live}
    alone = [n.worker for n in live if n.kind is Kind.NODE and n.number not in supervisors]
    if alone:
        step = "see its log for why they end, or wait if it has just been started or stopped"
        found.append(warning("workers", f"the node {name_some(alone)} has no worker", step))
    return found + [_judge_loop(loop) for loop in loops[:NAMED_MAX]]


def _who_lives(live: Sequence[LiveNode]) -> str:
    nodes = sum(node.kind is Kind.NODE for node in live)
    workers = counted(sum(node.kind is Kind.WORKER for node in live), "worker")
    beside = f" and {counted(nodes, 'node')}" if nodes else ""
    return f"{workers}{beside} with a live lease"


def _judge_loop(loop: CrashLoop) -> Finding:
    within = format_seconds(LOOP_WITHIN_US / 1_000_000)
    return warning(
        "crashes",
        f"{counted(loop.deaths, 'worker')} of the node {loop.node} died within {within}; the last "
        f"one {loop.last}",
        "see its log, and 'jobhost jobs list --state blocked' for the jobs that are suspected",
    )


def judge_suspects(suspects: Sequence[Suspects], served: frozenset[str]) -> list[Finding]:
    """Jobs that wait to run alone.

    Args:
        suspects: By task.
        served: The tasks that some live worker knows.
    """
    return [
        finding
        for part in suspects[:NAMED_MAX]
        for finding in _judge_task(part, is_served=part.task in served)
    ]


def _judge_task(part: Suspects, *, is_served: bool) -> Iterator[Finding]:
    show = f"'jobhost jobs list --state blocked --task {quote(part.task)}'"
    tried = part.jobs - part.untried
    if not is_served:
        yield warning(
            "suspects",
            f"{counted(part.jobs, 'job')} of task {part.task!r} wait to run alone, and no worker "
            "knows the task",
            f"start a worker whose host declares it, or cancel them: see {show}",
        )
    elif tried:
        yield note(
            "suspects",
            f"{counted(tried, 'job')} of task {part.task!r} may have killed a worker: they run one "
            "at a time, each alone",
            f"see {show}",
        )
    if part.untried:
        yield warning(
            "suspects",
            f"task {part.task!r} was set aside, since its jobs have killed workers again and "
            f"again: {counted(part.untried, 'job')} of it wait to run one at a time, each alone",
            f"mend the task; see 'jobhost jobs list --state dead --task {quote(part.task)}' for "
            "those that were proven",
        )


def judge_waiting(
    queues: Iterable[str], served: frozenset[str], blocked: Sequence[tuple[str, int]]
) -> list[Finding]:
    """Jobs for which nobody would come.

    Args:
        queues: Those in which jobs are ready.
        served: Those that some live worker serves.
        blocked: Tasks that no worker knows, with the number of their jobs.
    """
    found = [
        warning(
            "queues",
            f"jobs wait in queue {queue!r}, which no worker serves",
            f"start one with --queues {quote(queue)}",
        )
        for queue in sorted(set(queues) - served)[:NAMED_MAX]
    ]
    found += [
        warning(
            "tasks",
            f"{counted(count, 'job')} of task {task!r} {'waits' if count == 1 else 'wait'} for a "
            "worker that knows it",
            "start a worker whose host declares it, or cancel them: see 'jobhost jobs list "
            "--state blocked'",
        )
        for task, count in blocked[:NAMED_MAX]
    ]
    return found or [ok("queues", "every waiting job has a worker that serves its queue")]


def judge_due(due_in_us: int | None) -> list[Finding]:
    """The next scheduled job: when it is due, or since when it has been."""
    if due_in_us is None or due_in_us > -OVERDUE_US:
        return []
    ago = format_seconds(-due_in_us / 1_000_000)
    return [
        warning(
            "scheduled",
            f"a scheduled job has been due for {ago}, and no worker has made it ready",
            "start a worker: every one does this, whatever it serves",
        )
    ]
