"""Runs workers until nothing is left to do: real ones, with `burst`, in this process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from jobhost.durations import format_seconds, seconds
from jobhost.errors import InvalidOption, StoreError, UsageError
from jobhost.events import AttemptFailed, Events, WorkerStarted
from jobhost.host.kinds import Kind
from jobhost.host.registry import Registry
from jobhost.host.wiring import Wiring
from jobhost.jobs.states import State
from jobhost.plurals import counted
from jobhost.store.plans.look import PAGE_MAX, Filter, list_jobs, peek
from jobhost.store.plans.queue_stats import known_queues
from jobhost.store.plans.queues import shut
from jobhost.testing.crashing import Crashes
from jobhost.testing.failures import Failure, FailureLog
from jobhost.testing.moving import bring_up_to_date
from jobhost.worker.config import worker_config
from jobhost.worker.worker import Worker, WorkerReport

ATTEMPTS_MAX: Final = 1000
"""Default bound of attempts of one drain: more comes of a task that enqueues itself."""

GUARD: Final = "60s"
"""Default of how long one drain may take by a real clock: longer takes one whose jobs wait for
something that does not come."""

SETTINGS: Final[Mapping[str, Any]] = {
    "concurrency": 1,  # one job at a time, in the order in which they are claimed
    "lease": "3650d",  # or a test that moves the clock in a task would lose it
    "stall_after": None,
}
"""What is different about a worker of a test, unless the test says other."""

_NOT_FOR_TESTS: Final = ("burst", "max_jobs", "max_memory", "queues")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What a drain came to.

    Args:
        attempts: How many attempts ended, however.
        failures: Those that failed, in order.
    """

    attempts: int = 0
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: "DrainReport") -> "DrainReport":
        """Of one drain after the other."""
        return DrainReport(
            attempts=self.attempts + other.attempts, failures=self.failures + other.failures
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one drain may do.

    Args:
        queues: Names of the queues to serve; None: all.
        attempts_max: Attempts.
        guard: How long it may take by a real clock.

    Raises InvalidOption.
    """

    queues: Sequence[str] | None = None
    attempts_max: int = ATTEMPTS_MAX
    guard: Any = GUARD
    guard_seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        _check_attempts(self.attempts_max)
        worker_config({"queues": self.queues})
        object.__setattr__(self, "guard_seconds", seconds(self.guard, "guard"))


def check_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a test's workers. Raises InvalidOption."""
    for name in _NOT_FOR_TESTS:
        if name in given:
            raise InvalidOption(f"{name} is not for a test, whose drains have an end and bounds")
    settings = {**SETTINGS, **given}
    worker_config(settings)
    return settings


def _check_attempts(most: object) -> None:
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidOption(f"attempts_max must be a whole number from 1; got {most!r}")


class Drains:
    """Drains of one test, one after the other.

    Args:
        tasks: The host's tasks.
        wiring: Its store.
        settings: Of the workers.
        crashes: Which workers are to die.
    """

    def __init__(
        self, tasks: Registry, wiring: Wiring, settings: Mapping[str, Any], crashes: Crashes
    ) -> None:
        self._tasks = tasks
        self._wiring = wiring
        self._settings = settings
        self._crashes = crashes
        self._lock = threading.Lock()

    def run(self, bounds: Bounds) -> DrainReport:
        """Run what is ready, and what comes of it, until nothing is.

        Raises TimeoutError when the guard's time is over, UsageError when there were more attempts
        than may be, or from a job of a drain.
        """
        if not self._lock.acquire(blocking=False):
            raise UsageError("a drain is going on: a job, or another thread, cannot begin another")
        try:
            with self._in_threads(), self._crashes.around(list(self._tasks)):
                return self._run(bounds)
        finally:
            self._lock.release()

    def _run(self, bounds: Bounds) -> DrainReport:
        log = FailureLog()
        attempts, again = 0, len(self._tasks) > 0
        while again:
            bring_up_to_date(self._wiring.store)
            queues = self._queues(bounds)
            crashed = self._crashes.happened
            report = self._work(queues, bounds, log, left=bounds.attempts_max - attempts)
            attempts += report.ended
            if report.recycled and self._has_ready(bounds):
                raise UsageError(
                    f"the drain has run {counted(attempts, 'attempt')}, and more jobs are ready: "
                    "does a task enqueue itself? If so many are meant, say drain(attempts_max=...)"
                )
            again = self._crashes.happened > crashed or (
                report.ended > 0 and self._has_ready(bounds)
            )
        return DrainReport(attempts=attempts, failures=tuple(log.failures))

    def _work(
        self, queues: Sequence[str], bounds: Bounds, log: FailureLog, *, left: int
    ) -> WorkerReport:
        """One worker, from its start to its end."""
        events = Events()
        events.subscribe(AttemptFailed, log.note)
        events.subscribe(WorkerStarted, self._crashes.heed)
        given = {**self._settings, "queues": queues, "burst": True, "max_jobs": max(1, left)}
        worker = Worker(self._tasks, self._wiring, worker_config(given), events)
        hanging: list[str] = []

        def give_up() -> None:
            with suppress(StoreError):
                hanging.extend(self._running())
            worker.stop()
            worker.stop()

        guard = threading.Timer(bounds.guard_seconds, give_up)
        guard.daemon = True
        guard.start()
        try:
            report = worker.run()
        except BaseException:  # such as Ctrl-C, which must not leave a worker behind
            worker.stop()
            worker.stop()
            raise
        finally:
            guard.cancel()
        if report.stopped:
            raise TimeoutError(
                f"the drain had not ended after {format_seconds(bounds.guard_seconds)}; "
                f"running: {', '.join(hanging) or 'nothing'}. A job that waits for another one "
                "needs a second slot, as in testing(concurrency=2); what only takes long, a longer "
                "guard"
            )
        return report

    def _queues(self, bounds: Bounds) -> list[str]:
        """Those to serve now."""
        if bounds.queues is not None:
            return list(bounds.queues)
        named = Worker(self._tasks, self._wiring, worker_config({})).queues
        return sorted({*named, *self._wiring.store.read(known_queues)})

    def _running(self) -> list[str]:
        wanted = Filter(state=State.RUNNING, limit=PAGE_MAX)
        found = self._wiring.store.read(lambda: list_jobs(wanted)).jobs
        return [f"{record.task} {record.id}" for record in found]

    def _has_ready(self, bounds: Bounds) -> bool:
        """Whether there is a job that another worker would claim: in a queue of which the last one
        did not know yet, or since it died, or because a task has moved the clock."""
        queues = self._queues(bounds)
        store = self._wiring.store
        still = store.read(lambda: shut(queues))
        return any(store.read(partial(peek, queue, 1)) for queue in queues if queue not in still)

    @contextmanager
    def _in_threads(self) -> Iterator[None]:
        """Tasks with a process of their own run here, since a fresh interpreter would know nothing
        of what the test has patched, nor that the host has another store now."""
        moved = [task for task in self._tasks if task.kind is Kind.PROCESS]
        for task in moved:
            task.kind = Kind.THREAD
        try:
            yield
        finally:
            for task in moved:
                task.kind = Kind.PROCESS
