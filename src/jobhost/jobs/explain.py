"""Why a job is not running, or what became of it: one sentence and the next step. Pure.

`explain` looks at the situation in the order of what a person would mend first: a pause that
somebody ordered before workers that are missing, and these before a queue that is only long.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from shlex import quote
from typing import Any, Final

from jobhost.durations import format_seconds
from jobhost.errors import did_you_mean
from jobhost.jobs.outcomes import LEFT, SUSPECT
from jobhost.jobs.queues import QueueSettings
from jobhost.jobs.records import Attempt, JobRecord, NodeRecord
from jobhost.jobs.states import State
from jobhost.plurals import counted


class Cause(StrEnum):
    """What a job's being where it is comes from."""

    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    RUNNING = "running"
    CANCELLING = "cancelling"
    LEASE_LAPSED = "lease lapsed"
    WORKER_DIED = "worker died"
    DELAYED = "delayed"
    RETRYING = "retrying"
    SNOOZED = "snoozed"
    OVERDUE = "overdue"
    EXPIRED = "expired"
    PAUSED = "queue paused"
    CLOSED = "queue closed"
    NO_WORKER = "no worker"
    QUEUE_UNSERVED = "queue unserved"
    TASK_UNKNOWN = "task unknown"
    DRAINING = "workers draining"
    BUSY = "workers busy"
    IN_LINE = "in line"
    NEXT = "next"
    TOO_NEW = "workers too old"
    DEFERRED = "deferred"
    SUSPECT = "suspect"
    SET_ASIDE = "task set aside"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Args:
    cause: The kind of answer.
    sentence: Why the job is where it is.
    next_step: What to do about it; None where there is nothing to do.
    """

    cause: Cause
    sentence: str
    next_step: str | None = None

    def __str__(self) -> str:
        return self.sentence if self.next_step is None else f"{self.sentence}; {self.next_step}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "cause": self.cause.value,
            "sentence": self.sentence,
            "next_step": self.next_step,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a job and what it waits for, of one moment.

    Args:
        job: It, as it stands in the store.
        now: The moment.
        nodes: Nodes and workers that have not ended.
        dead: The numbers of those of them whose process is proven to be gone.
        settings: What is said of its queue; None if nothing.
        place: Its place among the ready jobs of its queue, from 1; None beyond PLACE_MAX, or when
            it is not ready.
        last: Its last ended attempt.
        set_aside: Its whole task is set aside.
        deferred_at: When its own task has set it aside, if it waits for that.
        expired_at: When its time to start was over, if it is and the job still waits.
    """

    job: JobRecord
    now: datetime
    nodes: Sequence[NodeRecord] = ()
    dead: Collection[int] = ()
    settings: QueueSettings | None = None
    place: int | None = None
    last: Attempt | None = None
    set_aside: bool = False
    deferred_at: datetime | None = None
    expired_at: datetime | None = None

    @property
    def workers(self) -> list[NodeRecord]:
        """Those that claim jobs, and whose lease is live; not who only runs one job of its own."""
        return [
            one
            for one in self.nodes
            if one.kind == "worker"
            and one.queues
            and one.lease_live
            and one.number not in self.dead
        ]


PLACE_MAX: Final = 10_000
"""A job further back than that is only said to be so."""


def explain(situation: Situation) -> Explanation:
    """Why the job is where it is, and what to do about it."""
    if situation.expired_at is not None:
        return _expired(situation, situation.expired_at)
    return _BY_STATE[situation.job.state](situation)


# --- it has ended, or runs


def _succeeded(it: Situation) -> Explanation:
    sentence = f"it succeeded{_ago(it, it.job.ended_at)}"
    if it.job.error is None:
        return Explanation(cause=Cause.SUCCEEDED, sentence=sentence)
    return Explanation(
        cause=Cause.SUCCEEDED,
        sentence=f"{sentence}, but {_why(it)}",
        next_step="mend that before the next one: its work is done",
    )


def _dead(it: Situation) -> Explanation:
    return Explanation(
        cause=Cause.DEAD,
        sentence=f"it failed for good{_ago(it, it.job.ended_at)}: {_why(it)}",
        next_step=f"mend the cause, then 'jobhost jobs redrive {it.job.id}'",
    )


def _cancelled(it: Situation) -> Explanation:
    return Explanation(
        cause=Cause.CANCELLED,
        sentence=f"it was cancelled{_ago(it, it.job.ended_at)}: {_why(it)}",
        next_step=f"if that was wrong: 'jobhost jobs redrive {it.job.id}'",
    )


