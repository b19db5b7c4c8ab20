"""Jobs on a living worker: what runs, where, in which order, and what it gets to know."""

import asyncio
import contextvars
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from jobhost import JobHost, ResultUnstorable, Snooze, State, current_job
from jobhost.worker.worker import Worker

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"


def _burst(host: JobHost, **config: object) -> None:
    host.worker(burst=True, **config).run()


# --- Tasks of both kinds


def test_async_and_plain_tasks_give_back_their_results(host):
    @host.task
    async def twice(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    @host.task
    def thrice(number: int) -> int:
        return 3 * number

    jobs = [twice.enqueue(7), thrice.enqueue(7)]
    _burst(host)

    assert [job.result() for job in jobs] == [14, 21]


def test_async_tasks_share_one_thread_and_plain_ones_have_their_own(host):
    @host.task
    async def on_loop() -> str:
        return threading.current_thread().name

    @host.task
    def in_thread() -> str:
        return threading.current_thread().name

    jobs = [on_loop.enqueue(), on_loop.enqueue(), in_thread.enqueue()]
    _burst(host)

    names = [job.result() for job in jobs]
    assert names[:2] == ["jobhost-loop", "jobhost-loop"]
    assert names[2].startswith("jobhost-job-")


@pytest.mark.requirement("R-JOB-9")
def test_two_hundred_waiting_jobs_run_at_once_in_one_worker(host):
    everybody = asyncio.Event()
    here = 0

    @host.task
    async def wait_for_all() -> None:
        nonlocal here
        here += 1
        if here == 200:
            everybody.set()
        await everybody.wait()

    jobs = wait_for_all.enqueue_many([()] * 200)
    _burst(host, concurrency=200)

    assert {job.status().state for job in jobs} == {State.SUCCEEDED}


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("place", ["loop", "thread"])
def test_concurrency_is_reached_and_never_exceeded(host, slots, place):
    mutex, full = threading.Lock(), threading.Event()
    now = most = 0

    def enter() -> None:
        nonlocal now, most
        with mutex:
            now += 1
            most = max(most, now)
            if now == slots:
                full.set()

    def leave() -> None:
        nonlocal now
        with mutex:
            now -= 1

    def in_thread(number: int) -> None:
        enter()
        assert full.wait(60)
        leave()

    async def on_loop(number: int) -> None:
        enter()
        while not full.is_set():  # noqa: ASYNC110 - set from another thread as well
            await asyncio.sleep(0.001)
        leave()

    task = host.task(on_loop if place == "loop" else in_thread)
    jobs = task.enqueue_many([(n,) for n in range(60)])
    _burst(host, concurrency=slots)

    assert {job.status().state for job in jobs} == {State.SUCCEEDED}
    assert most == slots


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_a_long_backlog_on_one_slot_needs_no_poll_to_go_on(host, working, place):
    def in_thread(number: int) -> int:
        return number

    async def on_loop(number: int) -> int:
        return number

    task = host.task(on_loop if place == "loop" else in_thread)
    jobs = task.enqueue_many([(n,) for n in range(600)])

    with working(host.worker(concurrency=1, poll="1h")):
        assert jobs[-1].result(PATIENCE) == 599


# --- Wake-up, delays, order


@pytest.mark.bell
@pytest.mark.requirement("R-EVT-1")
def test_a_job_enqueued_while_a_worker_idles_wakes_it(host, working):
    @host.task
    def hello(number: int) -> int:
        return number

    with working(host.worker(poll="1h", lease="1h")):
        for number in range(20):
            assert hello.enqueue(number).result(PATIENCE) == number


def test_a_message_from_a_running_job_wakes_the_worker_too(host, working):
    @host.task
    def child() -> str:
        return "born"

    @host.task
    def parent() -> str:
        return str(child.enqueue().id)

    with working(host.worker(poll="1h", lease="1h", concurrency=1)):
        child_id = parent.enqueue().result(PATIENCE)
        assert host.job(child_id).result(PATIENCE) == "born"


def test_a_scheduled_job_starts_when_it_is_due_however_rarely_the_worker_polls(host, working):
    @host.task
    def when() -> datetime:
        return datetime.now(UTC)

    with working(host.worker(poll="1h", lease="1h")):
        job = when.using(delay="300ms").enqueue()
        due_at = job.status().due_at or job.status().claimed_at
        assert job.result(PATIENCE) >= due_at


def test_a_due_time_in_the_past_is_now(host):
    @host.task
    def hello() -> str:
        return "hello"

    job = hello.using(run_at=datetime.now(UTC) - timedelta(days=1)).enqueue()
    _burst(host)

    assert job.result() == "hello"


def test_a_burst_leaves_what_is_not_due(host):
    @host.task
    def hello() -> None: ...

    later = hello.using(delay="1h").enqueue()
    _burst(host)

    assert later.status().state is State.SCHEDULED


@pytest.mark.requirement("R-PRIO-1")
def test_higher_priorities_start_first_and_equal_ones_in_order_of_arrival(host):
    order: list[str] = []

    @host.task
    def note(name: str) -> None:
        order.append(name)

    for name, priority in [("a", 0), ("b", -5), ("c", 100), ("d", 0), ("e", 100), ("f", -5)]:
        note.using(priority=priority).enqueue(name)
    _burst(host, concurrency=1)

    assert order == ["c", "e", "a", "d", "b", "f"]


@pytest.mark.requirement("R-RESIL-10")
def test_ten_important_jobs_behind_a_thousand_others_are_the_next_to_start(host, working):
    order: list[int] = []
    holding, go = threading.Event(), threading.Event()

    @host.task
    def note(number: int) -> None:
        order.append(number)
        holding.set()
        go.wait(60)

    note.enqueue_many([(n,) for n in range(1000)])
    with working(host.worker(concurrency=1)):
        assert holding.wait(60)
        important = note.using(priority=1).enqueue_many([(n,) for n in range(1000, 1010)])
        go.set()
        important[-1].result(PATIENCE)

    assert order[:11] == [0, *range(1000, 1010)]


def test_a_worker_serves_only_its_queues(host):
    @host.task
    def hello() -> str:
        return current_job().queue

    mail = hello.using(queue="mail").enqueue()
    other = hello.using(queue="other").enqueue()
    _burst(host, queues=["mail"])

    assert mail.result() == "mail"
    assert other.status().state is State.READY


def test_queues_are_served_by_their_weights(host):
    order: list[str] = []

    @host.task
    def note() -> None:
        order.append(current_job().queue)

    for queue in ("heavy", "light"):
        note.using(queue=queue).enqueue_many([()] * 40)
    _burst(host, queues={"heavy": 3, "light": 1}, concurrency=1)

    assert Counter(order[:40]) == {"heavy": 30, "light": 10}


def test_an_empty_queue_leaves_its_turns_to_the_others(host):
    @host.task
    def note() -> None: ...

    jobs = note.using(queue="light").enqueue_many([()] * 30)
    _burst(host, queues={"heavy": 100, "light": 1}, concurrency=2)

    assert {job.status().state for job in jobs} == {State.SUCCEEDED}


def test_a_burst_runs_what_its_jobs_enqueue_and_ends_when_nothing_is_left(host):
    @host.task
    def countdown(number: int) -> None:
        if number:
            countdown.enqueue(number - 1)

    countdown.enqueue(30)
    report = host.worker(burst=True).run()

    assert report.ended == 31
    assert not host.jobs(state=State.READY)


# --- Unknown tasks


def test_a_task_that_no_worker_knows_is_set_aside_and_comes_back(host, url, until, working):
    with JobHost(url) as newer:

        @newer.task
        def brand_new() -> str:
            return "hello"

        @host.task
        def old() -> str:
            return "done"

        unknown, known = brand_new.enqueue(), old.enqueue()
        with working(host.worker()):
            assert known.result(PATIENCE) == "done"
            until(lambda: unknown.status().state is State.BLOCKED)
            assert unknown.status().reason == "no worker knows its task"

            with working(newer.worker()):
                assert unknown.result(PATIENCE) == "hello"
        assert unknown.status().deliveries == 1


def test_unknown_tasks_at_the_head_do_not_stand_in_the_way(host, url, working):
    with JobHost(url) as newer:

        @newer.task
        def brand_new() -> None: ...

        @host.task
        def old() -> str:
            return "done"

        brand_new.using(priority=100).enqueue_many([()] * 2500)
        job = old.enqueue()
        with working(host.worker(poll="1h")):
            assert job.result(PATIENCE) == "done"


# --- What a job knows of itself


def test_a_job_knows_about_itself(host):
    seen = []

    @host.task
    async def on_loop() -> None:
        seen.append(current_job())

    @host.task
    def in_thread() -> None:
        seen.append(current_job())

    jobs = [
        task.using(headers={"tenant": "x"}, tags=["red"], queue="mail").enqueue()
        for task in (on_loop, in_thread)
    ]
    _burst(host, queues=["mail"], concurrency=1)

    for job, known in zip(jobs, seen, strict=True):
        record = job.status()
        assert (known.id, known.task, known.queue) == (job.id, record.task, "mail")
        assert (known.delivery, known.epoch, known.failures) == (1, 1, 0)
        assert not known.redelivered
        assert known.enqueued_at == record.created_at
        assert (known.headers, known.tags) == ({"tenant": "x"}, ("red",))
        assert (known.correlation_id, known.parent) == (str(job.id), None)
        assert known.trigger == ("event", "enqueue")
        assert not known.cancel.is_set


def test_a_child_names_its_parent_and_shares_its_correlation(host):
    seen = {}

    @host.task
    async def grandchild() -> None:
        seen["grandchild"] = current_job()

    @host.task
    def child() -> None:
        seen["child"] = current_job()
        grandchild.enqueue()

    @host.task
    async def parent() -> None:
        seen["parent"] = current_job()
        await child.using(headers={"own": "1"}).aenqueue()

    first = parent.using(headers={"traceparent": "00-abc", "tenant": "x"}).enqueue()
    _burst(host)

    assert seen["child"].parent == seen["parent"].id == first.id
    assert seen["grandchild"].parent == seen["child"].id
    assert {job.correlation_id for job in seen.values()} == {str(first.id)}
    assert seen["child"].headers == {"traceparent": "00-abc", "own": "1"}
    assert seen["grandchild"].headers == {"traceparent": "00-abc"}


@pytest.mark.requirement("R-MSG-19")
def test_a_delivery_counts_from_one_and_a_snooze_raises_it_without_a_failure(host):
    seen = []

    @host.task
    def abandon_twice() -> int:
        job = current_job()
        seen.append((job.delivery, job.redelivered, job.epoch, job.failures))
        if job.delivery < 3:
            raise Snooze("0s")
        return job.delivery

    job = abandon_twice.enqueue()
    _burst(host)

    assert seen == [(1, False, 1, 0), (2, True, 2, 0), (3, True, 3, 0)]
    assert job.result() == 3
    assert (job.status().deliveries, job.status().failures) == (3, 0)


# --- Contexts


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_what_one_job_sets_in_its_context_the_next_does_not_see(host, place):
    marked = contextvars.ContextVar("marked", default="clean")
    seen: list[str] = []

    def in_thread() -> None:
        seen.append(marked.get())
        marked.set("dirty")

    async def on_loop() -> None:
        in_thread()

    task = host.task(on_loop if place == "loop" else in_thread)
    marked.set("set by the program that hosts the worker")
    task.enqueue_many([()] * 20)
    _burst(host, concurrency=1)

    assert seen == ["clean"] * 20


def test_after_a_job_its_thread_runs_no_job(host):
    @host.task
    def inner() -> str:
        return str(current_job().id)

    jobs = inner.enqueue_many([()] * 10)
    _burst(host, concurrency=1)

    assert [job.result() for job in jobs] == [str(job.id) for job in jobs]


# --- Results


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_a_result_that_cannot_be_stored_is_said_so_and_its_neighbours_are_stored(host, place):
    odd = {
        "object": object(),
        "nan": float("nan"),
        "nul": "a\0b",
        "surrogate": "\ud800",
        "set": {1, 2},
        "large": "x" * 2_000_000,
    }

    def in_thread(name: str):
        return odd.get(name, name)

    async def on_loop(name: str):
        return odd.get(name, name)

    task = host.task(on_loop if place == "loop" else in_thread)
    names = [f"good-{n}" for n in range(20)]
    names[3:3] = odd
    jobs = dict(zip(names, task.enqueue_many([(name,) for name in names]), strict=True))
    _burst(host, concurrency=50)

    for name, job in jobs.items():
        if name in odd:
            assert job.attempts()[-1].outcome == "unstorable"
            assert job.status().state is State.SUCCEEDED
            with pytest.raises(ResultUnstorable, match="result"):
                job.result()
        else:
            assert job.result() == name


def test_a_large_result_up_to_the_limit_is_stored(url):
    with JobHost(url, payload_bytes_max=5_000_000) as host:

        @host.task
        def large() -> str:
            return "x" * 4_999_990

        job = large.enqueue()
        _burst(host)

        assert len(job.result()) == 4_999_990


# --- Stored arguments that no longer fit


def test_arguments_that_no_longer_fit_are_dead_at_once_with_the_reason(host, url):
    with JobHost(url) as older:

        @older.task(name="send")
        def old_send(address: str) -> None: ...

        job = old_send.enqueue("a@b.c")

    @host.task
    def send(number: int) -> None: ...

    _burst(host)
    job = host.job(job.id)

    assert job.status().state is State.DEAD
    assert job.status().reason == "the arguments cannot be read"
    assert "number" in job.status().error.message


# --- Embedding


def test_two_workers_in_one_process_share_the_work(host, working):
    both = threading.Barrier(2, timeout=60)

    @host.task
    def meet() -> None:
        both.wait()

    jobs = meet.enqueue_many([()] * 2)
    with working(host.worker(concurrency=1)), working(host.worker(concurrency=1)):
        for job in jobs:
            job.result(PATIENCE)


def test_a_worker_can_be_stopped_before_it_runs(host):
    @host.task
    def hello() -> None: ...

    hello.enqueue()
    worker: Worker = host.worker()
    worker.stop()
    worker.run()

    assert host.jobs()[0].state is State.READY
