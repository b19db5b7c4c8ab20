"""A declared task: callable as the function that it is, and enqueueable as a job."""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any, Generic, ParamSpec, Self, TypedDict, TypeVar, Unpack

from jobhost.errors import InvalidOption, StoreUnavailable, UsageError
from jobhost.host.current import running_job
from jobhost.host.job import Job
from jobhost.host.wiring import Wiring
from jobhost.ids import JobId, new_ids
from jobhost.jobs.envelope import TRIGGER_ENQUEUE, Envelope, seal
from jobhost.jobs.options import Options, Resolved, check_name, resolve
from jobhost.jobs.payload import Signature
from jobhost.jobs.retries import Retry
from jobhost.store.plans.enqueue import BATCH_MAX, Batch, NewJob

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")


class CallOptions(TypedDict, total=False):
    """The options that `using()` takes; see `jobs.options.Options`."""

    queue: str
    priority: int
    delay: timedelta | str
    run_at: datetime
    retry: Retry
    timeout: timedelta | str | None
    tags: list[str] | tuple[str, ...]
    headers: dict[str, str]


class Task(Generic[P, R, C]):
    """A function registered on a host under a stable name.

    Calling it runs the function here and now, as if it were not declared at all.
    `R` is what a job hands back; `C` is what the plain call gives, which for an `async def`
    is a coroutine of `R`. As with functions a pickle holds its name only, and a copy is the
    task itself.
    """

    def __init__(
        self, function: Callable[P, C], *, name: str, options: Options, wiring: Wiring
    ) -> None:
        self.name = check_name(name, "the name of a task")
        self.function = function
        self.options = options
        self.is_async = _is_async(function, self.name)
        self.signature = Signature(function, self.name)
        self._wiring = wiring
        self._plain: BoundTask[P, R] = BoundTask(self, Options(), wiring)
        self.__name__ = getattr(function, "__name__", name)
        self.__qualname__ = getattr(function, "__qualname__", self.__name__)
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<Task {self.name!r} {self.place}>"

    def __reduce__(self) -> str:
        if _look_up(self.__module__, self.__qualname__) is not self:
            raise UsageError(
                f"task {self.name!r} cannot be pickled: whoever reads the pickle would look for it "
                f"at {self.__module__}.{self.__qualname__}, and it is not there; declare it at the "
                "top of a module, under the name of its function"
            )
        return self.__qualname__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @property
    def place(self) -> str:
        """Where the function stands, as `file:line`."""
        code = getattr(self.function, "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.function)
        return f"{where} ({getattr(self.function, '__qualname__', self.__name__)})"

    def using(self, **options: Unpack[CallOptions]) -> "BoundTask[P, R]":
        """This task with options for the calls that follow; they win over all others."""
        return BoundTask(self, call_options(options), self._wiring)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> C:
        return self.function(*args, **kwargs)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job; durable when this returns. Safe from any thread.

        Raises InvalidPayload when the arguments do not fit, StoreError when the store
        cannot take it; then no job exists, except after an error while committing, when it
        may: `enqueue` again is at worst a second job. A store that is away for a moment is
        asked once more, under the same id.
        """
        return self._plain.enqueue(*args, **kwargs)

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for a caller on an event loop."""
        return await self._plain.aenqueue(*args, **kwargs)

    def enqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """Accept many jobs; see `BoundTask.enqueue_many`."""
        return self._plain.enqueue_many(calls)

    async def aenqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """`enqueue_many` for a caller on an event loop."""
        return await self._plain.aenqueue_many(calls)

    def enqueue_with(self, connection: object, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job inside the transaction that the caller has open on this connection: it
        exists, and workers hear of it, if and only if the caller commits.

        Args:
            connection: To the store's own database: of psycopg, SQLAlchemy (a Session too), or
                Django's.

        Raises UsageError for another connection, or one without a transaction. After a
        StoreError the caller's transaction can only be rolled back.
        """
        return self._plain.enqueue_with(connection, *args, **kwargs)

    async def aenqueue_with(
        self, connection: object, /, *args: P.args, **kwargs: P.kwargs
    ) -> Job[R]:
        """`enqueue_with` on an asynchronous connection, of psycopg or SQLAlchemy."""
        return await self._plain.aenqueue_with(connection, *args, **kwargs)

    def enqueue_many_with(self, connection: object, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """`enqueue_many` inside the caller's transaction, all or none; see `enqueue_with`."""
        return self._plain.enqueue_many_with(connection, calls)

    async def aenqueue_many_with(
        self, connection: object, calls: Iterable[Sequence[Any]]
    ) -> list[Job[R]]:
        """`enqueue_many_with` on an asynchronous connection."""
        return await self._plain.aenqueue_many_with(connection, calls)


class BoundTask(Generic[P, R]):
    """A task with the options of one call, made by `Task.using`."""

    def __init__(
        self,
        task: Task[P, R, Any],
        call: Options,
        wiring: Wiring,
        *,
        trigger: str = TRIGGER_ENQUEUE,
    ) -> None:
        self._task = task
        self._call = call
        self._wiring = wiring
        self._trigger = trigger
        self._resolved: tuple[int, Resolved, Envelope] | None = None

    def triggered_by(self, detail: str) -> "BoundTask[P, R]":
        """The same call, recorded as started by this; by default that is "enqueue"."""
        trigger = check_name(detail, "what triggered a job")
        return BoundTask(self._task, self._call, self._wiring, trigger=trigger)

    def prepare(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Job[R], Batch]:
        """One job that is not accepted yet, for a caller that runs the plan
        `store.hot.enqueue` of the batch in a transaction of its own."""
        jobs, batches = self._prepare([self._task.signature.encode(
            args, kwargs, self._wiring.payload_bytes_max)])  # fmt: skip
        return jobs[0], batches[0]

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job; see `Task.enqueue`."""
        job, batch = self.prepare(*args, **kwargs)
        self._accept([batch])
        return job

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for a caller on an event loop."""
        job, batch = self.prepare(*args, **kwargs)
        await self._accept_async([batch])
        return job

    def enqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """Accept one job for each sequence of positional arguments; order is kept.

        All arguments are checked first. Then each batch of 1,000 is accepted all or not
        at all: when the store fails in between, the batches before stay accepted.
        """
        jobs, batches = self._prepare(self._encode_all(calls))
        self._accept(batches)
        return jobs

    async def aenqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """`enqueue_many` for a caller on an event loop."""
        jobs, batches = self._prepare(self._encode_all(calls))
        await self._accept_async(batches)
        return jobs

    def enqueue_with(self, connection: object, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job inside the caller's transaction; see `Task.enqueue_with`."""
        job, batch = self.prepare(*args, **kwargs)
        self._wiring.store.enqueue_within(connection, [batch])
        return job

    async def aenqueue_with(
        self, connection: object, /, *args: P.args, **kwargs: P.kwargs
    ) -> Job[R]:
        """`enqueue_with` on an asynchronous connection."""
        job, batch = self.prepare(*args, **kwargs)
        await self._wiring.store.enqueue_within_async(connection, [batch])
        return job

    def enqueue_many_with(self, connection: object, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """`enqueue_many` inside the caller's transaction."""
        jobs, batches = self._prepare(self._encode_all(calls))
        self._wiring.store.enqueue_within(connection, batches)
        return jobs

    async def aenqueue_many_with(
        self, connection: object, calls: Iterable[Sequence[Any]]
    ) -> list[Job[R]]:
        """`enqueue_many_with` on an asynchronous connection."""
        jobs, batches = self._prepare(self._encode_all(calls))
        await self._wiring.store.enqueue_within_async(connection, batches)
        return jobs

    def _encode_all(self, calls: Iterable[Sequence[Any]]) -> list[str]:
        encode, limit = self._task.signature.encode, self._wiring.payload_bytes_max
        payloads = []
        if isinstance(calls, (str, bytes, Mapping)) or not isinstance(calls, Iterable):
            raise InvalidOption(
                f"enqueue_many takes many tuples of arguments, such as [(1,), (2,)]; got {calls!r}"
            )
        for call in calls:
            if not isinstance(call, (tuple, list)):
                raise InvalidOption(
                    f"enqueue_many takes one tuple of arguments a job, such as [(1,), (2,)]; "
                    f"got {call!r}"
                )
            payloads.append(encode(tuple(call), {}, limit))
        return payloads

    def _prepare(self, payloads: list[str]) -> tuple[list[Job[R]], list[Batch]]:
        """The handles, and the batches to accept."""
        task, wiring = self._task, self._wiring
        options, envelope = self._options()
        parent = running_job()
        if parent is not None:
            envelope = envelope.inherit(parent.correlation_id, parent.headers)
        extras = envelope.to_text()
        ids = new_ids(len(payloads))
        new = list(map(NewJob._make, zip(ids, payloads, repeat(extras), strict=False)))
        batches = [
            Batch(
                task=task.name,
                queue=options.queue,
                priority=options.priority,
                jobs=new[start : start + BATCH_MAX],
                parent=None if parent is None else JobId(parent.id.bytes),
                run_at=options.run_at,
                delay_us=options.delay_us,
            )
            for start in range(0, len(new), BATCH_MAX)
        ]
        decode = task.signature.decode_result
        return [Job(job_id, wiring, decode) for job_id in ids], batches

    def _options(self) -> tuple[Resolved, Envelope]:
        """The options after the precedence, and what of them travels with each job; worked out
        anew only when a queue's have changed."""
        wiring = self._wiring
        if self._resolved is None or self._resolved[0] != wiring.revision:
            revision = wiring.revision
            options = resolve(self._call, self._task.options, wiring.queues, wiring.defaults)
            envelope = seal(self._call, options, trigger_detail=self._trigger)
            self._resolved = revision, options, envelope
        return self._resolved[1:]

    def _accept(self, batches: list[Batch]) -> None:
        store = self._wiring.store
        for batch in batches:
            try:
                store.write(partial(store.hot.enqueue_new, batch))
            except StoreUnavailable:  # under the same ids it is no second job
                store.write(partial(store.hot.enqueue, batch))
        if batches and not store.hot.announces:
            store.announce()

    async def _accept_async(self, batches: list[Batch]) -> None:
        store = self._wiring.store
        for batch in batches:
            try:
                await store.write_async(partial(store.hot.enqueue_new, batch))
            except StoreUnavailable:  # under the same ids it is no second job
                await store.write_async(partial(store.hot.enqueue, batch))
        if batches and not store.hot.announces:
            store.announce()


def _look_up(module: str, qualified_name: str) -> object:
    """What stands in an imported module under this name, or None."""
    found: object = sys.modules.get(module)
    for name in qualified_name.split("."):
        found = getattr(found, name, None)
    return found


def _is_async(function: Callable[..., Any], name: str) -> bool:
    """Whether a call gives something to await, also behind a decorator that keeps the function's
    signature. Raises UsageError for what is no function, or gives a generator."""
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise UsageError(f"task {name!r} must be a function; got {function!r}: wrap it in a def")
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise UsageError(
            f"task {name!r} is a generator, and a job has one result: return a list, or enqueue a "
            "job for each part"
        )
    return inspect.iscoroutinefunction(inner)


def call_options(given: CallOptions) -> Options:
    """Checked options. Raises InvalidOption, also for a name that is no option."""
    unknown = sorted(given.keys() - CallOptions.__annotations__.keys())
    if unknown:
        known = ", ".join(CallOptions.__annotations__)
        raise InvalidOption(f"{unknown[0]!r} is no option of a job; expected {known}")
    return Options(**given)