def _running(it: Situation) -> Explanation:
    worker = next((one for one in it.nodes if one.worker == it.job.worker), None)
    since = "" if it.job.claimed_at is None else f" for {_span(it.now - it.job.claimed_at)}"
    died = worker is not None and worker.number in it.dead
    if worker is None or died or not worker.lease_live:
        lapsed = f"the lease of its worker {it.job.worker} has run out: it was lost there"
        return Explanation(
            cause=Cause.WORKER_DIED if died else Cause.LEASE_LAPSED,
            sentence=f"its worker {it.job.worker} died while it ran" if died else lapsed,
            next_step=(
                "a worker takes it over by itself"
                if it.workers
                else "start a worker, which takes it over: 'jobhost worker MODULE:HOST'"
            ),
        )
    if it.job.cancel_requested:
        return Explanation(
            cause=Cause.CANCELLING,
            sentence=f"it runs on {it.job.worker}{since} and was asked to stop",
            next_step="a task that looks at its cancel token stops; its time limit ends any other",
        )
    return Explanation(
        cause=Cause.RUNNING,
        sentence=f"it runs on {it.job.worker}{since}, attempt {it.job.epoch}",
        next_step=f"see what it does: 'jobhost jobs logs {it.job.id} --follow'",
    )


# --- it waits for time


def _scheduled(it: Situation) -> Explanation:
    due = it.job.due_at or it.now
    if due <= it.now and not it.workers:
        return Explanation(
            cause=Cause.OVERDUE,
            sentence=f"it was due {_span(it.now - due)} ago, and no worker runs to see to that",
            next_step="start one: 'jobhost worker MODULE:HOST'",
        )
    when = "now" if due <= it.now else f"in {_span(due - it.now)}"
    if it.job.deliveries == 0 or it.last is None:
        return Explanation(cause=Cause.DELAYED, sentence=f"it was enqueued for later: due {when}")
    if it.last.outcome == "snoozed":
        return Explanation(cause=Cause.SNOOZED, sentence=f"it snoozes by itself: due {when}")
    error = it.last.error
    if it.last.outcome == LEFT:
        return Explanation(
            cause=Cause.TOO_NEW,
            sentence=(
                "the worker that took it last was too old for it"
                f"{'' if error is None else f': {error.message}'}; it is tried again {when}"
            ),
            next_step="start workers with the program that has enqueued it",
        )
    said = it.last.outcome if error is None else f"{it.last.outcome} with {error.type}"
    return Explanation(
        cause=Cause.RETRYING,
        sentence=(
            f"its last attempt {said}{_message(it)}; it is tried again {when}, after "
            f"{counted(it.job.failures, 'failure')} so far"
        ),
        next_step=f"the whole error: 'jobhost jobs show {it.job.id}'",
    )


def _expired(it: Situation, since: datetime) -> Explanation:
    return Explanation(
        cause=Cause.EXPIRED,
        sentence=f"its time to start was over{_ago(it, since)}: it does not run any more",
        next_step=(
            "a worker ends it by itself"
            if it.workers
            else "the next worker that starts ends it; enqueue it anew if it is still wanted"
        ),
    )


# --- it waits for something else


def _blocked(it: Situation) -> Explanation:
    if it.deferred_at is not None:
        return Explanation(
            cause=Cause.DEFERRED,
            sentence=f"its own task has set it aside{_ago(it, it.deferred_at)}: {it.job.reason}",
            next_step=f"when that is there: 'jobhost jobs resume {it.job.id}'",
        )
    if _is_paused(it):
        return _paused(it)
    missing = _missing_worker(it)
    if it.set_aside:
        return _alone(
            Cause.SET_ASIDE,
            f"jobs of task {it.job.task!r} have killed workers, so they run one at a time, each "
            "alone",
            missing,
            "see which have died: 'jobhost dead list --group'",
        )
    if it.job.reason == SUSPECT:
        return _alone(
            Cause.SUSPECT,
            "its worker died while it ran, so it runs next alone in a process of its own",
            missing,
        )
    return missing or Explanation(
        cause=Cause.BLOCKED,
        sentence=f"it is set aside: {it.job.reason}",
        next_step="it goes on when what its reason names is there",
    )


def _alone(
    cause: Cause, sentence: str, missing: Explanation | None, step: str | None = None
) -> Explanation:
    """Of a job that is to run alone, for which a worker may be missing too."""
    if missing is None:
        return Explanation(cause=cause, sentence=sentence, next_step=step)
    return Explanation(
        cause=cause, sentence=f"{sentence}, and {missing.sentence}", next_step=missing.next_step
    )


def _ready(it: Situation) -> Explanation:
    if _is_paused(it):
        return _paused(it)
    if it.settings is not None and it.settings.closed:
        return _closed(it, it.settings)
    if missing := _missing_worker(it):
        return missing
    able = _able(it)
    before = PLACE_MAX if it.place is None else it.place - 1
    ahead = f"{before:,} jobs or more stand" if it.place is None else _stand(before)
    slots = sum(one.slots for one in able)
    if sum(one.running for one in able) >= slots:
        every = "the one slot" if slots == 1 else f"all {slots} slots"
        taken = f"of the workers for queue {it.job.queue!r} {'is' if slots == 1 else 'are'} taken"
        line = f"{ahead} before it" if before else "it is the next of its queue"
        return Explanation(
            cause=Cause.BUSY,
            sentence=f"{every} {taken}, and {line}",
            next_step="wait, start another worker, or give this one a higher --concurrency",
        )
    if before:
        return Explanation(
            cause=Cause.IN_LINE,
            sentence=f"{ahead} before it in queue {it.job.queue!r}, and workers take them in order",
            next_step=_way_up(it),
        )
    return Explanation(
        cause=Cause.NEXT, sentence="it is the next of its queue, and a worker is free for it"
    )


