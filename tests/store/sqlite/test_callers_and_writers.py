"""A caller's transaction beside the other writers of the file, in processes of their own.

The caller holds SQLite's lock from its first write to its commit, and nothing of ours can take it
away: what is ours waits for it, and is neither lost nor stuck afterwards.
"""

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobhost import JobHost, StoreBusy, Task
from jobhost.events import StoreTrouble
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.turnstile import Turnstile

from .locks import wait_until_held, wait_until_queued
from .programs import Program

Pack = Task[[str], str, str]
Query = Callable[[str], list[tuple[Any, ...]]]

CALLER = """
import sqlite3
from jobhost import JobHost

path, timeout = sys.argv[1], float(sys.argv[2])
host = JobHost(f"sqlite:///{path}")

@host.task
def pack(order: str) -> str: ...

caller = sqlite3.connect(path, timeout=timeout)
say("up")
while (word := hear()) not in ("", "end"):
    try:
        if word == "enqueue":
            pack.enqueue_with(caller, "from the caller")
        elif word == "enqueue plainly":
            pack.enqueue("plain")
        else:
            getattr(caller, word)()
        say(word)
    except Exception as error:
        say(type(error).__name__)
caller.close()
host.close()
"""


@pytest.fixture
def host(path: Path) -> Iterator[JobHost]:
    with JobHost(f"sqlite:///{path}") as host:
        host.migrate()
        yield host


@pytest.fixture
def pack(host: JobHost) -> Pack:
    @host.task
    def pack(order: str) -> str:
        return f"packed {order}"

    return pack


@pytest.fixture
def caller(path: Path, host: JobHost) -> Iterator[Program]:
    """A program with a connection of its own; it does what it is told."""
    with Program(CALLER, path, 60.0) as program:
        assert program.hear() == "up"
        yield program


def ask(program: Program, word: str) -> None:
    program.say(word)
    assert program.hear() == word


@contextmanager
def serving(host: JobHost, troubles: list[Any] | None = None) -> Iterator[None]:
    """A worker in a thread of this process while the block lasts."""
    worker = host.worker(concurrency=2)
    worker.events.subscribe(StoreTrouble, ([] if troubles is None else troubles).append)
    thread = threading.Thread(target=worker.run, name="worker-under-test")
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.mark.requirement("R-EVT-3")
def test_an_idle_worker_of_another_process_waits_for_the_commit_and_starts_the_job(
    path: Path, host: JobHost, pack: Pack, caller: Program
) -> None:
    floor = path.with_name(path.name + "-run") / "floor"
    troubles: list[StoreTrouble] = []
    with serving(host, troubles):
        pack.enqueue("first, so that the worker is idle").result("60s")
        ask(caller, "enqueue")
        wait_until_held(floor)  # the bell has rung: the worker stands behind the caller
        assert len(host.jobs()) == 1
        ask(caller, "commit")
        job = next(job for job in host.jobs() if "caller" in job.payload)
        assert host.job(job.id).result("60s") == "packed from the caller"
    assert troubles == []


def test_a_rollback_leaves_no_job_and_lets_the_others_in(
    path: Path, host: JobHost, pack: Pack, caller: Program
) -> None:
    with serving(host):
        pack.enqueue("first").result("60s")
        ask(caller, "enqueue")
        wait_until_held(path.with_name(path.name + "-run") / "floor")
        ask(caller, "rollback")
        assert pack.enqueue("next").result("60s") == "packed next"
    assert not any("caller" in job.payload for job in host.jobs())


def test_a_caller_that_is_killed_leaves_no_job_and_lets_the_others_in(
    path: Path, host: JobHost, pack: Pack, caller: Program
) -> None:
    with serving(host):
        pack.enqueue("first").result("60s")
        ask(caller, "enqueue")
        wait_until_held(path.with_name(path.name + "-run") / "floor")
        caller.signal(signal.SIGKILL)
        assert pack.enqueue("next").result("60s") == "packed next"
    assert not any("caller" in job.payload for job in host.jobs())


