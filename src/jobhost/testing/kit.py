"""`JobsUnderTest`: a host's jobs in the hands of a test. Made by `JobHost.testing`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

from jobhost.clock import Instant, ManualClock, SystemClock, to_datetime, to_instant
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption, UsageError
from jobhost.host.job import Job
from jobhost.host.kinds import Kind
from jobhost.host.registry import Registry
from jobhost.host.task import Task
from jobhost.host.wiring import MakeGate, Wiring
from jobhost.ids import parse_id
from jobhost.jobs.records import JobRecord
from jobhost.plurals import counted
from jobhost.store.plans.look import PAGE_MAX, Filter, list_jobs
from jobhost.store.plans.queues import declare_queue
from jobhost.store.side_thread import SideThread
from jobhost.testing.crashing import POINTS, Crashes
from jobhost.testing.draining import (
    ATTEMPTS_MAX,
    GUARD,
    Bounds,
    DrainReport,
    Drains,
    check_settings,
)
from jobhost.testing.expectations import Expectation, expect
from jobhost.testing.failures import raise_failures
from jobhost.testing.gate import FreshGate
from jobhost.testing.moving import bring_up_to_date
from jobhost.testing.seen import SeenJob, see

AnyTask = Task[..., Any, Any] | str
"""A task, or its name."""

Elsewhere = Callable[[str, ManualClock, MakeGate], AbstractContextManager[None]]
"""For the length of a block the host's jobs live at this address, by this clock and gate."""


