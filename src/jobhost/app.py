"""`JobHost`: the composition root of a user's program."""

import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from shlex import quote
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    Unpack,
    overload,
)
from uuid import UUID

from jobhost.clock import Clock, SystemClock
from jobhost.errors import InvalidOption, UsageError
from jobhost.jobs.options import DEFAULT_QUEUE, Options, check_name
from jobhost.jobs.retention import Retention, check_retention
from jobhost.plurals import counted

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from os import PathLike

    from jobhost.host.command import CommandTask
    from jobhost.host.dead import DeadLetters
    from jobhost.host.exit_codes import ExitCodes
    from jobhost.host.job import Job
    from jobhost.host.past import Upgrade
    from jobhost.host.queue import Queue
    from jobhost.host.registry import Registry
    from jobhost.host.task import CallOptions, Task
    from jobhost.host.wiring import MakeGate
    from jobhost.jobs.queue_stats import QueueStats
    from jobhost.jobs.records import JobRecord, NodeRecord
    from jobhost.jobs.states import State
    from jobhost.store.seam import Store
    from jobhost.testing import JobsUnderTest
    from jobhost.worker.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")


class JobHost:
    """Tasks, the store that their jobs live in, and the workers that run them.

    Making one opens nothing: the store is opened by its first use.

    Args:
        url: Address of the store, such as `sqlite:///jobhost.db`. Default: the environment
            variable `JOBHOST_URL`, else `sqlite:///jobhost.db`.
        defaults: Options for all tasks that do not say otherwise.
        payload_bytes_max: Limit of a payload, and of a result, as JSON. Default 1 MiB.
        clock: The store's clock; for tests.
        retention: How long jobs that have ended are kept. Default: `Retention()`, which deletes
            succeeded and cancelled ones after 7 days, dead ones after 90. The workers delete them;
            give all hosts of a store the same.

    Raises InvalidOption for an option that is not allowed, for an address that no store has at
    its first use; UsageError on Windows.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        defaults: Options | None = None,
        payload_bytes_max: int | None = None,
        clock: Clock | None = None,
        retention: Retention | None = None,
    ) -> None:
        _refuse_windows(os.name)
        from jobhost.host.registry import Registry
        from jobhost.host.wiring import Wiring
        from jobhost.jobs.payload import PAYLOAD_BYTES_MAX

        self._url = None if url is None else _address(url)
        self._clock = SystemClock() if clock is None else _clock(clock)
        self._registry = Registry()
        self._wiring = Wiring(
            open_store=self._open_store,
            clock=self._clock,
            retention=Retention() if retention is None else check_retention(retention),
            defaults=Options() if defaults is None else _options(defaults),
            payload_bytes_max=(
                PAYLOAD_BYTES_MAX if payload_bytes_max is None else _limit(payload_bytes_max)
            ),
        )

    def __repr__(self) -> str:
        from jobhost.store.address import without_password

        where = "JOBHOST_URL" if self._url is None else without_password(self._url)
        return f"<JobHost {where} with {counted(len(self._registry), 'task')}>"

    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> "Task[P, R, Coroutine[Any, Any, R]]": ...
    @overload
    def task(self, function: Callable[P, R], /) -> "Task[P, R, R]": ...
    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        executor: str | None = None,
        memory_limit: str | None = None,
        aliases: Iterable[str] = (),
        version: int = 1,
        upgrade: "Upgrade | None" = None,
        **options: "Unpack[CallOptions]",
    ) -> "TaskDecorator": ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        executor: str | None = None,
        memory_limit: str | None = None,
        aliases: Iterable[str] = (),
        version: int = 1,
        upgrade: "Upgrade | None" = None,
        **options: Any,
    ) -> Any:
        """Declare a task: `@host.task` or `@host.task(queue=..., retry=..., timeout=...)`.

        Args:
            name: Its stable name, which waiting jobs refer to. Default: the function's name.
            executor: Where its jobs run: "process" for a process that can be killed, else a
                plain function runs in a thread ("thread") and a coroutine on the event loop
                ("async").
            memory_limit: With executor="process": how much memory the process may hold, such as
                "512MB". An attempt that needs more fails with MemoryLimit.
            aliases: Former names: jobs that wait under one of them are this task's.
            version: That of its arguments, to be raised when a change of them would mislead older
                jobs or older workers: these leave newer jobs alone.
            upgrade: Called with the arguments of an older job, as a dict, and their version; gives
                them as this version has them. Without it they are read as they are.
            options: See `Options`.

        Raises DuplicateTask when a name is taken, UsageError when the signature has a type
        that cannot be stored, InvalidOption for a bad option.
        """
        from jobhost.host.past import check_past
        from jobhost.host.task import Task, call_options

        checked = call_options(options)  # type: ignore[arg-type]  # checked at run time

        def declare(function: Callable[..., Any]) -> "Task[..., Any, Any]":
            if not callable(function):
                raise InvalidOption(f"@host.task decorates a function; got {function!r}")
            own = getattr(function, "__name__", "") if name is None else name
            task: Task[..., Any, Any] = Task(
                function,
                name=own,
                past=check_past(own, aliases, version, upgrade),
                options=checked,
                wiring=self._wiring,
                executor=executor,
                memory_limit=memory_limit,
            )
            self._registry.add(task)
            return task

        return declare if function is None else declare(function)

    def command(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: "str | PathLike[str] | None" = None,
        output_bytes: int | None = None,
        exit_codes: "ExitCodes | None" = None,
        aliases: Iterable[str] = (),
        **options: "Unpack[CallOptions]",
    ) -> "CommandTask":
        """Declare a task that runs a program, never a shell.

            encode = host.command("encode", ["ffmpeg", "-i", "{source}", "{target}"])
            encode.enqueue(source=Path("a.mov"), target=Path("a.mp4"))

        Args:
            name: Its stable name.
            arguments: The program and its arguments. What stands in braces is filled from the
                job's keyword arguments: text, a number or a Path. Two braces stand for one.
            env: Variables beside the few that are handed on, such as PATH and HOME.
            cwd: The folder to run it in. Default: the worker's.
            output_bytes: How much of the end of stdout, and of stderr, is kept. Default 64 KiB.
            exit_codes: What exit codes from 1 to 255 mean that are no plain failure: "succeeded",
                or what a task may raise, such as `{1: "succeeded", 75: Snooze("5m")}`.
            aliases: Former names, as of `task`.
            options: See `Options`.

        Raises DuplicateTask, InvalidOption.
        """
        from jobhost.host.command import Command, CommandTask
        from jobhost.host.past import check_past
        from jobhost.host.task import call_options

        task = CommandTask(
            Command(
                name,
                arguments,
                env=env,
                cwd=cwd,
                output_bytes=output_bytes,
                exit_codes=exit_codes,
            ),
            options=call_options(options),
            wiring=self._wiring,
            past=check_past(name, aliases, 1, None),
        )
        self._registry.add(task)
        return task

    def queue(  # noqa: PLR0913 - settings, all keyword-only
        self,
        name: str,
        *,
        objective: "timedelta | str | None" = None,
        capacity: int | None = None,
        when_full: str | None = None,
        wait: "timedelta | str | None" = None,
        raise_priority_after: "timedelta | str | None" = None,
        hours: str | None = None,
        zone: str | None = None,
        **options: "Unpack[CallOptions]",
    ) -> "Queue":
        """A queue, to pause, resume, set or look at; and what this program says of it.

            mail = host.queue("mail", objective="30s", priority=5)
            mail.pause("the mail server is down")

        Args:
            name: Its name.
            objective: The longest that its jobs should wait: workers tell when they do.
            capacity: How many jobs may wait at most.
            when_full: What an enqueue into a full queue comes to: "reject", "wait" or
                "drop_oldest".
            wait: The longest wait of such an enqueue, with "wait".
            raise_priority_after: A job that has waited for so long gets the next higher priority
                in use, and so on.
            hours: When its jobs may start, such as "mon-fri 22:00-06:00"; outside them none does.
            zone: IANA name of the time zone whose clocks these hours go by; UTC unless given.
            options: Of its jobs, from this program; task and call win over them. See `Options`.

        The first seven are settings of the store: a worker of this program stores those that are
        given when it starts. Until then, and without a worker, `Queue.set` stores them at once.

        Raises InvalidOption.
        """
        from jobhost.host.queue import Queue
        from jobhost.host.task import call_options
        from jobhost.jobs.queues import stored_changes

        if "queue" in options:
            raise InvalidOption("a queue's options cannot name a queue")
        queue = Queue(name, self._wiring)
        given = {
            "objective": objective, "capacity": capacity, "when_full": when_full, "wait": wait,
            "raise_priority_after": raise_priority_after, "hours": hours, "zone": zone,
        }  # fmt: skip
        settings = stored_changes({key: said for key, said in given.items() if said is not None})
        if options:
            self._wiring.set_queue(name, call_options(options))
        if settings:
            self._wiring.declared.setdefault(name, {}).update(settings)
        return queue

    def queues(self) -> "list[QueueStats]":
        """How the queues stand of which anything is known, by name; see `Queue.stats`."""
        from jobhost.host.queue import all_stats

        return all_stats(self._wiring)

    async def aqueues(self) -> "list[QueueStats]":
        """`queues` for a caller on an event loop."""
        from jobhost.host.queue import all_stats_async

        return await all_stats_async(self._wiring)

    def job(self, job_id: UUID | str) -> "Job[Any]":
        """The handle of a job by its id. Whether it exists shows when it is used."""
        from jobhost.host.job import Job
        from jobhost.ids import parse_id

        return Job(parse_id(job_id), self._wiring, _decode_json)

    def resume(self, number: int) -> "Job[Any]":
        """Have the deferred job of this number run on, as `Job.resume` does by its id; its handle.

        Raises IllegalMove when it is not deferred, JobNotFound, InvalidOption for what is no
        number.
        """
        from jobhost.host.resuming import resume

        return resume(self._wiring, number, _decode_json)

    async def aresume(self, number: int) -> "Job[Any]":
        """`resume` for a caller on an event loop."""
        from jobhost.host.resuming import resume_async

        return await resume_async(self._wiring, number, _decode_json)

    def jobs(
        self,
        *,
        state: "State | str | None" = None,
        queue: str | None = None,
        task: str | None = None,
        limit: int = 50,
    ) -> "list[JobRecord]":
        """Newest jobs first, at most `limit` (1 to 1,000), of one state, queue or task if given.

        Raises InvalidOption for a state that does not exist, for what is no name of a queue or
        task, or a limit out of range.
        """
        from jobhost.store.plan import drive
        from jobhost.store.plans.look import Filter, list_with_progress

        wanted = Filter(
            state=None if state is None else _state(state),
            queue=None if queue is None else check_name(queue, "queue"),
            task=None if task is None else check_name(task, "task"),
            limit=limit,
        )
        return drive(self.store.read, list_with_progress(wanted)).jobs

    def nodes(self, *, gone: bool = False) -> "list[NodeRecord]":
        """Nodes and workers that have not ended, each node before its workers; with `gone` also
        those that ended within the last day."""
        from jobhost.store.plan import drive
        from jobhost.store.plans.look_nodes import nodes_and_deaths

        store = self.store
        return drive(store.read, nodes_and_deaths(store.dead_nodes(), gone=gone))

    @property
    def dead(self) -> "DeadLetters":
        """The dead letters: listed, grouped, sent back, purged."""
        from jobhost.host.dead import DeadLetters

        return DeadLetters(self._wiring)

    def peek(self, queue: str = DEFAULT_QUEUE, *, limit: int = 10) -> "list[JobRecord]":
        """The jobs of a queue that are claimed next, in that order, at most `limit` (1 to 1,000).
        Looking changes nothing: no count, no place."""
        from jobhost.store.plans.look import peek

        name = check_name(queue, "queue")
        return self.store.read(lambda: peek(name, limit))

    @property
    def tasks(self) -> "Registry":
        """The declared tasks by name."""
        return self._registry

    @property
    def address(self) -> str:
        """The store's address as it was given, secrets included; `store.url` is the one to show."""
        if self._url is None:
            from jobhost.settings import Settings

            self._url = Settings().url
        return self._url

    @property
    def retention(self) -> Retention:
        """How long jobs that have ended are kept."""
        return self._wiring.retention

    @property
    def store(self) -> "Store":
        """The store; opened by its first use."""
        return self._wiring.store

    def migrate(self) -> list[str]:
        """Bring the store's schema to this release; names of the migrations applied."""
        return self.store.migrate()

    def worker(self, **config: Any) -> "Worker":
        """A worker of this host; see `worker.config.WorkerConfig` for what may be set.

        `run` it in a process of its own, or enter it inside another program: `async with` in a
        coroutine, `with` in a thread. Made in one process, it is not for another: after a fork make
        one there.
        """
        from jobhost.events import WorkerMade
        from jobhost.host.current import running_job
        from jobhost.worker.config import worker_config
        from jobhost.worker.worker import Worker

        running_job()  # raises in a process that imports this program only for a job's sake
        worker = Worker(self._registry, self._wiring, worker_config(config))
        worker.events.emit(WorkerMade(url_option=cache(lambda: url_option(self))))
        return worker

    def testing(
        self,
        *,
        url: str | None = None,
        now: "datetime | None" = None,
        raise_failures: bool = True,
        **config: Any,
    ) -> "JobsUnderTest":
        """For tests: `with host.testing() as jobs:` gives the host, until the end of the block, an
        empty store of its own and a clock that is moved by hand; see docs/testing.md.

        Args:
            url: Address of that store, such as that of the database under test; it is then not
                deleted. Default: an SQLite file in a temporary folder.
            now: Where the clock begins. Default: the present.
            raise_failures: Whether `drain` raises what tasks raise.
            config: Settings of the workers that run its jobs; by default one job at a time.

        Raises InvalidOption.
        """
        from jobhost.testing import JobsUnderTest

        return JobsUnderTest(
            self._registry,
            self._wiring,
            self._elsewhere,
            url=url,
            now=now,
            raise_failures=raise_failures,
            **config,
        )

    @contextmanager
    def _elsewhere(self, url: str, clock: Clock, make_gate: "MakeGate") -> Iterator[None]:
        from jobhost.store.address import open_store

        with self._wiring.elsewhere(partial(open_store, url, clock), clock, make_gate):
            before = self._url, self._clock
            self._url, self._clock = _address(url), clock
            try:
                yield
            finally:
                self._url, self._clock = before

    def use_store(self, url: str) -> None:
        """Leave the present store for the one at this address, as `--url` asks for.

        Only before workers run: they keep the store that they started with.
        """
        address = _address(url)
        self.close()
        self._url = address

    def close(self) -> None:
        """Close the store's connections; using the host again opens new ones."""
        self._wiring.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _open_store(self) -> "Store":
        from jobhost.store.address import open_store

        return open_store(self.address, self._clock)


