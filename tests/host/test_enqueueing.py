"""Handing over jobs: one or many, from code that blocks and from an event loop."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobhost import InvalidOption, InvalidPayload, Job, JobHost, Options, Retry, State
from jobhost.clock import ManualClock
from jobhost.jobs.options import UNSET
from jobhost.jobs.payload import PAYLOAD_BYTES_MAX

ENQUEUE_MANY = ["enqueue_many", "aenqueue_many"]


def run(task: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a task, awaiting it if it is of the kind that is awaited."""
    made = getattr(task, method)(*args, **kwargs)
    if not method.startswith("a"):
        return made

    async def wait() -> Any:
        return await made

    return asyncio.run(wait())


def count_jobs(host: JobHost) -> int:
    return len(host.jobs(limit=1000))


@pytest.mark.parametrize("method", ["enqueue", "aenqueue"])
def test_a_job_stands_in_the_store_when_enqueue_returns(
    host: JobHost, url: str, method: str
) -> None:
    @host.task
    def add(one: int, other: int) -> int:
        return one + other

    job: Job[int] = run(add, method, 1, other=2)
    with JobHost(url) as elsewhere:
        record = elsewhere.job(job.id).status()
    assert (record.id, record.task, record.state) == (job.id, "add", State.READY)
    assert record.payload == '{"one":1,"other":2}'
    assert (record.queue, record.priority) == ("default", 0)
    assert record.parent is None


@pytest.mark.parametrize("method", ["enqueue", "aenqueue"])
@pytest.mark.parametrize(("args", "message"), [((), "is missing"), (("x",), "got 'x'")])
def test_a_wrong_argument_fails_at_the_caller_and_no_job_is_made(
    host: JobHost, method: str, args: Any, message: str
) -> None:
    @host.task
    def square(number: int) -> int:
        return number * number

    with pytest.raises(InvalidPayload, match=rf"square\(\): argument 'number'.*{message}"):
        run(square, method, *args)
    host.migrate()
    assert count_jobs(host) == 0


@pytest.mark.parametrize("method", ENQUEUE_MANY)
def test_many_jobs_keep_their_order_over_several_batches(host: JobHost, method: str) -> None:
    @host.task
    def note(number: int, text: str = "") -> None: ...

    calls: list[Any] = [(number, "x") if number % 2 else [number] for number in range(2500)]
    jobs = run(note, method, iter(calls))
    assert len(jobs) == 2500
    assert [job.id for job in jobs] == sorted({job.id for job in jobs})
    stored = list(pages(host))
    assert [record.id for record in stored] == [job.id for job in jobs]
    assert [record.payload for record in stored[:3]] == [
        '{"number":0}',
        '{"number":1,"text":"x"}',
        '{"number":2}',
    ]


def pages(host: JobHost) -> Iterator[Any]:
    """All jobs, oldest first."""
    from jobhost.store.plans.look import Filter, list_jobs

    found: list[Any] = []
    before = None
    while True:
        wanted = Filter(limit=1000, before=before)
        page = host.store.read(lambda wanted=wanted: list_jobs(wanted))
        found += page.jobs
        if (before := page.next) is None:
            return reversed(found)


@pytest.mark.parametrize("method", ENQUEUE_MANY)
def test_all_arguments_are_checked_before_any_job_is_accepted(host: JobHost, method: str) -> None:
    @host.task
    def note(number: int) -> None: ...

    host.migrate()
    with pytest.raises(InvalidPayload, match=r"note\(\): argument 'number'.*got 'last'"):
        run(note, method, [*((number,) for number in range(2100)), ("last",)])
    assert count_jobs(host) == 0


@pytest.mark.parametrize("method", ENQUEUE_MANY)
def test_no_calls_make_no_jobs(host: JobHost, method: str, tmp_path: Path) -> None:
    @host.task
    def note(number: int) -> None: ...

    assert run(note, method, []) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ENQUEUE_MANY)
@pytest.mark.parametrize("call", [1, "a", {"number": 1}, None])
def test_a_call_that_is_no_tuple_of_arguments_is_refused(
    host: JobHost, method: str, call: Any
) -> None:
    @host.task
    def note(number: int) -> None: ...

    with pytest.raises(InvalidOption, match=r"one tuple of arguments a job.*got ") as caught:
        run(note, method, [call])
    assert repr(call) in str(caught.value)


# --- Options -------------------------------------------------------------------------------------


