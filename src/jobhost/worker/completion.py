"""`current_job().transaction()` as the worker provides it: the task's writes and the job's
completion in one transaction, after which the worker has nothing to record.

While it is committed nobody knows yet whether the store still holds the job, so the store
thread then draws no conclusions (`Execution.completing`). If the outcome of the commit stays
unknown, the attempt is recorded as failed like any other, and the guard of that record tells: it
finds nothing to record when the commit had succeeded.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any

from jobhost.errors import UsageError
from jobhost.host.transaction import JobTransaction
from jobhost.host.wiring import Wiring
from jobhost.jobs.outcomes import COMPLETED
from jobhost.jobs.records import Ended
from jobhost.worker.execution import Execution


class Completion:
    """One use of it; see `host.transaction.Completion`.

    Args:
        execution: The running job.
        wiring: Its host's store.
        lease_seconds: Of the worker.
    """

    def __init__(self, execution: Execution, wiring: Wiring, *, lease_seconds: float) -> None:
        self._execution = execution
        self._wiring = wiring
        self._lease_seconds = lease_seconds
        self._inner: AbstractContextManager[Any] | None = None
        self._inner_async: AbstractAsyncContextManager[Any] | None = None
        self._transaction: JobTransaction[Any] = JobTransaction(None)

    def __enter__(self) -> JobTransaction[Any]:
        self._refuse_second()
        if _on_event_loop():
            raise UsageError(
                "'with current_job().transaction()' would block the event loop: write 'async with'"
            )
        self._inner = self._wiring.store.completing(self._finish, lease_seconds=self._lease_seconds)
        self._transaction.connection = self._inner.__enter__()
        return self._transaction

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if self._inner is not None:
                self._inner.__exit__(kind, error, at)
        except BaseException:
            self._execution.completing = self._execution.completed
            raise
        if error is None:
            self._execution.completed = True

    async def __aenter__(self) -> JobTransaction[Any]:
        self._refuse_second()
        self._inner_async = self._wiring.store.completing_async(
            self._finish, lease_seconds=self._lease_seconds
        )
        self._transaction.connection = await self._inner_async.__aenter__()
        return self._transaction

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if self._inner_async is not None:
                await self._inner_async.__aexit__(kind, error, at)
        except BaseException:
            self._execution.completing = self._execution.completed
            raise
        if error is None:
            self._execution.completed = True

    def _finish(self) -> Ended:
        """The job's end, about to be committed. Not a second time, after that of a block within."""
        self._refuse_second()
        execution, result = self._execution, self._transaction.result
        text = execution.task.signature.encode_result(result, self._wiring.payload_bytes_max)
        execution.completing = True
        execution.result = result
        return execution.ended(COMPLETED, text)

    def _refuse_second(self) -> None:
        if self._execution.completed:
            raise UsageError(
                "this job completed with its first transaction: a job completes once, so do "
                "all its writes in that one; nothing of this one is kept"
            )


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