class JobsUnderTest:
    """The jobs of a host, for the length of a block, `with` or `async with`.

    In the block the host, for all threads of this process, has an empty store of its own and a
    clock that stands still; jobs run when the test says so. At its end the host has its own store
    again, and that of the test is deleted.

    Args:
        tasks: The host's tasks.
        wiring: What they share.
        elsewhere: Puts the host there, and back again.
        url: Address of the test's store, which is then not deleted. Default: an SQLite file in a
            temporary folder.
        now: Where the clock begins. Default: the present.
        raise_failures: Whether `drain` raises what tasks raise.
        settings: Of the workers, as `JobHost.worker` takes them.
    """

    def __init__(
        self,
        tasks: Registry,
        wiring: Wiring,
        elsewhere: Elsewhere,
        *,
        url: str | None = None,
        now: datetime | None = None,
        raise_failures: bool = True,
        **settings: Any,
    ) -> None:
        self._tasks = tasks
        self._wiring = wiring
        self._elsewhere = elsewhere
        self._url = url
        self._raise = raise_failures
        self._clock = ManualClock(to_datetime(_begin(now)))
        self._crashes = Crashes(wiring)
        self._drains = Drains(tasks, wiring, check_settings(settings), self._crashes)
        self._open = ExitStack()
        self._side_thread = SideThread()

    def __enter__(self) -> Self:
        """Raises UsageError when the host is under test already, or there are jobs at the address
        that was given: they would be run."""
        with ExitStack() as opened:
            url = self._url or _new_file(opened)
            opened.enter_context(self._elsewhere(url, self._clock, FreshGate))
            store = self._wiring.store
            store.migrate()
            if store.read(lambda: list_jobs(Filter(limit=1))).jobs:
                raise UsageError(
                    f"there are jobs in {store.url}, and drain() would run them: give a test a "
                    "store without jobs"
                )
            for name, declared in self._wiring.declared.items():  # as a worker does at its start
                store.write(partial(declare_queue, name, declared))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.close()
        self._side_thread.close()

    async def __aenter__(self) -> Self:
        """As `__enter__`; the event loop goes on meanwhile."""
        return await self._side_thread.hop(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """As `__exit__`; the event loop goes on meanwhile."""
        await self._side_thread.hop(self._open.close)
        self._side_thread.close()

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return to_datetime(self._clock.now())

    def move(self, by: timedelta | str) -> None:
        """Move the clock, as if no worker had lived meanwhile: what is due then is ready, and what
        has expired is dead. Raises InvalidOption for what is no span."""
        self._clock.move(parse_duration(by, "by"))
        bring_up_to_date(self._wiring.store)

    def move_to(self, moment: datetime) -> None:
        """Move the clock to an instant, which must not lie before. Raises InvalidOption."""
        if moment.tzinfo is None or moment < self.now:
            raise InvalidOption(
                f"moment must be an aware datetime from {self.now} on; got {moment!r}"
            )
        self.move(moment - self.now)

    def drain(
        self,
        queues: Sequence[str] | None = None,
        *,
        raise_failures: bool | None = None,
        attempts_max: int = ATTEMPTS_MAX,
        guard: timedelta | str = GUARD,
    ) -> DrainReport:
        """Run all jobs that are ready, and all that become ready thereby, until none is. Time
        stands still: what is due later waits until the clock is moved.

        Args:
            queues: Names of the queues to serve. Default: all.
            raise_failures: Whether to raise in the end what tasks raised, also where they are to
                be tried again: one exception as it is, several as an ExceptionGroup. Default: as
                `testing` was told, where it is True.
            attempts_max: Most attempts.
            guard: Longest time by a real clock, so that a test cannot hang.

        Raises UsageError when there were more attempts, or from within a job; TimeoutError when
        the guard's time was over.
        """
        bounds = Bounds(queues=queues, attempts_max=attempts_max, guard=guard)
        report = self._drains.run(bounds)
        self._tell(report, raises=raise_failures)
        return report

    async def adrain(
        self,
        queues: Sequence[str] | None = None,
        *,
        raise_failures: bool | None = None,
        attempts_max: int = ATTEMPTS_MAX,
        guard: timedelta | str = GUARD,
    ) -> DrainReport:
        """`drain` for a test on an event loop, which goes on meanwhile."""
        bounds = Bounds(queues=queues, attempts_max=attempts_max, guard=guard)
        report = await self._side_thread.hop(lambda: self._drains.run(bounds))
        self._tell(report, raises=raise_failures)
        return report

    def run_for(self, span: timedelta | str, *, raise_failures: bool | None = None) -> DrainReport:
        """Let so much time pass with a worker at work: drain, move the clock to where the next job
        is due or expires, drain, and so on to the end of the span. Takes no time to speak of.

        Raises as `drain`, at the end of the span.
        """
        report = self._pass(parse_duration(span, "span"))
        self._tell(report, raises=raise_failures)
        return report

    async def arun_for(
        self, span: timedelta | str, *, raise_failures: bool | None = None
    ) -> DrainReport:
        """`run_for` for a test on an event loop, which goes on meanwhile."""
        whole = parse_duration(span, "span")
        report = await self._side_thread.hop(lambda: self._pass(whole))
        self._tell(report, raises=raise_failures)
        return report

    def crash(
        self, job: "SeenJob | Job[Any] | UUID | str", *, at: str = "end", times: int = 1
    ) -> None:
        """Have the worker die in the middle of this job, at its next deliveries. `drain` then shows
        what comes after: another worker runs it again, `current_job().redelivered` is true.

        Args:
            job: Which.
            at: "end": its work is done, and the worker dies before it is recorded. "start": before
                the first line of the task.
            times: So many deliveries in a row.

        Raises InvalidOption, JobNotFound, UsageError for a command, which is no function, and for a
        job that has ended.
        """
        if at not in POINTS:
            raise InvalidOption(f"at must be 'start' or 'end'; got {at!r}")
        _check_times(times)
        job_id = job if isinstance(job, UUID | str) else job.id
        found = Job(parse_id(job_id), self._wiring, str).status()
        if found.is_final:
            raise UsageError(f"job {found.id} is {found.state} and runs no more")
        if self._tasks.get(found.task).kind is Kind.COMMAND:
            raise UsageError(f"task {found.task!r} is a command: only functions can be cut short")
        self._crashes.order(found.id, at=at, times=times)

    def all(self, task: AnyTask | None = None, /, *args: Any, **given: Any) -> list[SeenJob]:
        """The jobs of a task, or all, of which this holds, in whatever state, oldest first; see
        `assert_enqueued` for what may be said."""
        wanted = self._expect(task, args, given)
        return [job for job in self._see() if wanted.fits(job)]

    def one(self, task: AnyTask | None = None, /, *args: Any, **given: Any) -> SeenJob:
        """The one job of which this holds. Raises AssertionError if there is none, or several."""
        __tracebackhide__ = True
        return self._assert(self._expect(task, args, given), 1)[0]

    def assert_enqueued(
        self, task: AnyTask | None = None, /, *args: Any, count: int | None = None, **given: Any
    ) -> list[SeenJob]:
        """Assert that such jobs have been enqueued in this block, whatever became of them.

            jobs.assert_enqueued(send_mail, to="ann@example.org", queue="mail", delay="1h")

        Args:
            task: Their task, or its name.
            args: Arguments by position.
            count: How many. Default: one or more.
            given: Arguments by name; and of the job itself queue, priority, state, tags and
                headers, and while it waits for its time delay or run_at. Where the task has a
                parameter of that name, the parameter is meant. All need only be equal, so that
                objects that compare as they please do.

        Returns them, oldest first. Raises AssertionError, which shows the jobs that there are, the
        nearest first; UsageError for a name that is neither.
        """
        __tracebackhide__ = True
        return self._assert(self._expect(task, args, given), count)

    def assert_not_enqueued(self, task: AnyTask | None = None, /, *args: Any, **given: Any) -> None:
        """Assert that there is no such job; see `assert_enqueued`."""
        __tracebackhide__ = True
        self._assert(self._expect(task, args, given), 0)

    def _assert(self, wanted: Expectation, count: int | None) -> list[SeenJob]:
        __tracebackhide__ = True
        jobs = self._see()
        found = [job for job in jobs if wanted.fits(job)]
        if len(found) == count or (count is None and found):
            return found
        words = "a job" if count is None else counted(count, "job") if count else "no job"
        raise AssertionError(wanted.complaint(jobs, found=len(found), wanted=words))

    def _expect(self, task: AnyTask | None, args: Sequence[Any], given: Any) -> Expectation:
        found: object = self._tasks.get(task) if isinstance(task, str) else task
        if found is None or isinstance(found, Task):
            return expect(found, args, given)
        raise UsageError(f"expected a task or its name; got {task!r}")

    def _see(self) -> list[SeenJob]:
        """All jobs, oldest first."""
        records: list[JobRecord] = []
        before: int | None = None
        while True:
            wanted = Filter(limit=PAGE_MAX, before=before)
            page = self._wiring.store.read(partial(list_jobs, wanted))
            records += page.jobs
            if (before := page.next) is None:
                return [see(record, self._tasks, self._wiring) for record in reversed(records)]

    def _pass(self, span: timedelta) -> DrainReport:
        end = self.now + span
        report = self._drains.run(Bounds())
        while (pause := bring_up_to_date(self._wiring.store)) and self.now + pause <= end:
            self._clock.move(pause)
            report += self._drains.run(Bounds())
        if end > self.now:  # unless a task has moved the clock
            self.move_to(end)
        return report + self._drains.run(Bounds())

    def _tell(self, report: DrainReport, *, raises: bool | None) -> None:
        if self._raise if raises is None else raises:
            raise_failures(report.failures)


def _begin(now: datetime | None) -> Instant:
    return SystemClock().now() if now is None else to_instant(now, "now")


def _check_times(times: object) -> None:
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise InvalidOption(f"times must be a whole number from 1; got {times!r}")


def _new_file(opened: ExitStack) -> str:
    """The address of a store in a folder that is deleted at the end."""
    folder = TemporaryDirectory(prefix="jobhost-testing-", ignore_cleanup_errors=True)
    path = Path(opened.enter_context(folder), "jobs.db")
    return f"sqlite:///{quote(str(path))}?synchronous=normal"
