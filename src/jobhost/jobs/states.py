"""The states of a job and the one table of legal moves.

Rules of this file: no I/O and no decision. Which move follows an attempt is
decided in `outcomes.py`; the store performs it; the picture in the documentation
and the model in the tests are made from `MOVES`.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a job is in its life."""

    SCHEDULED = "scheduled"
    """Due later: delayed by its producer, by a retry or by a snooze."""
    BLOCKED = "blocked"
    """Waits for something other than time: for a worker that knows its task; as a suspect of
    having killed its worker, for a process of its own; deferred by its task, to be resumed."""
    READY = "ready"
    """Waits for a free slot."""
    RUNNING = "running"
    """Claimed by a worker under a lease."""
    SUSPENDED = "suspended"
    """A job of many steps that waits without holding a slot."""
    SUCCEEDED = "succeeded"
    """Final: it ran to its end, and its result is stored with this state."""
    DEAD = "dead"
    """Final: it used up its attempts or was rejected. Kept until somebody redrives it."""
    CANCELLED = "cancelled"
    """Final: it was cancelled, or discarded by its own task."""


class Move(StrEnum):
    """The verbs that change a job's state."""

    ENQUEUE = "enqueue"
    STAGE = "stage"
    PARK = "park"
    UNPARK = "unpark"
    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"
    SNOOZE = "snooze"
    RELEASE = "release"
    RESCUE = "rescue"
    DISCARD = "discard"
    CANCEL = "cancel"
    REDRIVE = "redrive"
    EXPIRE = "expire"
    DEFER = "defer"
    RESUME = "resume"


FINAL = frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED})
"""States that a job leaves only by a redrive."""

LIVE = frozenset(State) - FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One move: whence, whither, and what makes it. `None` is a job not yet accepted."""

    move: Move
    source: frozenset[State | None]
    target: frozenset[State]
    cause: str


def _rule(move: Move, source: set[State | None], target: set[State], cause: str) -> Rule:
    return Rule(move=move, source=frozenset(source), target=frozenset(target), cause=cause)


_S = State

MOVES: dict[Move, Rule] = {
    rule.move: rule
    for rule in (
        _rule(Move.ENQUEUE, {None}, {_S.READY, _S.SCHEDULED}, "a producer commits it"),
        _rule(Move.STAGE, {_S.SCHEDULED}, {_S.READY}, "its due time has come"),
        _rule(
            Move.PARK,
            {_S.READY},
            {_S.BLOCKED},
            "no live worker knows its task, or it kills workers",
        ),
        _rule(Move.UNPARK, {_S.BLOCKED}, {_S.READY}, "what it waited for is there"),
        _rule(
            Move.CLAIM, {_S.READY, _S.BLOCKED}, {_S.RUNNING}, "a worker takes it under its lease"
        ),
        _rule(Move.COMPLETE, {_S.RUNNING}, {_S.SUCCEEDED}, "the task returned"),
        _rule(Move.FAIL, {_S.RUNNING}, {_S.DEAD}, "attempts used up, or rejected"),
        _rule(Move.RETRY, {_S.RUNNING}, {_S.SCHEDULED, _S.READY}, "it failed, attempts are left"),
        _rule(
            Move.SNOOZE,
            {_S.RUNNING},
            {_S.SCHEDULED, _S.READY},
            "the task asked for later, or the worker is too old for it",
        ),
        _rule(Move.RELEASE, {_S.RUNNING}, {_S.READY}, "a draining worker hands it back"),
        _rule(
            Move.RESCUE,
            {_S.RUNNING},
            {_S.READY, _S.BLOCKED},
            "its worker died or lost its lease; a suspect is set aside",
        ),
        _rule(Move.DISCARD, {_S.RUNNING}, {_S.CANCELLED}, "the task dropped its own job"),
        _rule(Move.CANCEL, set(LIVE), {_S.CANCELLED}, "somebody cancelled it"),
        _rule(Move.REDRIVE, {_S.DEAD, _S.CANCELLED}, {_S.READY}, "an operator sends it back"),
        _rule(
            Move.EXPIRE,
            {_S.READY, _S.SCHEDULED, _S.BLOCKED, _S.RUNNING},
            {_S.DEAD},
            "its time to start is over; one just claimed was not begun",
        ),
        _rule(Move.DEFER, {_S.RUNNING}, {_S.BLOCKED}, "the task set its own job aside"),
        _rule(Move.RESUME, {_S.BLOCKED}, {_S.READY}, "somebody resumes the deferred job"),
    )
}
"""Every legal move. Nothing changes a job's state except along one of these."""


def may(move: Move, source: State | None, target: State) -> bool:
    """Whether the table allows this move between these two states."""
    rule = MOVES[move]
    return source in rule.source and target in rule.target


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    for rule in MOVES.values():
        sources = sorted(rule.source, key=lambda state: state or "")
        for source in sources:
            lines += [
                f"    {source or '[*]'} --> {target}: {rule.move}" for target in sorted(rule.target)
            ]
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines)
