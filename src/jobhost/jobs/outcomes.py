"""How an attempt can end, and what follows: one value each, decided in one place.

An executor produces an `Outcome`; `decide` turns it into a `Settlement`, which says
along which move of `states.MOVES` the job goes; the store performs it. Nothing
else decides what happens to a job after an attempt.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, assert_never

from jobhost.clock import microseconds
from jobhost.jobs.expiry import EXPIRED
from jobhost.jobs.retries import Retry, judge
from jobhost.jobs.states import FINAL, Move, State

MAX_CRASHES: Final = 3
"""Proven kills of a worker after which a job is dead."""

MAX_LOST_DELIVERIES: Final = 20
"""Deliveries that ended without a verdict (worker gone, lease lost) after which a job is
dead. It bounds what no other count charges."""

LEFT_SECONDS: Final = 1.0
LEFT_SECONDS_MAX: Final = 60.0
"""How long a job waits that a worker was too old for: twice as long each time it is delivered, up
to a minute. A rolling deploy takes minutes, and each wait leaves a row in the job's history."""

LEFT_DELIVERIES_MAX: Final = 20
"""Deliveries after which nobody waits any more for a worker that knows an argument: by then about
a quarter of an hour has passed, and it is a typing error rather than a deploy."""

LEFT: Final = "too new"
"""What such an attempt is called."""

UNREADABLE: Final = "the arguments cannot be read"
"""Why a job is dead whose arguments do not fit its task."""

SUSPECT: Final = "its worker died while it ran: it runs next alone, in a process of its own"
"""Why a suspect is blocked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An exception as text; it is never made into an exception object again.

    `type` is the qualified class name, `message` and `traceback` are cut to a bound.
    """

    type: str
    message: str
    traceback: str = ""


class Succeeded(NamedTuple):
    """The task returned. `result` is JSON text."""

    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstorable:
    """The task returned something that cannot be stored; the work is done all the same."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The task raised, or ran out of time.

    `names` are the exception's class names, nearest first, for the retry rules;
    `after_seconds` is set where the task raised `Retry(after=...)`.
    """

    error: ErrorInfo
    names: tuple[str, ...]
    timed_out: bool = False
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed:
    """The task asked to run later."""

    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The task set its job aside until somebody resumes it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TooNew:
    """The worker leaves the job to a newer one: its arguments are of a later version than it
    knows."""

    version: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeyondMe:
    """Its arguments have one that the worker does not know, as in the middle of a deploy: it is
    left to a newer worker, and dead if none comes in time."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A draining worker hands the job back; nothing is charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Somebody cancelled the running job and it obeyed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """The task dropped its own job."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettered:
    """The task, or the codec, rejected the job for good."""

    reason: str
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """The worker died or lost its lease while the job ran.

    Args:
        error: What is known of the death.
        proven: The job ran alone in a process that died by its own doing, so it must have been
            the cause.
        suspect: It may have been the cause: until it is cleared it runs alone, in a process of
            its own.
        lost_deliveries: Deliveries of this job that ended without a verdict, this one included.
        cancel_reason: Set when a cancel was on its way to the dead worker.
    """

    error: ErrorInfo
    proven: bool
    lost_deliveries: int
    suspect: bool = False
    cancel_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The job was claimed when its time to start was over: nobody began it."""


Outcome = (
    Succeeded
    | Unstorable
    | Failed
    | Snoozed
    | Deferred
    | TooNew
    | BeyondMe
    | Released
    | Cancelled
    | Discarded
    | DeadLettered
    | Crashed
    | Expired
)
"""How an attempt ended. An attempt whose lease was lost has no outcome: it writes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The counts of a job while it runs (its fourth, the epoch, fences and decides nothing).

    Args:
        deliveries: Times it was handed to a task, this one included.
        failures: Errors so far; they spend `max_attempts`.
        crashes: Proven kills of a worker so far; they spend `MAX_CRASHES`.
    """

    deliveries: int = 1
    failures: int = 0
    crashes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What follows an attempt.

    Args:
        move: The move, and `target` the state that it leads to.
        label: The attempt's outcome in one word, as readers see it.
        reason: Why the job ended so; None where the state says it all.
        delay_us: For `scheduled`: how long until it is due.
        failures: The count after this attempt; likewise `crashes`.
        error: What to record with the attempt.
    """

    move: Move
    target: State
    label: str
    reason: str | None = None
    delay_us: int = 0
    failures: int = 0
    crashes: int = 0
    error: ErrorInfo | None = None


COMPLETED: Final = Settlement(move=Move.COMPLETE, target=State.SUCCEEDED, label="succeeded")
"""The common case, shared; the store keeps the counts of a completed job as they are."""