def test_a_job_gets_its_options_from_call_task_queue_and_host(url: str) -> None:
    defaults = Options(queue="slow", priority=-1, tags=["host"], headers={"from": "host"})
    with JobHost(url, defaults=defaults) as host:
        host.queue("slow", priority=1, tags=["queue"])

        @host.task(tags=["task"])
        def note() -> None: ...

        @host.task(queue="fast")
        def quick() -> None: ...

        record = note.enqueue().status()
        assert (record.queue, record.priority) == ("slow", 1)
        assert (record.envelope.tags, record.envelope.headers) == (("task",), {"from": "host"})
        record = note.using(priority=9, tags=[], headers={}).enqueue().status()
        assert (record.priority, record.envelope.tags, record.envelope.headers) == (9, (), {})
        record = quick.enqueue().status()
        assert (record.queue, record.priority, record.envelope.tags) == ("fast", -1, ("host",))


def test_a_job_carries_retry_and_timeout_only_when_the_call_gave_them(host: JobHost) -> None:
    @host.task(retry=Retry(max_attempts=2), timeout="1m")
    def note() -> None: ...

    plain = note.enqueue().status().envelope
    assert (plain.retry, plain.timeout_seconds) == (None, UNSET)
    own = note.using(retry=Retry(max_attempts=3), timeout=None).enqueue().status().envelope
    assert (own.retry, own.timeout_seconds) == (Retry(max_attempts=3), None)


def test_options_of_one_call_do_not_stick_to_the_task(host: JobHost) -> None:
    @host.task
    def note() -> None: ...

    bound = note.using(priority=5)
    assert bound.enqueue().status().priority == 5
    assert note.enqueue().status().priority == 0
    assert bound.enqueue_many([()])[0].status().priority == 5


def test_options_that_a_queue_gets_later_count_from_then_on(host: JobHost) -> None:
    @host.task
    def note() -> None: ...

    bound = note.using(tags=["io"])
    before = [note.enqueue(), bound.enqueue()]
    host.queue("default", priority=7)
    after = [note.enqueue(), bound.enqueue()]
    assert [job.status().priority for job in before] == [0, 0]
    assert [job.status().priority for job in after] == [7, 7]


def test_a_prepared_job_is_accepted_by_its_caller_and_not_before(host: JobHost) -> None:

    @host.task
    def note(number: int) -> None: ...

    host.migrate()
    job, batch = note.using(priority=3).triggered_by("command line").prepare(1)
    assert count_jobs(host) == 0
    assert host.store.write(lambda: host.store.hot.enqueue(batch)) == 1
    record = job.status()
    assert (record.payload, record.priority) == ('{"number":1}', 3)
    assert (record.envelope.trigger_kind, record.envelope.trigger_detail) == (
        "event",
        "command line",
    )


@pytest.mark.parametrize(
    ("options", "wait"),
    [
        ({"delay": "90s"}, timedelta(seconds=90)),
        ({"delay": timedelta(microseconds=1)}, timedelta(microseconds=1)),
        ({"run_at": datetime(2030, 1, 2, tzinfo=UTC)}, timedelta(days=1)),
    ],
)
def test_a_later_job_is_scheduled_by_the_clock_of_the_store(
    url: str, clock: ManualClock, options: Any, wait: timedelta
) -> None:
    with JobHost(url, clock=clock) as host:

        @host.task
        def note() -> None: ...

        record = note.using(**options).enqueue().status()
    assert record.state is State.SCHEDULED
    assert record.due_at == record.created_at + wait


@pytest.mark.parametrize(
    "options", [{"delay": "0s"}, {"run_at": datetime(2029, 1, 1, tzinfo=UTC)}, {}]
)
def test_a_job_that_is_due_already_does_not_wait(
    url: str, clock: ManualClock, options: Any
) -> None:
    with JobHost(url, clock=clock) as host:

        @host.task
        def note() -> None: ...

        job = note.using(**options).enqueue()
        if job.status().state is State.SCHEDULED:
            host.worker(burst=True).run()
            assert job.status().state is State.SUCCEEDED
        else:
            assert job.status().state is State.READY


# --- Limits and messages -------------------------------------------------------------------------


def test_each_host_has_its_own_payload_limit(url: str) -> None:
    text = "x" * 40
    with JobHost(url, payload_bytes_max=51) as wide, JobHost(url, payload_bytes_max=50) as narrow:

        def note(text: str) -> None: ...

        assert wide.task(note).enqueue(text).status().payload == f'{{"text":"{text}"}}'
        with pytest.raises(InvalidPayload, match=r"note\(\): .*51 bytes as JSON, the limit is 50"):
            narrow.task(note).enqueue(text)
        assert count_jobs(narrow) == 1


BODIES: list[tuple[type, Any]] = [
    (str, "an action happened"),
    (str, ""),
    (str, "Größe: 🐈 \u202e \\u0000 \x7f\x1b line\nline\r\n\ttab"),
    (str, "x" * (PAYLOAD_BYTES_MAX - len('{"body":""}'))),
    (bytes, b""),
    (bytes, bytes(range(256))),
    (dict, {"order": [1, 2.5, None, True, {"é": ""}]}),
    (dict, {}),
    (list, []),
]


