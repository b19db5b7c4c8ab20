"""What one running job says, on the worker's side: kept until the reporter has taken it down."""

import asyncio
import threading
import time
from collections.abc import Callable

from jobhost.errors import LeaseLost, UsageError
from jobhost.host.wiring import Wiring
from jobhost.jobs.notes import Told
from jobhost.store.plan import Plan
from jobhost.store.plans import notes as plans
from jobhost.worker.execution import Execution
from jobhost.worker.job_logs import LogBook, Page
from jobhost.worker.reporter import Reporter


class JobNotes:
    """The notes of one execution; see `host.notes.Notes`, and `reporter.Source`.

    Args:
        execution: The running job.
        wiring: Its host's store and limits.
        reporter: Who takes down what needs no answer.
    """

    def __init__(self, execution: Execution, wiring: Wiring, reporter: Reporter) -> None:
        self._execution = execution
        self._wiring = wiring
        self.reporter = reporter
        self._lock = threading.Lock()
        self._told: Told | None = None
        self._book: LogBook | None = None
        self._on_its_way = False
        self._has_more = False
        self.bytes_max = wiring.payload_bytes_max

    @property
    def has_news(self) -> bool:
        """Whether something is not written yet."""
        return self._has_more or self._on_its_way

    def tell(self, told: Told) -> None:
        """How far the job has come."""
        with self._lock:
            self._told = told
            self._has_more = True
        self.reporter.hear(self)

    def beat(self) -> None:
        """A sign of life."""
        self._execution.beat_at = time.monotonic()

    def log(self, written_at: int, level: str, source: str, message: str) -> None:
        """A line of its log."""
        with self._lock:
            if self._book is None:
                self._book = LogBook()
            self._book.add(written_at, level, source, message)
            self._has_more = True
        self.reporter.hear(self)

    def take(self) -> plans.Notes | None:
        """What is new, for the reporter."""
        with self._lock:
            self._on_its_way = True  # first: who asks in between must not hear that all is written
            self._has_more = False
            told, self._told = self._told, None
            page = Page((), None) if self._book is None else self._book.take()
            if told is None and not page.lines and page.dropped is None:
                self._on_its_way = False
                return None
            return plans.Notes(*self._execution.key, told, page.lines, page.dropped)

    def written(self, notes: plans.Notes) -> None:
        """That is in the store."""
        self._on_its_way = False

    def put_back(self, notes: plans.Notes) -> None:
        """That is not: it is new again."""
        with self._lock:
            self._on_its_way, self._has_more = False, True
            self._told = self._told or notes.told
            if self._book is not None:
                self._book.put_back(Page(notes.lines, notes.dropped))

    def save_checkpoint(self, state: str) -> None:
        """Keep this for the next attempt."""
        self._save(lambda: plans.save_checkpoint(*self._execution.key, state), "acheckpoint")

    async def asave_checkpoint(self, state: str) -> None:
        """`save_checkpoint` on an event loop."""
        await self._asave(lambda: plans.save_checkpoint(*self._execution.key, state))

    def checkpoint(self) -> str | None:
        """What was kept."""
        _refuse_on_loop("alast_checkpoint")
        return self._wiring.store.read(lambda: plans.checkpoint_of(self._execution.key[0]))

    async def acheckpoint(self) -> str | None:
        """`checkpoint` on an event loop."""
        job, _ = self._execution.key
        return await self._wiring.store.read_async(lambda: plans.checkpoint_of(job))

    def encode(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """The payload of a call of the job's task."""
        return self._execution.task.signature.encode(args, kwargs, self.bytes_max)

    def save_payload(self, payload: str) -> None:
        """Have the next delivery get this."""
        self._save(lambda: self._replace(payload), "aupdate_payload")

    async def asave_payload(self, payload: str) -> None:
        """`save_payload` on an event loop."""
        await self._asave(lambda: self._replace(payload))

    def _replace(self, payload: str) -> Plan[bool]:
        """What this program has encoded is of its own version."""
        execution = self._execution
        known = execution.task.past.version
        version = None if execution.version == known else known
        return plans.replace_payload(*execution.key, payload, version=version)

    def _save(self, make: Callable[[], Plan[bool]], on_loop: str) -> None:
        _refuse_on_loop(on_loop)
        self._require(self._wiring.store.write(make))

    async def _asave(self, make: Callable[[], Plan[bool]]) -> None:
        self._require(await self._wiring.store.write_async(make))

    def _require(self, kept: bool) -> None:  # noqa: FBT001 - the one answer of the store
        if not kept:
            raise LeaseLost(
                "nothing was kept: this attempt has lost its job to another worker, or has ended"
            )


def _refuse_on_loop(instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(f"this would block the event loop: write 'await current_job().{instead}(...)'")