def _is_paused(it: Situation) -> bool:
    return it.settings is not None and it.settings.paused_at is not None


def _way_up(it: Situation) -> str:
    """How a job comes past others before it."""
    age = None if it.settings is None else it.settings.raise_priority_after
    rises = "" if age is None else f", and it gets one after each {_span(age)} of waiting"
    return f"a higher priority would pass them{rises}"


def _paused(it: Situation) -> Explanation:
    settings = it.settings
    assert settings is not None
    why = f": {settings.pause_reason}" if settings.pause_reason else ""
    return Explanation(
        cause=Cause.PAUSED,
        sentence=f"queue {it.job.queue!r} is paused{_ago(it, settings.paused_at)}{why}",
        next_step=f"'jobhost queues resume {quote(it.job.queue)}'",
    )


def _closed(it: Situation, settings: QueueSettings) -> Explanation:
    opening = settings.opening
    if opening is None or opening.until is None:
        when = "is closed, and its hours cannot be read here"
    else:
        when = f"opens at {opening.change} (in {_span(opening.until - opening.at)})"
    return Explanation(
        cause=Cause.CLOSED,
        sentence=f"its queue {it.job.queue!r} {when}",
        next_step=(
            f"to have it start at once: 'jobhost queues set {quote(it.job.queue)} --hours none'"
        ),
    )


def _missing_worker(it: Situation) -> Explanation | None:
    """What is wrong with the workers; None if some could run it."""
    workers, queue, task = it.workers, it.job.queue, it.job.task
    if not workers:
        return Explanation(
            cause=Cause.NO_WORKER,
            sentence="no worker runs",
            next_step="start one: 'jobhost worker MODULE:HOST'",
        )
    serving = [one for one in workers if queue in one.queues]
    if not serving:
        served = sorted({name for one in workers for name in one.queues})
        return Explanation(
            cause=Cause.QUEUE_UNSERVED,
            sentence=f"no worker serves queue {queue!r} ({did_you_mean(queue, served)})",
            next_step=f"start one with --queues {quote(queue)}",
        )
    knowing = [one for one in serving if task in one.tasks]
    if not knowing:
        known = sorted({name for one in serving for name in one.tasks})
        return Explanation(
            cause=Cause.TASK_UNKNOWN,
            sentence=(
                f"no worker of queue {queue!r} knows task {task!r} ({did_you_mean(task, known)})"
            ),
            next_step="deploy the program that declares it, or give the renamed task this alias",
        )
    if all(one.state == "draining" for one in knowing):
        return Explanation(
            cause=Cause.DRAINING,
            sentence=f"every worker for it is draining ({knowing[0].worker})",
            next_step="start another: 'jobhost worker MODULE:HOST'",
        )
    return None


def _able(it: Situation) -> list[NodeRecord]:
    return [
        one
        for one in it.workers
        if it.job.queue in one.queues and it.job.task in one.tasks and one.state == "live"
    ]


def _suspended(it: Situation) -> Explanation:
    return Explanation(
        cause=Cause.BLOCKED, sentence=f"it waits without a slot: {it.job.reason or 'no reason'}"
    )


_BY_STATE: Final[dict[State, Callable[[Situation], Explanation]]] = {
    State.SCHEDULED: _scheduled,
    State.BLOCKED: _blocked,
    State.READY: _ready,
    State.RUNNING: _running,
    State.SUSPENDED: _suspended,
    State.SUCCEEDED: _succeeded,
    State.DEAD: _dead,
    State.CANCELLED: _cancelled,
}


def _stand(before: int) -> str:
    return f"{before:,} {'job stands' if before == 1 else 'jobs stand'}"


def _why(it: Situation) -> str:
    reason = it.job.reason or it.job.state.value
    return f"{reason}{_message(it)}" if it.job.error is not None else reason


def _message(it: Situation) -> str:
    """What the error that counts has said, in brackets."""
    error = it.job.error or (None if it.last is None else it.last.error)
    if error is None or not error.message:
        return ""
    said = error.message.splitlines()[0]
    return f" ({said[:_MESSAGE_CHARS]})"


_MESSAGE_CHARS: Final = 200
"""Of an error's message: its beginning says what it is."""


def _ago(it: Situation, moment: datetime | None) -> str:
    return "" if moment is None else f" {_span(it.now - moment)} ago"


def _span(span: timedelta) -> str:
    return format_seconds(max(0.0, span.total_seconds()))
