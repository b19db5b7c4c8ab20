"""The handle of one job: its id, and what a caller may do with it from outside."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from jobhost.clock import to_datetime
from jobhost.durations import format_seconds, seconds
from jobhost.errors import (
    IllegalMove,
    InvalidOption,
    InvalidPayload,
    JobCancelled,
    JobDead,
    JobExpired,
    JobNotFound,
    ResultTimeout,
    ResultUnstorable,
    UniqueKeyTaken,
)
from jobhost.host.wiring import Wiring
from jobhost.ids import JobId, format_id
from jobhost.jobs.explain import Explanation, Situation, explain
from jobhost.jobs.notes import LogLine
from jobhost.jobs.outcomes import storable
from jobhost.jobs.payload import refuse_text
from jobhost.jobs.records import Attempt, JobRecord
from jobhost.jobs.states import State
from jobhost.store.plan import Looks, drive, drive_async
from jobhost.store.plans import deferral, look, notes, operate
from jobhost.store.plans.deferral import Resumed
from jobhost.store.plans.explain import situation
from jobhost.store.plans.operate import CancelResult, Purged, Redriven

R = TypeVar("R")
F = TypeVar("F")

_FIRST_LOOK_SECONDS: Final = 0.002
_LOOK_SECONDS_MAX: Final = 0.1
_LOOK_GROWTH: Final = 1.5
"""Waiting for a result looks soon, then less and less often: cheap for long jobs, and a short
one is noticed within its own order of time."""


class Job(Generic[R]):
    """A job, seen from outside. Holding one costs nothing; it talks to the store when asked.

    Args:
        job_id: The 16 bytes of its id.
        wiring: The host's store.
        decode: Reads a stored result into the task's return type.
        is_new: Whether the call that gave this handle has made the job.
    """

    __slots__ = ("_decode", "_id", "_is_new", "_wiring")

    def __init__(
        self,
        job_id: JobId,
        wiring: Wiring,
        decode: Callable[[str], Any],
        *,
        is_new: bool = False,
    ) -> None:
        self._is_new = is_new
        self._id = job_id
        self._wiring = wiring
        self._decode = decode

    @property
    def id(self) -> UUID:
        """Its id, made by the producer."""
        return UUID(bytes=self._id)

    @property
    def is_new(self) -> bool:
        """Whether the call that gave this handle has made the job. Not so if a key of the call was
        an earlier job's, or `using(id=...)` named one that was there; nor for `host.job(id)`."""
        return self._is_new

    def adopt(self, job_id: JobId, *, is_new: bool) -> None:
        """Stand for the job that the call came to; for `enqueue`, before it gives the handle."""
        self._id, self._is_new = job_id, is_new

    def __repr__(self) -> str:
        return f"<Job {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self._id == other._id

    def __hash__(self) -> int:
        return hash(self._id)

    def status(self) -> JobRecord:
        """The job as it stands in the store; needs no worker. Raises JobNotFound."""
        return self._found(self._wiring.store.read(lambda: look.show(self._id)))

    async def astatus(self) -> JobRecord:
        """`status` for a caller on an event loop."""
        return self._found(await self._wiring.store.read_async(lambda: look.show(self._id)))

    def explain(self) -> Explanation:
        """Why it is where it is, in one sentence with the next step. Raises JobNotFound."""
        return self._explained(drive(self._wiring.store.read, self._situation()))

    async def aexplain(self) -> Explanation:
        """`explain` for a caller on an event loop."""
        looks = self._situation()
        return self._explained(await drive_async(self._wiring.store.read_async, looks))

    def _situation(self) -> Looks[Situation | None]:
        store = self._wiring.store
        return situation(self._id, to_datetime(self._wiring.clock.now()), store.dead_nodes())

    def _explained(self, found: Situation | None) -> Explanation:
        return explain(self._found(found))

    def attempts(self) -> list[Attempt]:
        """Its ended attempts, oldest first."""
        return self._wiring.store.read(lambda: look.attempts(self._id))

    async def aattempts(self) -> list[Attempt]:
        """`attempts` for a caller on an event loop."""
        return await self._wiring.store.read_async(lambda: look.attempts(self._id))

    def logs(self, after: LogLine | None = None) -> list[LogLine]:
        """What it has logged so far, in order, also while it runs: bounded, as `LogLine.left_out`
        tells. A job that is unknown has logged nothing.

        Args:
            after: A line that the caller has: only what comes after it.
        """
        return self._wiring.store.read(lambda: notes.log_of(self._id, *_place(after)))

    async def alogs(self, after: LogLine | None = None) -> list[LogLine]:
        """`logs` for a caller on an event loop."""
        return await self._wiring.store.read_async(lambda: notes.log_of(self._id, *_place(after)))

    def result(self, timeout: timedelta | str | None = None) -> R:
        """Wait until it has ended and give back what the task returned.

        Args:
            timeout: Longest wait; None waits for ever. The job goes on in any case.

        Raises:
            ResultTimeout: it had not ended in time.
            JobDead, JobCancelled: it ended so; the message has the reason.
            ResultUnstorable: it succeeded, but its result could not be stored.
            JobNotFound: there is no such job; JobExpired: not any more, if there ever was.
        """
        for pause in self._looks(timeout):
            if (record := self.status()).is_final:
                return self._outcome(record)
            time.sleep(pause)
        raise self._too_late(timeout)

    async def aresult(self, timeout: timedelta | str | None = None) -> R:
        """`result` for a caller on an event loop."""
        for pause in self._looks(timeout):
            if (record := await self.astatus()).is_final:
                return self._outcome(record)
            await asyncio.sleep(pause)
        raise self._too_late(timeout)

    def cancel(self, reason: str = "cancelled by the caller") -> CancelResult:
        """Cancel it: at once when it waits, through its worker when it runs.

        Args:
            reason: Why, in words; stays with the job.

        Returns what it came to: cancelled, requested, or too late since it had ended.
        Raises JobNotFound.
        """
        why = _reason(reason)
        done = self._wiring.store.write(lambda: operate.cancel(self._id, why))
        return self._cancelled(done)

    async def acancel(self, reason: str = "cancelled by the caller") -> CancelResult:
        """`cancel` for a caller on an event loop."""
        why = _reason(reason)
        done = await self._wiring.store.write_async(lambda: operate.cancel(self._id, why))
        return self._cancelled(done)

    def redrive(self, arguments: Mapping[str, Any] | None = None) -> None:
        """Send a dead or cancelled job back to be run again, with fresh counts; its epoch and
        its history are kept.

        Args:
            arguments: Others for its task, by parameter name, all of them, as JSON has them; the
                task's worker checks them. The former ones are kept. Default: unchanged.

        Raises IllegalMove when it is in another state, UniqueKeyTaken when another job has its
        unique key by now, InvalidPayload for arguments that are no JSON, JobNotFound.
        """
        payload = self._payload(arguments)
        self._redriven(self._wiring.store.write(lambda: operate.redrive(self._id, payload)))

    async def aredrive(self, arguments: Mapping[str, Any] | None = None) -> None:
        """`redrive` for a caller on an event loop."""
        payload = self._payload(arguments)
        done = await self._wiring.store.write_async(lambda: operate.redrive(self._id, payload))
        self._redriven(done)

    def resume(self) -> None:
        """Have it run on, when its task has deferred it: it is ready, before the backlog.

        Raises IllegalMove when it is not deferred, JobNotFound.
        """
        self._resumed(self._wiring.store.write(lambda: deferral.resume(self._id)))

    async def aresume(self) -> None:
        """`resume` for a caller on an event loop."""
        self._resumed(await self._wiring.store.write_async(lambda: deferral.resume(self._id)))

    def purge(self) -> None:
        """Delete it, with all that belongs to it, once it has ended. There is no way back.

        Raises IllegalMove when it has not ended, JobNotFound.
        """
        self._purged(self._wiring.store.write(lambda: operate.purge(self._id)))

    async def apurge(self) -> None:
        """`purge` for a caller on an event loop."""
        self._purged(await self._wiring.store.write_async(lambda: operate.purge(self._id)))

    def _purged(self, done: Purged | None) -> None:
        if not (found := self._found(done)).done:
            raise IllegalMove(
                f"job {self.id} is {found.state}, and only jobs that have ended can be purged: "
                "cancel it first"
            )

    def _resumed(self, done: Resumed | None) -> None:
        require_resumed(self._found(done))
        self._wiring.store.announce()

    def _payload(self, arguments: object) -> str | None:
        """Arguments as they are stored. Raises InvalidPayload."""
        if arguments is None:
            return None
        named = isinstance(arguments, Mapping) and all(isinstance(name, str) for name in arguments)
        if not isinstance(arguments, Mapping) or not named:
            raise InvalidPayload(
                f"arguments must be all arguments by parameter name, such as {{'width': 80}}; "
                f"got {arguments!r}"
            )
        try:
            text = json.dumps(dict(arguments), ensure_ascii=False, allow_nan=False)
            refuse_text(text, self._wiring.payload_bytes_max)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidPayload(f"arguments cannot be stored: {error}") from None
        return text

    def _redriven(self, done: Redriven | None) -> None:
        if not (found := self._found(done)).done:
            if found.holder is not None:
                raise UniqueKeyTaken(
                    f"job {self.id} cannot be sent back: its unique key is taken by job "
                    f"{format_id(found.holder)}; wait for its end, or cancel it",
                    job_id=found.holder,
                )
            raise IllegalMove(
                f"job {self.id} is {found.state}, and only dead or cancelled jobs can be sent back"
            )
        self._wiring.store.announce()

    def _cancelled(self, done: CancelResult | None) -> CancelResult:
        if done is CancelResult.REQUESTED:
            self._wiring.store.announce()
        return self._found(done)

    def _looks(self, timeout: timedelta | str | None) -> Iterator[float]:
        """Pauses between looks; ends when the time is over, after a last look."""
        left = None if timeout is None else seconds(timeout, "timeout")
        start, pause = time.monotonic(), _FIRST_LOOK_SECONDS
        while left is None or (rest := left - (time.monotonic() - start)) > 0:
            yield pause if left is None else min(pause, rest)
            pause = min(pause * _LOOK_GROWTH, _LOOK_SECONDS_MAX)
        yield 0.0

    def _outcome(self, record: JobRecord) -> R:
        if record.state is State.SUCCEEDED:
            if record.result is None:
                said = record.error.message if record.error else "no reason was recorded"
                raise ResultUnstorable(f"job {self.id} ({record.task}) succeeded, but {said}")
            value: R = self._decode(record.result)
            return value
        failure = JobDead if record.state is State.DEAD else JobCancelled
        raise failure(f"job {self.id} ({record.task}) is {record.state}: {_why(record)}")

    def _too_late(self, timeout: timedelta | str | None) -> ResultTimeout:
        waited = format_seconds(seconds(timeout, "timeout"))
        return ResultTimeout(f"job {self.id} had not ended after {waited}; it goes on")

    def _missing(self) -> JobNotFound:
        """Too old to be kept, or unknown."""
        wiring = self._wiring
        words = f"there is no job {self.id} in {wiring.store.url}"
        if wiring.retention.has_outlived(self.id, wiring.clock.now()):
            return JobExpired(
                f"{words} any more: one that old has been deleted, if it had ended in time; how "
                "long jobs are kept is JobHost(retention=...)"
            )
        return JobNotFound(words)

    def _found(self, found: F | None) -> F:
        if found is None:
            raise self._missing()
        return found


def require_resumed(done: Resumed) -> None:
    """Raise IllegalMove for a job that was not deferred."""
    if not done.done:
        blocked = done.state is State.BLOCKED
        raise IllegalMove(
            f"job {format_id(done.id)} is {done.state}{', but not by its task' if blocked else ''},"
            " and only deferred jobs can be resumed"
        )


def _place(after: LogLine | None) -> tuple[tuple[int, int], ...]:
    return () if after is None else ((after.epoch, after.line),)


def _reason(reason: object) -> str:
    """A caller's own words, as the store can keep them. Raises InvalidOption for none."""
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidOption(f"reason must say in words why the job is cancelled; got {reason!r}")
    return storable(reason)


def _why(record: JobRecord) -> str:
    reason = record.reason or record.state
    said = record.error.message if record.error else ""
    return reason if said in ("", reason) else f"{reason}: {said}"