@pytest.mark.requirement("R-EVT-2")
@pytest.mark.parametrize(("kind", "body"), BODIES, ids=lambda part: str(part)[:20])
def test_a_job_receives_the_body_of_its_message_unchanged(
    host: JobHost, kind: type, body: Any
) -> None:
    received: list[Any] = []

    def listen(body: Any) -> None:
        received.append(body)

    listen.__annotations__["body"] = kind
    host.task(listen).enqueue(body)
    host.worker(burst=True, concurrency=1).run()
    assert received == [body]
    assert type(received[0]) is kind


@pytest.mark.requirement("R-EVT-2")
@pytest.mark.parametrize("kind", [str, bytes, list])
def test_a_message_over_the_limit_fails_at_the_sender_with_sizes(host: JobHost, kind: type) -> None:
    def listen(body: Any) -> None: ...

    listen.__annotations__["body"] = kind
    body = {str: "x" * PAYLOAD_BYTES_MAX, bytes: b"x" * PAYLOAD_BYTES_MAX, list: ["x"] * 300_000}
    host.migrate()
    with pytest.raises(InvalidPayload, match=r"listen\(\): .* the limit is 1,048,576: store"):
        host.task(listen).enqueue(body[kind])
    assert count_jobs(host) == 0


@pytest.mark.requirement("R-PRIO-1")
def test_higher_priorities_go_first_and_equal_ones_in_order_of_arrival(host: JobHost) -> None:
    ran: list[str] = []

    @host.task
    def note(name: str) -> None:
        ran.append(name)

    arrivals = [("a", 0), ("b", 5), ("c", -5), ("d", 5), ("e", 0), ("f", 100), ("g", -100)]
    for name, priority in arrivals:
        note.using(priority=priority).enqueue(name)
    note.using(priority=5).enqueue_many([("h",), ("i",)])
    host.worker(burst=True, concurrency=1).run()
    assert "".join(ran) == "fbdhiaecg"


# --- Many callers at once ------------------------------------------------------------------------


def test_sixteen_threads_may_use_one_host_at_once(host: JobHost) -> None:
    @host.task
    def note(thread: int, number: int) -> None: ...

    start = threading.Barrier(16)

    def send(thread: int) -> list[Any]:
        start.wait()
        return [note.enqueue(thread, number).id for number in range(50)]

    with ThreadPoolExecutor(16) as threads:
        ids = [job_id for sent in threads.map(send, range(16)) for job_id in sent]
    stored = {record.id: record.payload for record in pages(host)}
    assert stored.keys() == set(ids)
    assert set(stored.values()) == {
        f'{{"thread":{thread},"number":{number}}}' for thread in range(16) for number in range(50)
    }


def test_many_coroutines_may_use_one_host_at_once(host: JobHost) -> None:
    @host.task
    def note(number: int) -> None: ...

    async def send_all() -> list[Any]:
        return await asyncio.gather(*(note.aenqueue(number) for number in range(100)))

    jobs = asyncio.run(send_all())
    assert {record.id for record in pages(host)} == {job.id for job in jobs}


def test_threads_and_coroutines_share_one_host(host: JobHost) -> None:
    @host.task
    def note(number: int) -> None: ...

    async def send_both() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as threads:
            blocking = [loop.run_in_executor(threads, note.enqueue, n) for n in range(50)]
            await asyncio.gather(*blocking, *(note.aenqueue(n) for n in range(50)))

    asyncio.run(send_both())
    assert count_jobs(host) == 100


@pytest.mark.parametrize("close", [JobHost.close, lambda host: host.__exit__(None, None, None)])
def test_a_closed_host_opens_again_when_it_is_used(
    host: JobHost, close: Callable[[JobHost], None]
) -> None:
    @host.task
    def note(number: int) -> None: ...

    note.enqueue(1)
    close(host)
    close(host)
    note.enqueue(2)
    asyncio.run(_enqueue(note, 3))
    assert count_jobs(host) == 3


async def _enqueue(task: Any, number: int) -> None:
    await task.aenqueue(number)


def test_a_job_whose_envelope_was_damaged_is_still_listed(host: JobHost, url: str) -> None:
    @host.task
    def add(a: int) -> int:
        return a

    job = add.using(tags=["sum"]).enqueue(1)
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        database.execute('UPDATE jobhost_job SET envelope = \'{"timeout": "x", "trigger": 3}\'')
        database.commit()
    assert [(found.id, found.envelope.trigger_detail) for found in host.jobs()] == [
        (job.id, "unreadable")
    ]
