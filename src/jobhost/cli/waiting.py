"""Jobs that wait although nobody would come for them: what to say, and what to do about it."""

from collections.abc import Iterable
from shlex import quote
from typing import TYPE_CHECKING, Final

from jobhost.jobs.states import State

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.jobs.queues import QueueSettings
    from jobhost.jobs.records import JobRecord

_WAITING: Final = frozenset({State.READY, State.SCHEDULED})
"""A blocked job has a reason of its own."""


def queues_without_worker(host: "JobHost", jobs: "Iterable[JobRecord]") -> list[str]:
    """The queues of the waiting ones among these jobs that no living worker serves, by name."""
    from jobhost.store.plans.look import served_queues

    queues = {job.queue for job in jobs if job.state in _WAITING}
    return sorted(queues - host.store.read(served_queues)) if queues else []


def shut_queues(host: "JobHost", jobs: "Iterable[JobRecord]") -> "list[QueueSettings]":
    """The paused or closed ones among the queues in which these jobs wait, by name."""
    from jobhost.store.plans.queues import shut

    queues = sorted({job.queue for job in jobs if job.state in _WAITING})
    found = host.store.read(lambda: shut(queues)).values() if queues else ()
    return [queue for queue in found if queue.paused_at is not None or queue.closed]


def shut_advice(queue: "QueueSettings", option: str = "") -> str:
    """The sentence about such a queue, with the next step."""
    if queue.paused_at is None:
        return (
            f"queue {queue.name!r} is {queue.opening}: to have its jobs start at once, "
            f"'jobhost queues set {quote(queue.name)} --hours none{option}'"
        )
    since = f" since {queue.paused_at:%Y-%m-%d %H:%M:%S}Z"
    reason = "" if queue.pause_reason is None else f" ({queue.pause_reason})"
    return (
        f"queue {queue.name!r} is paused{since}{reason}: its jobs go on after "
        f"'jobhost queues resume {quote(queue.name)}{option}'"
    )


def advice(queue: str) -> str:
    """The sentence about such a queue, with the next step."""
    return f"no worker serves queue {queue!r}: start one with --queues {quote(queue)}"
