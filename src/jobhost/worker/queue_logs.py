"""Words for the log what a worker tells of its queues."""

import logging

from jobhost.durations import format_seconds
from jobhost.events import (
    Events,
    HoursUnreadable,
    PrioritiesRaised,
    QueueFilling,
    QueueHasRoom,
    QueueInTime,
    QueueLate,
)
from jobhost.plurals import counted

_log = logging.getLogger("jobhost.worker")


def log_queues(events: Events) -> None:
    """Subscribe the log to what a worker tells of its queues."""
    events.subscribe(QueueLate, _late)
    events.subscribe(QueueInTime, _in_time)
    events.subscribe(QueueFilling, _filling)
    events.subscribe(QueueHasRoom, _has_room)
    events.subscribe(HoursUnreadable, _hours_unreadable)
    events.subscribe(PrioritiesRaised, _raised)


def _late(event: QueueLate) -> None:
    _log.warning(
        "queue %s is late: its oldest job has waited %s, and the objective is %s; %s",
        event.queue,
        format_seconds(event.oldest_seconds),
        format_seconds(event.objective_seconds),
        "it is paused, and goes on when somebody resumes it"
        if event.paused
        else "more workers or slots for it would help; the end of this is told as well",
        extra={"queue": event.queue},
    )


def _in_time(event: QueueInTime) -> None:
    _log.info(
        "queue %s is in time again: no job waits longer than %s",
        event.queue,
        format_seconds(event.objective_seconds),
        extra={"queue": event.queue},
    )


def _filling(event: QueueFilling) -> None:
    _log.warning(
        "queue %s is filling up: %s wait, and there is room for %s; once it is full, its setting "
        "'when_full' decides",
        event.queue,
        counted(event.jobs, "job"),
        f"{event.capacity:,}",
        extra={"queue": event.queue},
    )


def _has_room(event: QueueHasRoom) -> None:
    _log.info(
        "queue %s has room again: %s wait, and there is room for %s",
        event.queue,
        counted(event.jobs, "job"),
        f"{event.capacity:,}",
        extra={"queue": event.queue},
    )


def _raised(event: PrioritiesRaised) -> None:
    _log.debug(
        "%s of queue %s waited for long and got a higher priority",
        counted(event.jobs, "job"),
        event.queue,
        extra={"queue": event.queue},
    )


def _hours_unreadable(event: HoursUnreadable) -> None:
    _log.error(
        "the opening hours of queue %s cannot be read here: %s; it stays closed unless another "
        "worker can open it, and set anew it opens at once: 'jobhost queues set --hours'",
        event.queue,
        event.reason,
        extra={"queue": event.queue},
    )
