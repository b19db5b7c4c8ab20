"""Keys as a program uses them: declared with a task, given with a call, on both stores."""

import asyncio
import json
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from postgres_server import connect

from jobhost import JobHost, Options, Task
from jobhost.clock import ManualClock
from jobhost.errors import (
    IdempotencyConflict,
    IllegalMove,
    InvalidOption,
    KeyConflict,
    UniqueKeyTaken,
)
from jobhost.jobs.states import State

HANG_SECONDS = 300.0
"""Only ends a test that hangs."""


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest) -> str:
    """Of a store that is there, on each of the stores."""
    kind = {"sqlite": "url", "postgres": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(kind)
    with JobHost(url) as host:
        host.migrate()
    return url


@pytest.fixture
def keyed(address: str) -> Iterator[JobHost]:
    """A host with some tasks that have keys, on a clock that stands still."""
    with JobHost(address, clock=ManualClock()) as host:

        @host.task(unique="report-{day}")
        def report(day: str, width: int = 80) -> str:
            return f"{day} {width}"

        @host.task(idempotency_key="order-{order}")
        def charge(order: int, amount: int = 0) -> int:
            return amount

        @host.task
        def plain(number: int = 0) -> int:
            return number

        yield host


def task(host: JobHost, name: str) -> Task[..., Any, Any]:
    return host.tasks.get(name)


# --- what a key is made of


def test_a_template_of_the_declaration_is_filled_from_the_arguments(keyed: JobHost) -> None:
    report = task(keyed, "report")
    first, same, other = report.enqueue("mon"), report.enqueue(day="mon"), report.enqueue("tue")
    assert (first.is_new, same.is_new, other.is_new) == (True, False, True)
    assert (first == same, first == other) == (True, False)
    assert first.status().envelope.unique == ("report-mon", False)


def test_templates_see_values_as_the_task_does_with_defaults_and_formats(address: str) -> None:
    with JobHost(address) as host:

        @host.task(unique="{day:%Y-%m}/{item[size]}/{wide}/{{x}}")
        def report(day: date, item: dict[str, int], wide: bool = False) -> None: ...

        job = report.enqueue(date(2030, 1, 31), {"size": 7})
        assert job.status().envelope.unique == ("2030-01/7/False/{x}", False)
        assert not report.enqueue("2030-01-02", {"size": 7}, wide=False).is_new  # type: ignore[arg-type]


def test_a_function_of_the_arguments_gives_the_key_or_none(address: str) -> None:
    with JobHost(address) as host:

        @host.task(unique=lambda path, force=False: None if force else path.rpartition("/")[0])
        def scan(path: str, force: bool = False) -> None: ...

        jobs = scan.enqueue_many([("a/1",), ("a/2",), ("b/1",), ("a/3", True), ("a/4", True)])
        assert [job.is_new for job in jobs] == [True, False, True, True, True]
        assert jobs[3].status().envelope.unique is None


def test_in_a_call_the_text_is_the_key_itself(keyed: JobHost) -> None:
    plain = task(keyed, "plain")
    first = plain.using(unique="{odd} %s ünï").enqueue(1)
    again = plain.using(unique="{odd} %s ünï").enqueue(2)
    assert first == again
    assert task(keyed, "report").using(unique="other").enqueue("mon").is_new
    assert task(keyed, "report").enqueue("mon").is_new


def test_a_call_changes_the_policy_of_a_declared_key(keyed: JobHost) -> None:
    report = task(keyed, "report")
    first = report.enqueue("mon", 1)
    with pytest.raises(UniqueKeyTaken, match=str(first.id)) as caught:
        report.using(on_taken="raise").enqueue("mon", 2)
    assert caught.value.job_id == first.id
    report.using(on_taken="replace").enqueue("mon", 3)
    assert json.loads(first.status().payload) == {"day": "mon", "width": 3}


def test_a_key_goes_with_a_delay_and_an_instant(keyed: JobHost) -> None:
    report = task(keyed, "report")
    later = report.using(delay="1h").enqueue("mon")
    assert later.status().state is State.SCHEDULED
    at = datetime(2031, 1, 1, tzinfo=UTC)
    assert report.using(run_at=at).enqueue("mon") == later
    assert report.using(run_at=at).enqueue("tue").status().due_at == at


def test_the_handle_says_whether_the_call_has_made_the_job(keyed: JobHost) -> None:
    plain = task(keyed, "plain")
    job = plain.enqueue()
    assert job.is_new
    assert not keyed.job(job.id).is_new
    own = plain.using(id=uuid4())
    assert own.enqueue().is_new
    assert not own.enqueue().is_new
    assert not asyncio.run(own.aenqueue()).is_new


def test_an_own_id_and_a_key_together_are_repeated_safely(keyed: JobHost) -> None:
    job_id = uuid4()
    bound = task(keyed, "charge").using(id=job_id)
    assert bound.enqueue(1).is_new
    again = bound.enqueue(1)
    assert (again.id, again.is_new) == (job_id, False)
    other = task(keyed, "charge").using(id=uuid4()).enqueue(1)
    assert (other.id, other.is_new) == (job_id, False)
    assert len(keyed.jobs()) == 1


@pytest.mark.requirement("R-MSG-18")
def test_an_idempotency_key_gives_the_first_job_within_its_window(address: str) -> None:
    clock = ManualClock()
    with JobHost(address, clock=clock) as host:

        @host.task
        def charge(order: int) -> None: ...

        bound = charge.using(idempotency_key="hook-7", idempotency_window="1h")
        first = bound.enqueue(7)
        clock.move(timedelta(minutes=59))
        assert bound.enqueue(7) == first
        with pytest.raises(IdempotencyConflict) as caught:
            bound.enqueue(8)
        assert caught.value.job_id == first.id
        clock.move(timedelta(minutes=1))
        assert bound.enqueue(8).is_new


def test_the_errors_have_one_base_and_survive_a_pickle(keyed: JobHost) -> None:
    job = task(keyed, "charge").enqueue(1, 1)
    with pytest.raises(KeyConflict) as caught:
        task(keyed, "charge").enqueue(1, 2)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (IdempotencyConflict, str(caught.value))
    assert copy.job_id == job.id


def test_many_calls_have_each_its_own_key_on_a_loop_too(keyed: JobHost) -> None:
    report = task(keyed, "report")
    calls = [(f"day{at % 700}",) for at in range(1500)]
    made = report.enqueue_many(calls)
    assert len({job.id for job in made}) == 700
    assert sum(job.is_new for job in made) == 700
    again = asyncio.run(report.aenqueue_many(iter(calls)))
    assert [job.id for job in again] == [job.id for job in made]
    assert not any(job.is_new for job in again)


def test_debounced_calls_become_one_job_with_the_last_payload(address: str) -> None:
    clock = ManualClock()
    with JobHost(address, clock=clock) as host:

        @host.task(unique="{name}", debounce="5s", debounce_max="8s")
        def save(name: str, text: str) -> str:
            return text

        start = clock.now()
        jobs = []
        for text in "abcde":
            jobs.append(save.enqueue("x", text))
            clock.move(timedelta(seconds=2))
        assert len({job.id for job in jobs}) == 1
        due_at = jobs[0].status().due_at
        assert due_at is not None
        assert int(due_at.timestamp()) * 1_000_000 == start + 8_000_000
        host.worker(burst=True).run()
        assert jobs[0].result("0s") == "e"
        assert save.enqueue("x", "f").is_new


def test_throttled_calls_run_once_in_a_window(address: str) -> None:
    clock = ManualClock()
    with JobHost(address, clock=clock) as host:

        @host.task(unique="poll", throttle="1m")
        def poll() -> None: ...

        first = poll.enqueue()
        host.worker(burst=True).run()
        assert first.status().state is State.SUCCEEDED
        assert poll.enqueue() == first
        clock.move(timedelta(minutes=1))
        assert poll.enqueue().is_new


def test_a_redrive_into_a_taken_key_names_the_holder(keyed: JobHost) -> None:
    report = task(keyed, "report")
    first = report.enqueue("mon")
    first.cancel()
    holder = report.enqueue("mon")
    with pytest.raises(UniqueKeyTaken, match=str(holder.id)) as caught:
        first.redrive()
    assert caught.value.job_id == holder.id
    with pytest.raises(UniqueKeyTaken):
        asyncio.run(first.aredrive())
    with pytest.raises(IllegalMove):
        holder.redrive()
    holder.cancel()
    first.redrive()
    assert report.enqueue("mon") == first


def test_the_key_of_a_job_that_another_job_enqueues_is_its_own(keyed: JobHost) -> None:
    report = task(keyed, "report")

    @keyed.task
    def begin() -> list[bool]:
        return [report.enqueue("mon").is_new, report.enqueue("mon").is_new]

    job = begin.enqueue()
    keyed.worker(burst=True, concurrency=1).run()  # none of them runs meanwhile
    assert job.result("0s") == [True, False]


# --- many at the same time


def at_once(count: int, call: Callable[[], Any]) -> list[Any]:
    """What a call gives in so many threads, all let go together."""
    gate = threading.Barrier(count)

    def pass_gate() -> Any:
        gate.wait(HANG_SECONDS)
        return call()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(pass_gate) for _ in range(count)]
        return [future.result(HANG_SECONDS) for future in futures]