def test_an_abandoned_connection_leaves_no_job_and_lets_the_others_in(
    path: Path, host: JobHost, pack: Pack, caller: Program
) -> None:
    ask(caller, "enqueue")
    ask(caller, "close")
    pack.enqueue("next")
    assert [job.payload for job in host.jobs()] == ['{"order":"next"}']


def test_a_producer_waits_for_the_caller(
    path: Path, host: JobHost, pack: Pack, caller: Program
) -> None:
    ask(caller, "enqueue")
    producer = threading.Thread(target=pack.enqueue, args=("meanwhile",))
    producer.start()
    wait_until_held(path.with_name(path.name + "-run") / "floor")
    assert host.jobs() == []
    ask(caller, "commit")
    producer.join(timeout=60)
    assert {job.payload for job in host.jobs()} == {
        '{"order":"from the caller"}',
        '{"order":"meanwhile"}',
    }


def test_a_caller_without_a_transaction_queues_for_its_turn_as_all_writers_do(
    path: Path, host: JobHost, caller: Program
) -> None:
    turnstile = Turnstile(path.with_name(path.name + "-run"))
    turnstile.enter(Patience(60).wait())
    try:
        other = Program(CALLER, path, 60.0)
        with other:
            assert other.hear() == "up"
            caller.say("enqueue")
            wait_until_held(path.with_name(path.name + "-run") / "gate")
            other.say("enqueue")
            wait_until_queued(other.pid)
            turnstile.leave()
            assert caller.hear() == "enqueue"
            ask(caller, "commit")
            assert other.hear() == "enqueue"
            ask(other, "commit")
    finally:
        turnstile.close()
    assert len(host.jobs()) == 2


def test_a_caller_that_has_begun_does_not_stand_behind_those_who_wait_for_it(
    path: Path, host: JobHost, pack: Pack, caller: Program
) -> None:
    ask(caller, "enqueue")
    producer = threading.Thread(target=pack.enqueue, args=("meanwhile",))
    producer.start()
    wait_until_held(path.with_name(path.name + "-run") / "floor")
    ask(caller, "enqueue")
    ask(caller, "commit")
    producer.join(timeout=60)
    assert len(host.jobs()) == 3


def test_a_caller_waits_no_longer_than_its_connection_does(path: Path, host: JobHost) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with Program(CALLER, path, 0.05) as impatient:
            assert impatient.hear() == "up"
            impatient.say("enqueue")
            assert impatient.hear() == "StoreBusy"
            stranger.execute("COMMIT")
            ask(impatient, "enqueue")
            ask(impatient, "commit")
    assert len(host.jobs()) == 1


def test_a_turn_that_is_not_had_in_time_is_busy_and_begins_nothing(
    path: Path, host: JobHost, pack: Pack
) -> None:
    turnstile = Turnstile(path.with_name(path.name + "-run"))
    turnstile.enter(Patience(60).wait())
    try:
        with closing(sqlite3.connect(path, timeout=0.05)) as caller:
            with pytest.raises(StoreBusy):
                pack.enqueue_with(caller, "a")
            assert not caller.in_transaction
            turnstile.leave()
            pack.enqueue_with(caller, "b")
            caller.commit()
    finally:
        turnstile.close()
    assert [job.payload for job in host.jobs()] == ['{"order":"b"}']


def test_an_enqueue_that_was_not_announced_wakes_nobody(
    path: Path, host: JobHost, pack: Pack
) -> None:
    bell = host.store.listen("nobody")
    try:
        with closing(sqlite3.connect(path)) as caller:
            pack.enqueue_many_with(caller, [])
            assert not bell.wait(0)
            pack.enqueue_with(caller, "a")
            assert bell.wait(60)
    finally:
        bell.close()
