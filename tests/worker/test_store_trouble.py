"""Stores that fail in the middle: nothing is lost, and the worker goes on.

The faults are real where a test can make them. For a broken connection, which a file does
not have, an injector around the real session raises before the work or after its commit.
"""

import random
import resource
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobhost import JobHost, State, StoreUnavailable
from jobhost.events import StoreTrouble
from jobhost.store.plans.cycle import CycleReport
from jobhost.worker import store_loop

PATIENCE = "60s"
LONG = "10m"

Fault = Callable[[str, Any], bool]
"""Asked with "before" or "after", and what the plan gave; whether the connection breaks."""


class _Session:
    def __init__(self, session: Any, store: "_BreakingStore") -> None:
        self._session = session
        self._store = store

    def write(self, make: Callable[[], Any]) -> Any:
        self._store.perhaps_break("before", None)
        result = self._session.write(make)
        self._store.perhaps_break("after", result)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class _BreakingStore:
    """A real store whose sessions break on the store thread when `fault` says so."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.fault: Fault | None = None
        self.broken = 0

    def session(self, *, apart: bool = True) -> _Session:
        return _Session(self._store.session(apart=apart), self)

    def perhaps_break(self, when: str, result: Any) -> None:
        on_store_thread = threading.current_thread().name == "jobhost-store-loop"
        if on_store_thread and self.fault is not None and self.fault(when, result):
            self.broken += 1
            raise StoreUnavailable(f"the connection broke {when} the commit")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def breaking(host: JobHost) -> _BreakingStore:
    store = host._wiring._store = _BreakingStore(host.store)
    return store


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_loop, "_BACK_OFF_SECONDS", (0.0, 0.0))


def _once(when: str, wanted: Callable[[Any], bool] = lambda _: True) -> Fault:
    armed = [True]

    def fault(now: str, result: Any) -> bool:
        if armed and now == when and wanted(result):
            armed.pop()
            return True
        return False

    return fault


def _claimed(result: Any) -> bool:
    return isinstance(result, CycleReport) and bool(result.claimed)


def _recorded(result: Any) -> bool:
    return isinstance(result, CycleReport)


# --- The answer of the store is lost


@pytest.mark.stores("sqlite", "postgres")
def test_jobs_claimed_by_an_answer_that_was_never_read_are_handed_back_uncharged(
    host, breaking, working
):
    starts = []

    @host.task
    def note(number: int) -> int:
        starts.append(number)
        return number

    breaking.fault = _once("after", _claimed)
    jobs = note.enqueue_many([(n,) for n in range(3)])
    with working(host.worker(lease=LONG, poll="1h")):
        assert [job.result(PATIENCE) for job in jobs] == list(range(3))

    assert breaking.broken == 1
    assert sorted(starts) == list(range(3))
    for job in jobs:
        assert [attempt.outcome for attempt in job.attempts()] == ["released", "succeeded"]
        assert (job.status().deliveries, job.status().failures, job.status().crashes) == (2, 0, 0)


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_end_whose_record_is_in_doubt_is_recorded_once(host, breaking, until, working, when):
    running, go = threading.Event(), threading.Event()

    @host.task
    def hold() -> str:
        running.set()
        go.wait(60)
        return "done"

    job = hold.enqueue()
    with working(host.worker(lease=LONG, poll="1h")):
        assert running.wait(60)
        breaking.fault = _once(when, _recorded if when == "after" else lambda _: True)
        go.set()
        assert job.result(PATIENCE) == "done"
        until(lambda: breaking.broken)

    assert [attempt.outcome for attempt in job.attempts()] == ["succeeded"]
    assert job.status().deliveries == 1


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.parametrize("seed", range(3))
def test_a_connection_that_breaks_all_the_time_loses_nothing_and_doubles_nothing(
    host, breaking, quick_retries, working, seed
):
    dice, starts, mutex = random.Random(seed), [], threading.Lock()

    @host.task
    def plain(number: int) -> int:
        with mutex:
            starts.append(number)
        return number

    @host.task
    async def on_loop(number: int) -> int:
        return plain(number)

    breaking.fault = lambda when, result: dice.random() < 0.4
    jobs = [(plain, on_loop)[n % 2].enqueue(n) for n in range(150)]
    with working(host.worker(lease=LONG, concurrency=4)):
        assert [job.result(PATIENCE) for job in jobs] == list(range(150))
        breaking.fault = None

    assert breaking.broken >= 5
    assert sorted(starts) == list(range(150))
    for job in jobs:
        outcomes = [attempt.outcome for attempt in job.attempts()]
        assert outcomes == ["released"] * (len(outcomes) - 1) + ["succeeded"]


@pytest.mark.stores("sqlite", "postgres")
def test_an_outage_of_any_length_is_survived(host, breaking, quick_retries, until, working):
    @host.task
    def hello() -> str:
        return "hello"

    job = hello.enqueue()
    breaking.fault = lambda when, result: when == "before"
    with working(host.worker()):
        until(lambda: breaking.broken > 1200)
        breaking.fault = None
        assert job.result(PATIENCE) == "hello"


@pytest.mark.stores("sqlite", "postgres")
def test_the_pause_after_a_failure_grows_and_is_bounded(host, breaking, until, working):
    @host.task
    def hello() -> str:
        return "hello"

    pauses = []
    worker = host.worker()
    worker.events.subscribe(StoreTrouble, lambda event: pauses.append(event.retry_seconds))
    breaking.fault = lambda when, result: when == "before" and len(pauses) < 4
    job = hello.enqueue()
    with working(worker):
        assert job.result(PATIENCE) == "hello"

    lowest, highest = [0.05, 0.1, 0.2, 0.4], [0.1, 0.2, 0.4, 0.8]
    bounds = zip(lowest, pauses[:4], highest, strict=True)
    assert all(low <= pause <= high for low, pause, high in bounds)


@pytest.mark.stores("sqlite", "postgres")
def test_a_store_that_is_gone_for_good_does_not_keep_a_worker_from_stopping(
    host, breaking, until, working
):
    @host.task
    def hello() -> None: ...

    breaking.fault = lambda when, result: when == "before"
    worker = host.worker(stopping_wait_time="0s")
    with working(worker) as thread:
        until(lambda: breaking.broken)
        worker.stop()
        thread.wait()


@pytest.mark.stores("sqlite", "postgres")
def test_what_breaks_the_store_thread_itself_is_raised_where_the_worker_runs(host):
    @host.task
    def hello() -> None: ...

    def broken_plan(node: int) -> Any:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        host.worker().run(first=broken_plan)


# --- The file


def test_a_foreign_lock_held_past_the_patience_delays_but_loses_nothing(yard, until):
    worker = yard.start(concurrency=5, lease=LONG, busy_seconds=0.1)
    names = ["a", "b", "c"]
    jobs = [yard.chores.hold.enqueue(name) for name in names]
    yard.started(*names)
    waiting = yard.chores.note.using(delay="50ms").enqueue("waiting")

    with yard.locked():
        yard.go(*names)
        until(lambda: set(names) <= set(yard.ledger.names("end")))
        worker.said("StoreTrouble")

    assert {job.result(PATIENCE) for job in jobs} == {f"by {worker.pid}"}
    assert waiting.result(PATIENCE) == "waiting"
    assert {len(job.attempts()) for job in [*jobs, waiting]} == {1}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_a_disk_that_is_full_for_a_while_delays_but_loses_nothing(yard, until):
    worker = yard.start(concurrency=5, lease=LONG)
    jobs = [yard.chores.hold.enqueue(name) for name in ("a", "b")]
    yard.started("a", "b")
    for _ in range(3):
        yard.chores.note.using(delay="1h").enqueue("x" * 200_000)
    _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)

    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (300_000, hard))
    yard.go("a", "b")
    worker.said("StoreTrouble")
    until(lambda: yard.ledger.count("end") == {"a": 1, "b": 1})
    assert {job.status().state for job in jobs} == {State.RUNNING}
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (hard, hard))

    assert {job.result(PATIENCE) for job in jobs} == {f"by {worker.pid}"}
    assert {len(job.attempts()) for job in jobs} == {1}


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("replaced", [True, False])
def test_a_worker_whose_file_is_deleted_or_replaced_stops_and_says_so(yard, replaced, busy):
    worker = yard.start(lease=LONG, poll="1h")
    worker.said("WorkerStarted")
    if busy:
        yard.chores.hold.enqueue("thread")
        yard.chores.hold_async.enqueue("async")
        yard.started("thread", "async")

    file = yard.folder / "jobs.db"
    if replaced:
        with JobHost(f"sqlite:///{yard.folder}/other.db") as other:
            other.migrate()
        (yard.folder / "other.db").replace(file)
    else:
        file.unlink()

    assert worker.wait() != 0
    last = worker.log.read_text().splitlines()[-1]
    what = "replaced by another file" if replaced else "deleted or moved away"
    assert last.startswith(f"jobhost.errors.StoreGone: {file} was {what}")
    assert last.endswith(
        "could not be recorded: put the right file there, and start the process again"
    )
    assert yard.ledger.names("cancelled") == (["async"] if busy else [])
    assert not yard.ledger.names("end")
    assert file.exists() is replaced