@pytest.mark.parametrize("name", ["report", "charge"])
def test_two_hundred_threads_with_one_key_make_one_job_and_all_get_it(
    keyed: JobHost, name: str
) -> None:
    jobs = at_once(200, lambda: task(keyed, name).enqueue(7 if name == "charge" else "mon"))
    assert len({job.id for job in jobs}) == 1
    assert sum(job.is_new for job in jobs) == 1
    assert len(keyed.jobs()) == 1


PROGRAM = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from jobhost import JobHost

host = JobHost(sys.argv[1])

@host.task(unique="u-{number}")
def report(number: int) -> None: ...

@host.task(idempotency_key="i-{number}")
def charge(number: int) -> None: ...

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(50) as pool:
    calls = [pool.submit(task.enqueue, at) for at in range(2) for task in (report, charge)
             for _ in range(13)]
    for call in calls:
        job = call.result()
        print(job.status().task, job.status().payload, job.id, job.is_new)
host.close()
"""


def test_threads_of_several_processes_with_one_key_make_one_job(address: str) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    lines = []
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        out, err = program.communicate(timeout=HANG_SECONDS)
        assert (program.returncode, err) == (0, "")
        lines += [line.split() for line in out.splitlines()]
    assert len(lines) == 4 * 52
    assert len({tuple(line[:3]) for line in lines}) == 4
    assert sum(line[3] == "True" for line in lines) == 4
    with JobHost(address) as host:
        assert len(host.jobs()) == 4


# --- in a transaction of the caller's own


@pytest.fixture
def raw(address: str) -> Iterator[Any]:
    """A connection of the caller's own to the store's database, which begins by itself."""
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection:
            yield connection
        return
    with connect() as connection:
        connection.autocommit = False
        yield connection
        connection.rollback()


def test_a_key_in_the_callers_transaction_counts_if_and_only_if_it_commits(
    keyed: JobHost, raw: Any
) -> None:
    report = task(keyed, "report")
    first = report.enqueue_with(raw, "mon")
    assert first.is_new
    assert report.enqueue_with(raw, "mon") == first
    raw.rollback()
    second = report.enqueue("mon")
    assert second.is_new
    [joined, other] = report.enqueue_many_with(raw, [("mon",), ("tue",)])
    raw.commit()
    assert (joined == second, joined.is_new, other.is_new) == (True, False, True)
    assert {job.id for job in keyed.jobs()} == {second.id, other.id}


def test_a_conflict_leaves_the_callers_transaction_as_good_as_before(
    keyed: JobHost, raw: Any
) -> None:
    report, charge = task(keyed, "report"), task(keyed, "charge")
    report.enqueue("mon")
    charge.enqueue(1, 1)
    with pytest.raises(UniqueKeyTaken):
        report.using(on_taken="raise").enqueue_with(raw, "mon")
    with pytest.raises(IdempotencyConflict):
        charge.enqueue_with(raw, 1, 2)
    with pytest.raises(UniqueKeyTaken):
        report.using(on_taken="raise").enqueue_many_with(raw, [("new",), ("mon",)])
    made = report.enqueue_with(raw, "new")
    raw.commit()
    assert made.is_new
    assert len(keyed.jobs()) == 3


def test_a_payload_replaced_in_the_callers_transaction_is_so_if_and_only_if_it_commits(
    keyed: JobHost, raw: Any
) -> None:
    report = task(keyed, "report").using(on_taken="replace")
    first = report.enqueue("mon", 1)
    report.enqueue_with(raw, "mon", 2)
    raw.rollback()
    assert json.loads(first.status().payload)["width"] == 1
    report.enqueue_with(raw, "mon", 3)
    raw.commit()
    keyed.worker(burst=True).run()
    assert first.result("0s") == "mon 3"


# --- what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unique": ""}, "unique is empty"),
        ({"unique": "  "}, "unique is empty"),
        ({"unique": 7}, "unique must be text"),
        ({"unique": "a\0"}, "printable"),
        ({"idempotency_key": "x" * 256}, "may have 255 characters, and this one has 256"),
        ({"idempotency_window": "8d"}, "at most 7d"),
        ({"idempotency_window": "0s"}, "longer than 0"),
        ({"idempotency_window": 60}, "idempotency_window must be a timedelta or text"),
        ({"unique_until": "never"}, "unique_until must be 'start' or 'end'"),
        ({"on_taken": "drop"}, "on_taken must be 'return' or 'raise' or 'replace'"),
        ({"debounce": "8d", "unique": "k"}, "at most 7d"),
        ({"debounce": "5s", "unique": "k", "delay": "1m"}, "debounce or delay, not both"),
        (
            {"debounce": "5s", "unique": "k", "run_at": datetime(2030, 1, 1, tzinfo=UTC)},
            "debounce or run_at, not both",
        ),
        ({"debounce": "5s", "unique": "k", "throttle": "1m"}, "debounce or throttle, not both"),
        ({"debounce": "5s", "unique": "k", "unique_until": "end"}, "debounce goes with"),
        ({"debounce": "5s", "unique": "k", "on_taken": "raise"}, "debounce goes with"),
        ({"debounce": "5s", "unique": "k", "debounce_max": "4s"}, "at least as long"),
        ({"throttle": "5s", "unique": "k", "on_taken": "replace"}, "no payload to replace"),
        ({"debounce": "5s"}, "debounce needs a unique key"),
        ({"throttle": "5s"}, "throttle needs a unique key"),
        ({"unique": "k", "debounce_max": "5s"}, "give debounce as well"),
        ({"unique": "n-{number}"}, "would not be filled"),
        ({"unique": lambda number: 7}, "must be text; got 7"),
        ({"unique": lambda number: "x" * 300}, "may have 255 characters"),
    ],
)
def test_wrong_keys_are_refused_in_words(
    host: JobHost, options: dict[str, Any], words: str
) -> None:
    @host.task
    def plain(number: int) -> None: ...

    with pytest.raises(InvalidOption, match=words):
        plain.using(**options).enqueue(1)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{nunber}", "did you mean 'number'"),
        ("{}", "no parameter of the task"),
        ("{number", "no template"),
        ("", "empty"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_where_it_is_declared(
    host: JobHost, template: str, words: str
) -> None:
    with pytest.raises(InvalidOption, match=words):

        @host.task(unique=template)
        def plain(number: int) -> None: ...


def test_a_template_that_cannot_be_filled_is_refused_with_the_call(host: JobHost) -> None:
    @host.task(unique="{number:%Y}")
    def plain(number: int) -> None: ...

    with pytest.raises(InvalidOption, match="cannot be filled from these arguments"):
        plain.enqueue(1)


def test_a_key_filled_with_too_much_is_refused(host: JobHost) -> None:
    @host.task(idempotency_key="{text}")
    def plain(text: str) -> None: ...

    with pytest.raises(InvalidOption, match=r"filled from '\{text\}'.*255.*sha256"):
        plain.enqueue("x" * 256)
    with pytest.raises(InvalidOption, match="empty"):
        plain.enqueue("")


@pytest.mark.parametrize("name", ["unique", "idempotency_key"])
def test_one_key_for_many_jobs_is_refused(host: JobHost, name: str) -> None:
    @host.task
    def plain(number: int) -> None: ...

    with pytest.raises(InvalidOption, match=f"the same {name} to every job"):
        plain.using(**{name: "k"}).enqueue_many([(1,), (2,)])  # type: ignore[misc]


@pytest.mark.parametrize("name", ["unique", "idempotency_key"])
def test_a_key_belongs_to_a_task_and_not_to_a_host_or_a_queue(url: str, name: str) -> None:
    with JobHost(url, defaults=Options(**{name: "k"})) as host:

        @host.task
        def plain() -> None: ...

        with pytest.raises(InvalidOption, match="of a task or a call"):
            plain.enqueue()
    with JobHost(url) as host:
        host.queue("mail", **{name: "k"})  # type: ignore[misc]

        @host.task(queue="mail")
        def other() -> None: ...

        with pytest.raises(InvalidOption, match="of a task or a call"):
            other.enqueue()