def decide(outcome: Outcome, counts: Counts, policy: Retry, chance: float) -> Settlement:
    """What follows from an outcome.

    Args:
        outcome: How the attempt ended.
        counts: The job's counts while it ran.
        policy: The job's retry policy.
        chance: A random number from 0 up to 1, for the jitter.
    """
    if isinstance(outcome, Succeeded):
        return COMPLETED
    settle = _Settler(counts)
    match outcome:
        case Unstorable(error=error):
            return settle(
                Move.COMPLETE, State.SUCCEEDED, "unstorable", "result unstorable", error=error
            )
        case Failed():
            return _after_failure(outcome, counts, policy, chance)
        case Snoozed(delay_seconds=delay):
            return settle.later(Move.SNOOZE, "snoozed", delay)
        case TooNew() | BeyondMe():
            return _leave_to_newer(outcome, counts, settle)
        case Released() | Expired():
            return settle(*_UNBEGUN[type(outcome)])
        case Deferred(reason=reason) | Cancelled(reason=reason) | Discarded(reason=reason):
            return settle(*_BY_WORD[type(outcome)], reason)
        case DeadLettered(reason=reason, error=error):
            return settle(Move.FAIL, State.DEAD, "dead-lettered", reason, error=error)
        case Crashed():
            return _after_crash(outcome, counts)
        case _:
            assert_never(outcome)


_UNBEGUN: Final[dict[type[Released | Expired], tuple[Move, State, str, str | None]]] = {
    Released: (Move.RELEASE, State.READY, "released", None),
    Expired: (Move.EXPIRE, State.DEAD, "expired", EXPIRED),
}


_BY_WORD: Final[dict[type[Deferred | Cancelled | Discarded], tuple[Move, State, str]]] = {
    Deferred: (Move.DEFER, State.BLOCKED, "deferred"),
    Cancelled: (Move.CANCEL, State.CANCELLED, "cancelled"),
    Discarded: (Move.DISCARD, State.CANCELLED, "discarded"),
}
"""Ends with a reason and nothing else, at least for now."""


def storable(text: str) -> str:
    """A task's own words without what no database keeps as text: NUL and lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def obey_cancel(settlement: Settlement, reason: str) -> Settlement:
    """The settlement of a job that somebody wants cancelled: it does not come back."""
    if settlement.target in FINAL:
        return settlement
    return replace(settlement, move=Move.CANCEL, target=State.CANCELLED, reason=reason, delay_us=0)


def _leave_to_newer(outcome: TooNew | BeyondMe, counts: Counts, settle: "_Settler") -> Settlement:
    if isinstance(outcome, TooNew):
        said = f"its arguments are of version {outcome.version}, this worker knows {outcome.known}"
        error = ErrorInfo(type="TooNew", message=said)
    else:
        error = outcome.error
        if counts.deliveries >= LEFT_DELIVERIES_MAX:
            return settle(Move.FAIL, State.DEAD, "dead-lettered", UNREADABLE, error=error)
    delay = min(LEFT_SECONDS * 2 ** min(counts.deliveries - 1, 10), LEFT_SECONDS_MAX)
    return settle.later(Move.SNOOZE, LEFT, delay, error=error)


def _after_failure(outcome: Failed, counts: Counts, policy: Retry, chance: float) -> Settlement:
    failures = counts.failures + 1
    settle = _Settler(Counts(failures=failures, crashes=counts.crashes))
    label = "timed out" if outcome.timed_out else "failed"
    verdict = judge(policy, outcome.names, failures, chance)
    if not verdict.again:
        reason = (
            f"{label} {failures} of {verdict.max_attempts} times: {outcome.error.type}"
            if verdict.max_attempts > 1
            else f"{label}: {outcome.error.type}"
        )
        return settle(Move.FAIL, State.DEAD, label, reason, error=outcome.error)
    delay = verdict.delay_seconds if outcome.after_seconds is None else outcome.after_seconds
    return settle.later(Move.RETRY, label, delay, error=outcome.error)


def _after_crash(outcome: Crashed, counts: Counts) -> Settlement:
    crashes = counts.crashes + outcome.proven
    settle = _Settler(Counts(failures=counts.failures, crashes=crashes))
    if outcome.cancel_reason is not None:
        return settle(
            Move.CANCEL, State.CANCELLED, "crashed", outcome.cancel_reason, error=outcome.error
        )
    if crashes >= MAX_CRASHES:
        reason = f"killed its worker {crashes} times"
    elif outcome.lost_deliveries >= MAX_LOST_DELIVERIES:
        reason = f"delivered {outcome.lost_deliveries} times without a verdict"
    elif outcome.suspect:
        return settle(Move.RESCUE, State.BLOCKED, "crashed", SUSPECT, error=outcome.error)
    else:
        return settle(Move.RESCUE, State.READY, "crashed", error=outcome.error)
    return settle(Move.FAIL, State.DEAD, "crashed", reason, error=outcome.error)


class _Settler:
    """Makes settlements that carry the counts along."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def __call__(
        self,
        move: Move,
        target: State,
        label: str,
        reason: str | None = None,
        *,
        delay_us: int = 0,
        error: ErrorInfo | None = None,
    ) -> Settlement:
        return Settlement(
            move=move,
            target=target,
            label=label,
            reason=reason,
            delay_us=delay_us,
            failures=self._counts.failures,
            crashes=self._counts.crashes,
            error=error,
        )

    def later(
        self, move: Move, label: str, delay_seconds: float, error: ErrorInfo | None = None
    ) -> Settlement:
        delay_us = microseconds(delay_seconds)
        target = State.SCHEDULED if delay_us else State.READY
        return self(move, target, label, delay_us=delay_us, error=error)
