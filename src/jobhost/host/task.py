"""A declared task: callable as the function that it is, and enqueueable as a job."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, repeat
from typing import Any, Generic, ParamSpec, Self, TypedDict, TypeVar, Unpack
from uuid import UUID

from jobhost.errors import InvalidOption, QueueFull, UsageError
from jobhost.host.accepting import accept, accept_async, if_keys_give_none
from jobhost.host.current import running_job
from jobhost.host.job import Job
from jobhost.host.keying import Keying
from jobhost.host.kinds import Kind, check_memory_limit, choose_kind
from jobhost.host.past import Past
from jobhost.host.wiring import Wiring
from jobhost.ids import JobId, format_id, new_ids, parse_id
from jobhost.jobs.envelope import TRIGGER_ENQUEUE, Envelope, seal
from jobhost.jobs.key_options import KeySource
from jobhost.jobs.keys import Accepted, Keyed, KeyRules
from jobhost.jobs.options import Options, Resolved, cap_expiry, check_name, resolve
from jobhost.jobs.payload import Signature
from jobhost.jobs.retries import Retry
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.portions import BATCH_BYTES_MAX, byte_length, portions

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
    stalled_after: timedelta | str | None
    tags: list[str] | tuple[str, ...]
    headers: dict[str, str]
    expires: timedelta | datetime | str | None
    on_expiry: str
    idempotency_key: KeySource
    idempotency_window: timedelta | str
    unique: KeySource
    unique_until: str
    on_taken: str
    debounce: timedelta | str
    debounce_max: timedelta | str
    throttle: timedelta | str


class UsingOptions(CallOptions, total=False):
    """Those, and the job's own id; see `Task.using`."""

    id: UUID | str


