"""The handle of one job: its id, and what a caller may do with it from outside."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from jobhost.durations import format_seconds, seconds
from jobhost.errors import (
    IllegalMove,
    InvalidOption,
    JobCancelled,
    JobDead,
    JobNotFound,
    ResultTimeout,
    ResultUnstorable,
)
from jobhost.host.wiring import Wiring
from jobhost.ids import JobId
from jobhost.jobs.outcomes import storable
from jobhost.jobs.records import Attempt, JobRecord
from jobhost.jobs.states import State
from jobhost.store.plans import look, operate
from jobhost.store.plans.operate import CancelResult, Redriven

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
    """

    __slots__ = ("_decode", "_id", "_wiring")

    def __init__(self, job_id: JobId, wiring: Wiring, decode: Callable[[str], Any]) -> None:
        self._id = job_id
        self._wiring = wiring
        self._decode = decode

    @property
    def id(self) -> UUID:
        """Its id, made by the producer."""
        return UUID(bytes=self._id)

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

    def attempts(self) -> list[Attempt]:
        """Its ended attempts, oldest first."""
        return self._wiring.store.read(lambda: look.attempts(self._id))

    async def aattempts(self) -> list[Attempt]:
        """`attempts` for a caller on an event loop."""
        return await self._wiring.store.read_async(lambda: look.attempts(self._id))

    def result(self, timeout: timedelta | str | None = None) -> R:
        """Wait until it has ended and give back what the task returned.

        Args:
            timeout: Longest wait; None waits for ever. The job goes on in any case.

        Raises:
            ResultTimeout: it had not ended in time.
            JobDead, JobCancelled: it ended so; the message has the reason.
            ResultUnstorable: it succeeded, but its result could not be stored.
            JobNotFound: there is no such job (any more).
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

    def redrive(self) -> None:
        """Send a dead or cancelled job back to be run again, with fresh counts; its epoch and
        its history are kept.

        Raises IllegalMove when it is in another state, JobNotFound.
        """
        self._redriven(self._wiring.store.write(lambda: operate.redrive(self._id)))

    async def aredrive(self) -> None:
        """`redrive` for a caller on an event loop."""
        self._redriven(await self._wiring.store.write_async(lambda: operate.redrive(self._id)))

    def _redriven(self, done: Redriven | None) -> None:
        if not (found := self._found(done)).done:
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

    def _found(self, found: F | None) -> F:
        if found is None:
            raise JobNotFound(f"there is no job {self.id} in {self._wiring.store.url}")
        return found


def _reason(reason: object) -> str:
    """A caller's own words, as the store can keep them. Raises InvalidOption for none."""
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidOption(f"reason must say in words why the job is cancelled; got {reason!r}")
    return storable(reason)


def _why(record: JobRecord) -> str:
    reason = record.reason or record.state
    said = record.error.message if record.error else ""
    return reason if said in ("", reason) else f"{reason}: {said}"