class TaskDecorator(Protocol):
    """The type of `host.task(...)`: applied to a function it declares the task."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> "Task[P, R, Coroutine[Any, Any, R]]": ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> "Task[P, R, R]": ...


def url_option(host: JobHost) -> str:
    """What a command line needs to find the host's store: ` --url` with its address, or nothing
    where that is the one it looks at by itself. Pasted as it is printed, it works."""
    try:
        by_itself = JobHost().store.url
    except UsageError:
        by_itself = None
    url = host.store.url
    return "" if url == by_itself else f" --url {quote(url)}"


def _refuse_windows(system: str) -> None:
    """File locks, signals and sockets are those of Linux; macOS has them too."""
    if system == "nt":
        raise UsageError("jobhost runs on Linux, and on macOS for development; use WSL on Windows")


def _address(url: object) -> str:
    if not isinstance(url, str):
        raise InvalidOption(
            f"url must be a store's address as text, such as 'sqlite:///jobhost.db'; got {url!r}"
        )
    return url


def _options(defaults: object) -> Options:
    if not isinstance(defaults, Options):
        raise InvalidOption(
            f"defaults must be Options, such as Options(timeout='5m'); got {defaults!r}"
        )
    return defaults


def _limit(bytes_max: object) -> int:
    if isinstance(bytes_max, bool) or not isinstance(bytes_max, int) or bytes_max < 1:
        raise InvalidOption(
            f"payload_bytes_max must be a whole number of bytes, at least 1; got {bytes_max!r}"
        )
    return bytes_max


def _clock(clock: Clock) -> Clock:
    if not callable(getattr(clock, "now", None)):
        raise InvalidOption(f"clock must have a method now(), as a ManualClock has; got {clock!r}")
    return clock


def _state(state: object) -> str:
    if not isinstance(state, str):
        raise InvalidOption(f"state must be a State or its name, such as 'dead'; got {state!r}")
    return state


def _decode_json(text: str) -> Any:
    import json

    return json.loads(text)