class Task(Generic[P, R, C]):
    """A function registered on a host under a stable name.

    Calling it runs the function here and now, as if it were not declared at all.
    `R` is what a job hands back; `C` is what the plain call gives, which for an `async def`
    is a coroutine of `R`. As with functions a pickle holds its name only, and a copy is the
    task itself.

    `kind` says where its jobs run, `memory_max` how many bytes a process of them may hold; `past`
    what it still takes of earlier releases.
    """

    def __init__(
        self,
        function: Callable[P, C],
        *,
        name: str,
        options: Options,
        wiring: Wiring,
        executor: str | None = None,
        memory_limit: str | None = None,
        past: Past | None = None,
    ) -> None:
        self.name = check_name(name, "the name of a task")
        self.past = Past() if past is None else past
        self.function = function
        self.options = options
        self.is_async = _is_async(function, self.name)
        self.kind = choose_kind(executor, self.name, is_async=self.is_async)
        self.memory_max = check_memory_limit(memory_limit, self.name, self.kind)
        self.signature = Signature(function, self.name)
        Keying(self, Options())  # refuses templates that do not fit
        self._wiring = wiring
        self._plain: BoundTask[P, R] = BoundTask(self, Options(), wiring)
        self.__name__ = getattr(function, "__name__", name)
        self.__qualname__ = getattr(function, "__qualname__", self.__name__)
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        if self.kind is Kind.PROCESS and "<locals>" in self.__qualname__:
            raise UsageError(
                f"task {self.name!r} is declared inside a function, and the process that runs it "
                "would not find it there: declare it at the top of a module"
            )

    def __repr__(self) -> str:
        return f"<Task {self.name!r} {self.place}>"

    def __reduce__(self) -> str:
        if not self.is_found_by_name:
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

    def read(self, payload: str, version: int) -> tuple[list[Any], dict[str, Any]]:
        """Stored arguments for the call, brought up to date if they are older.

        Raises InvalidPayload when they do not fit, NotUpgraded when the upgrade fails.
        """
        return self.signature.decode(self.past.bring_up(payload, version))

    @property
    def is_found_by_name(self) -> bool:
        """Whether it stands in its module under its function's name, where another process looks
        for it."""
        return look_up(self.__module__, self.__qualname__) is self

    @property
    def place(self) -> str:
        """Where the function stands, as `file:line`."""
        code = getattr(self.function, "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.function)
        return f"{where} ({getattr(self.function, '__qualname__', self.__name__)})"

    def using(self, **options: Unpack[UsingOptions]) -> "BoundTask[P, R]":
        """This task with options for the calls that follow; they win over all others.

        Args:
            id: The caller's own id for the one job, a UUID or its text. If there is a job of this
                id, whatever its task and arguments, `enqueue` changes nothing and gives its
                handle: so a call whose outcome is unknown can be repeated.

        Raises InvalidOption, UsageError for what is no id.
        """
        given: dict[str, Any] = {**options}
        job_id = parse_id(given.pop("id")) if "id" in given else None
        call = call_options(given)  # type: ignore[arg-type]  # checked at run time
        return BoundTask(self, call, self._wiring, job_id=job_id)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> C:
        return self.function(*args, **kwargs)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job; durable when this returns. Safe from any thread.

        With a key it may come to the job of an earlier call: `is_new` of the handle says so.

        Raises InvalidPayload when the arguments do not fit, IdempotencyConflict and UniqueKeyTaken
        for a key that is another job's, QueueFull, StoreError when the store cannot take it. A
        server that is away is asked again for some seconds, under the same id. After that
        StoreUnavailable has the id as `job_ids`: the job may have been accepted all the same, and
        `using(id=...)` repeats the call without making a second one.
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
            connection: To the store's own database: of psycopg or sqlite3, SQLAlchemy (a Session
                too), or Django's.

        Raises UsageError for another connection, or one without a transaction. After a
        StoreError the caller's transaction can only be rolled back; on SQLite it is as it was,
        unless the message says otherwise.
        """
        return self._plain.enqueue_with(connection, *args, **kwargs)

    async def aenqueue_with(
        self, connection: object, /, *args: P.args, **kwargs: P.kwargs
    ) -> Job[R]:
        """`enqueue_with` on an asynchronous connection, of psycopg or SQLAlchemy; on SQLite on
        one of sqlite3."""
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
        job_id: JobId | None = None,
    ) -> None:
        self._task = task
        self._call = call
        self._wiring = wiring
        self._job_id = job_id
        self._trigger = trigger
        self._resolved: tuple[int, Resolved, Envelope] | None = None
        self._keying: Keying | None = None

    def triggered_by(self, detail: str) -> "BoundTask[P, R]":
        """The same call, recorded as started by this; by default that is "enqueue"."""
        trigger = check_name(detail, "what triggered a job")
        return BoundTask(self._task, self._call, self._wiring, trigger=trigger, job_id=self._job_id)

    def prepare(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Job[R], Batch]:
        """One job that is not accepted yet, for a caller that runs the plan
        `store.plans.keys.accept` of the batch in a transaction of its own."""
        payload = self._task.signature.encode(args, kwargs, self._wiring.payload_bytes_max)
        [(jobs, batch)] = self._prepare([payload])
        return jobs[0], batch

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job; see `Task.enqueue`."""
        self._look()
        job, batch = self.prepare(*args, **kwargs)
        self._accept([job], batch)
        return job

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for a caller on an event loop."""
        await self._look_async()
        job, batch = self.prepare(*args, **kwargs)
        await self._accept_async([job], batch)
        return job

    def enqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """Accept one job for each sequence of positional arguments; order is kept.

        They go in batches of at most BATCH_MAX jobs and BATCH_BYTES_MAX bytes, each accepted all
        or not at all: when the store fails in between, the batches before stay accepted. The
        arguments of a list are all checked first. Those of a generator are checked batch by
        batch, so that it may be longer than memory; only the handles stay.
        """
        self._look()
        jobs: list[Job[R]] = []
        for more, batch in self._prepare(self._encode_all(calls)):
            self._accept(more, batch)
            jobs += more
        return jobs

    async def aenqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """`enqueue_many` for a caller on an event loop."""
        await self._look_async()
        jobs: list[Job[R]] = []
        for more, batch in self._prepare(self._encode_all(calls)):
            await self._accept_async(more, batch)
            jobs += more
        return jobs

    def enqueue_with(self, connection: object, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Accept one job inside the caller's transaction; see `Task.enqueue_with`."""
        self._refuse_id()
        self._look()
        job, batch = self.prepare(*args, **kwargs)
        self._admit_within(batch)
        _adopt([job], self._wiring.store.enqueue_within(connection, [batch]))
        return job

    async def aenqueue_with(
        self, connection: object, /, *args: P.args, **kwargs: P.kwargs
    ) -> Job[R]:
        """`enqueue_with` on an asynchronous connection."""
        self._refuse_id()
        await self._look_async()
        job, batch = self.prepare(*args, **kwargs)
        await self._admit_within_async(batch)
        _adopt([job], await self._wiring.store.enqueue_within_async(connection, [batch]))
        return job

    def enqueue_many_with(self, connection: object, calls: Iterable[Sequence[Any]]) -> list[Job[R]]:
        """`enqueue_many` inside the caller's transaction."""
        self._look()
        jobs: list[Job[R]] = []
        for more, batch in self._prepare(self._encode_all(calls)):
            self._admit_within(batch)
            _adopt(more, self._wiring.store.enqueue_within(connection, [batch]))
            jobs += more
        if not jobs:  # the connection is to be refused for what it is, and not for what it gets
            self._wiring.store.enqueue_within(connection, [])
        return jobs

    async def aenqueue_many_with(
        self, connection: object, calls: Iterable[Sequence[Any]]
    ) -> list[Job[R]]:
        """`enqueue_many_with` on an asynchronous connection."""
        await self._look_async()
        jobs: list[Job[R]] = []
        for more, batch in self._prepare(self._encode_all(calls)):
            await self._admit_within_async(batch)
            _adopt(more, await self._wiring.store.enqueue_within_async(connection, [batch]))
            jobs += more
        if not jobs:
            await self._wiring.store.enqueue_within_async(connection, [])
        return jobs

    def _refuse_id(self) -> None:
        """In the caller's own transaction a repeat would spoil it, and its outcome tells all."""
        if self._job_id is not None:
            raise InvalidOption(
                f"using(id='{format_id(self._job_id)}') is for enqueue and aenqueue: in your own "
                "transaction the job exists if and only if you commit, so leave the id out"
            )

    def _encode_all(self, calls: Iterable[Sequence[Any]]) -> Iterator[str]:
        """The payloads, in order. Those of a list are all checked before the first is given; what
        is more than a batch of them is encoded again when its turn comes, and not kept."""
        if self._job_id is not None:
            raise InvalidOption(
                f"using(id='{format_id(self._job_id)}') is for one job: enqueue the jobs one by "
                "one, each with an id of its own, or leave the id out"
            )
        if self._options()[0].key_rules is not None:
            Keying(self._task, self._call).refuse_many()
        if isinstance(calls, (str, bytes, Mapping)) or not isinstance(calls, Iterable):
            raise InvalidOption(
                f"enqueue_many takes many tuples of arguments, such as [(1,), (2,)]; got {calls!r}"
            )
        if not isinstance(calls, (list, tuple)):
            yield from map(self._encode, calls)
            return
        kept: list[str] = []
        size = 0
        for call in calls:
            payload = self._encode(call)
            if size < BATCH_BYTES_MAX:
                kept.append(payload)
                size += byte_length(payload)
        count = len(kept)
        yield from kept
        del kept
        yield from map(self._encode, islice(calls, count, None))

    def _encode(self, call: Sequence[Any]) -> str:
        """The payload of one call of many. Raises InvalidOption, InvalidPayload."""
        if not isinstance(call, (tuple, list)):
            raise InvalidOption(
                f"enqueue_many takes one tuple of arguments a job, such as [(1,), (2,)]; "
                f"got {call!r}"
            )
        return self._task.signature.encode(tuple(call), {}, self._wiring.payload_bytes_max)

    def _prepare(self, payloads: Iterable[str]) -> Iterator[tuple[list[Job[R]], Batch]]:
        """The batches to accept, each with its handles, as the payloads come."""
        task, wiring = self._task, self._wiring
        options, envelope = self._options()
        parent = running_job()
        if parent is not None:
            envelope = envelope.inherit(parent.correlation_id, parent.headers)
        extras = envelope.to_text()
        decode = task.signature.decode_result
        for portion in portions(payloads, 0 if extras is None else byte_length(extras)):
            ids = new_ids(len(portion)) if self._job_id is None else [self._job_id]
            envelopes: Iterable[str | None] = repeat(extras)
            keyed = None
            if options.key_rules is not None:
                keyed = self._keyed(portion, options.key_rules)
                envelopes = _with_keys(envelope, keyed)
            batch = Batch(
                task=task.name,
                queue=options.queue,
                priority=options.priority,
                jobs=list(map(NewJob._make, zip(ids, portion, envelopes, strict=False))),
                parent=None if parent is None else JobId(parent.id.bytes),
                run_at=options.run_at,
                delay_us=options.delay_us,
                expiry=options.expiry,
                keyed=keyed,
            )
            yield [Job(job_id, wiring, decode, is_new=True) for job_id in ids], batch

    def _keyed(self, payloads: list[str], rules: KeyRules) -> Keyed:
        """The keys of a portion, each from its own arguments."""
        if self._keying is None:
            self._keying = Keying(self._task, self._call)
        return Keyed(rules=rules, keys=[self._keying.keys_of(payload) for payload in payloads])

    def _options(self) -> tuple[Resolved, Envelope]:
        """The options after the precedence, and what of them travels with each job; worked out
        anew only when a queue's have changed."""
        wiring = self._wiring
        if self._resolved is None or self._resolved[0] != wiring.revision:
            revision = wiring.revision
            options = resolve(self._call, self._task.options, wiring.queues, wiring.defaults)
            if (cap := wiring.gate.expiry_cap(options.queue)) is not None:
                options = cap_expiry(options, cap[0], dropped=cap[1])
            version = self._task.past.version
            envelope = seal(self._call, options, trigger_detail=self._trigger, version=version)
            self._resolved = revision, options, envelope
        return self._resolved[1:]

    def _accept(self, jobs: list[Job[R]], batch: Batch) -> None:
        store, known = self._wiring.store, self._job_id is not None
        try:
            room = self._wiring.gate.admit(store, batch)
        except QueueFull as error:
            room = if_keys_give_none(error, batch)
        _adopt(jobs, accept(store, batch, known=known, room=room))

    async def _accept_async(self, jobs: list[Job[R]], batch: Batch) -> None:
        store, known = self._wiring.store, self._job_id is not None
        try:
            room = await self._wiring.gate.admit_async(store, batch)
        except QueueFull as error:
            room = if_keys_give_none(error, batch)
        _adopt(jobs, await accept_async(store, batch, known=known, room=room))

    def _look(self) -> None:
        """Know what the store says of queues."""
        self._wiring.gate.look(self._wiring.store)

    async def _look_async(self) -> None:
        await self._wiring.gate.look_async(self._wiring.store)

    def _admit_within(self, batch: Batch) -> None:
        """A place for jobs of the caller's transaction, before that is touched."""
        self._wiring.gate.admit(self._wiring.store, batch, within=True)

    async def _admit_within_async(self, batch: Batch) -> None:
        await self._wiring.gate.admit_async(self._wiring.store, batch, within=True)


def _with_keys(envelope: Envelope, keyed: Keyed) -> list[str | None]:
    """The envelope of each job. Its unique key travels with it for a redrive, and both for those
    who look at it."""
    rules = keyed.rules
    return [
        replace(
            envelope,
            unique=None if keys.unique is None else (keys.unique, rules.until_start),
            idempotency=None if keys.idempotency is None else (keys.idempotency, rules.window_us),
        ).to_text()
        for keys in keyed.keys
    ]


def _adopt(jobs: list[Job[R]], accepted: Sequence[Accepted]) -> None:
    """Have the handles stand for the jobs that the calls came to."""
    for job, (job_id, is_new) in zip(jobs, accepted, strict=False):
        job.adopt(JobId(job_id), is_new=is_new)


def look_up(module: str, qualified_name: str) -> object:
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
