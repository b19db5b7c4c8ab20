"""Progress, checkpoints, logs and signs of life, from inside a running job."""

import asyncio
import logging
import math
import sys
import threading
import time

import pytest
from outside_world import GUARD_SECONDS
from programs import outside

from jobhost import (
    InvalidPayload,
    JobDead,
    JobHost,
    LeaseLost,
    Retry,
    State,
    UsageError,
    current_job,
)
from jobhost.worker.executor import Executor
from jobhost.worker.job_logs import FIRST_LINES, LAST_LINES, JobLogHandler
from jobhost.worker.reporter import PAUSE_SECONDS, Reporter
from jobhost.worker.worker import Worker

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
ONCE = Retry(max_attempts=1)
log = logging.getLogger("shop.orders")


@pytest.fixture(autouse=True)
def _info() -> object:
    """As `jobhost worker` sets it: records of INFO pass."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(level)
    assert not [one for one in root.handlers if isinstance(one, JobLogHandler)]


def reporter_of(worker: Worker) -> Reporter:
    """The one of a worker that runs."""
    loop = worker._loop
    assert loop is not None
    executor: Executor = loop.executor
    return executor._scribe.reporter


def progress_of(job) -> tuple[float, float | None, str | None] | None:
    told = job.status().progress
    return None if told is None else (told.done, told.total, told.message)


def test_what_a_job_told_last_is_there_when_its_end_is(host: JobHost, working):
    @host.task
    def plain() -> None:
        for number in range(100):
            current_job().progress(number + 1, 100, f"row {number}")
        log.info("done")

    @host.task
    async def on_loop() -> None:
        for number in range(100):
            current_job().progress(number + 1, 100, f"row {number}")
        log.info("done")

    jobs = [plain.enqueue(), on_loop.enqueue()]
    with working(host.worker()):
        for job in jobs:
            job.result(PATIENCE)
            assert progress_of(job) == (100, 100, "row 99")
            assert [line.message for line in job.logs()] == ["done"]


def test_progress_can_be_seen_while_the_job_runs(host: JobHost, working, until):
    go = threading.Event()

    @host.task
    def slow() -> None:
        current_job().progress(3, 10, "here")
        log.warning("watch this")
        assert go.wait(GUARD_SECONDS)

    job = slow.enqueue()
    with working(host.worker()):
        until(lambda: progress_of(job) == (3, 10, "here"))
        until(lambda: [line.message for line in job.logs()] == ["watch this"])
        assert job.status().state is State.RUNNING
        go.set()
        job.result(PATIENCE)


@pytest.mark.requirement("R-RES-6")
def test_ten_thousand_calls_make_a_bounded_number_of_writes(host: JobHost, working):
    @host.task
    def chatty() -> None:
        for number in range(10_000):
            current_job().progress(number + 1, 10_000)

    worker = host.worker()
    began = time.monotonic()
    job = chatty.enqueue()
    with working(worker):
        job.result(PATIENCE)
        writes = reporter_of(worker).writes
    assert writes <= (time.monotonic() - began) / PAUSE_SECONDS + 2
    assert progress_of(job) == (10_000, 10_000, None)


@pytest.mark.requirement("R-RES-6")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_store_that_does_not_answer_neither_fails_nor_holds_up_what_a_job_says(
    yard, working, until, kind
):
    host, running, go, spoke = yard.host, threading.Event(), threading.Event(), threading.Event()

    def speak() -> None:
        for number in range(1_000):
            current_job().progress(number + 1, 1_000)
            current_job().heartbeat()
            log.info("line %d", number)
        spoke.set()

    @host.task
    def plain() -> None:
        running.set()
        assert go.wait(GUARD_SECONDS)
        speak()

    @host.task
    async def on_loop() -> None:
        running.set()
        assert await asyncio.to_thread(go.wait, GUARD_SECONDS)
        speak()

    job = (plain if kind == "plain" else on_loop).enqueue()
    with working(host.worker(lease="10m")):
        assert running.wait(GUARD_SECONDS)
        with yard.blocked():
            go.set()
            assert spoke.wait(GUARD_SECONDS)
        job.result(PATIENCE)
        until(lambda: progress_of(job) == (1_000, 1_000, None))
        until(lambda: len(job.logs()) == 1_000)


def test_a_worker_whose_jobs_say_nothing_has_no_reporter(host: JobHost, working):
    @host.task
    def quiet() -> str:
        return str(current_job().id)

    worker = host.worker()
    with working(worker):
        quiet.enqueue().result(PATIENCE)
        assert reporter_of(worker)._thread is None
        assert "jobhost-reporter" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("odd", ["much", None, math.nan, math.inf, object()])
def test_what_is_no_number_is_left_out_and_harms_nobody(host: JobHost, working, odd):
    @host.task
    def strange() -> str:
        current_job().progress(1, 2, "fine")
        current_job().progress(odd, 2)
        if odd is not None:
            current_job().progress(1, odd)
        return "done"

    job = strange.enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == "done"
    assert progress_of(job) == (1, 2, "fine")


def test_a_message_is_cut_and_made_fit_for_the_store(host: JobHost, working):
    @host.task
    def strange() -> None:
        current_job().progress(1, message="a\0b\ud800\nc" + "x" * 10_000)

    job = strange.enqueue()
    with working(host.worker()):
        job.result(PATIENCE)
    message = job.status().progress.message
    assert message.startswith("a\\0b\\ud800 c")
    assert len(message) <= 520


@pytest.mark.requirement("R-RESIL-2")
def test_a_checkpoint_is_seen_by_the_same_attempt_and_by_the_next(host: JobHost, working):
    seen = []

    @host.task(retry=Retry(first_delay="0s"))
    def plain() -> None:
        job = current_job()
        seen.append(job.last_checkpoint(default="nothing"))
        job.checkpoint({"row": job.delivery, "names": ["ä", None]})
        seen.append(job.last_checkpoint())
        if job.delivery == 1:
            raise ValueError("again")

    @host.task(retry=Retry(first_delay="0s"))
    async def on_loop() -> None:
        job = current_job()
        seen.append(await job.alast_checkpoint(default="nothing"))
        await job.acheckpoint({"row": job.delivery, "names": ["ä", None]})
        seen.append(await job.alast_checkpoint())
        if job.delivery == 1:
            raise ValueError("again")

    with working(host.worker()):
        for task in (plain, on_loop):
            seen.clear()
            task.enqueue().result(PATIENCE)
            first, second = [{"row": number, "names": ["ä", None]} for number in (1, 2)]
            assert seen == ["nothing", first, first, second]


def test_a_redriven_job_goes_on_from_its_checkpoint(host: JobHost, working):
    @host.task(retry=ONCE)
    def failing() -> int:
        job = current_job()
        if (row := job.last_checkpoint()) is None:
            job.checkpoint(41)
            raise ValueError("no")
        return row + 1

    job = failing.enqueue()
    with working(host.worker()):
        with pytest.raises(JobDead):
            job.result(PATIENCE)
        job.redrive()
        assert job.result(PATIENCE) == 42


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({1, 2}, "must be JSON.*this one holds a value of type set, which would not come back"),
        (math.nan, "must be JSON.*this one has nan"),
        ({"rows": {7: "seven"}}, "must be JSON.*this one has the key 7"),
        ([(7, "seven")], "must be JSON.*this one holds a value of type tuple"),
        ("x" * 2**21, "may have 1,0"),
    ],
)
def test_a_state_that_cannot_be_kept_is_refused_before_it_is_sent(
    host: JobHost, working, state, said
):
    @host.task(retry=ONCE)
    def odd() -> str:
        with pytest.raises(InvalidPayload, match=said):
            current_job().checkpoint(state)
        return str(current_job().last_checkpoint())

    job = odd.enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == "None"


@pytest.mark.parametrize("call", ["checkpoint", "last_checkpoint", "update_payload"])
def test_the_blocking_forms_are_refused_on_the_event_loop(host: JobHost, working, call):
    @host.task(retry=ONCE)
    async def on_loop() -> str:
        with pytest.raises(UsageError, match=rf"await current_job\(\)\.a{call}"):
            getattr(current_job(), call)(*([1] if call == "checkpoint" else []))
        return "refused"

    job = on_loop.enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == "refused"


def test_an_attempt_that_has_lost_its_lease_keeps_nothing(host: JobHost, beside, working):
    heard = []

    @host.task(retry=Retry(first_delay="0s"))
    def losing() -> str:
        job = current_job()
        if job.epoch == 1:
            beside("UPDATE jobhost_node SET lease_until = 0")
            for save in (job.checkpoint, job.update_payload):
                with pytest.raises(LeaseLost, match="nothing was kept"):
                    save(*([1] if save == job.checkpoint else []))
            heard.append(job.epoch)
        return str(job.last_checkpoint())

    job = losing.enqueue()
    with working(host.worker(lease="10m")):
        assert job.result(PATIENCE) == "None"
    assert heard == [1]


@pytest.mark.requirement("R-RESIL-3")
def test_a_job_replaces_the_arguments_of_its_next_delivery(host: JobHost, working):
    seen = []

    @host.task(retry=Retry(first_delay="0s"))
    def plain(path: str, row: int = 0) -> int:
        seen.append((path, row))
        if row < 2:
            current_job().update_payload(path, row=row + 1)
            raise ValueError("on")
        return row

    @host.task(retry=Retry(first_delay="0s"))
    async def on_loop(path: str, row: int = 0) -> int:
        seen.append((path, row))
        if row < 2:
            await current_job().aupdate_payload(path, row=row + 1)
            raise ValueError("on")
        return row

    with working(host.worker()):
        for task in (plain, on_loop):
            seen.clear()
            job = task.enqueue("a.csv")
            assert job.result(PATIENCE) == 2
            assert seen == [("a.csv", 0), ("a.csv", 1), ("a.csv", 2)]


def test_arguments_that_do_not_fit_the_task_are_refused(host: JobHost, working):
    @host.task(retry=ONCE)
    def plain(row: int) -> int:
        with pytest.raises(InvalidPayload):
            current_job().update_payload("no number", 2, 3)
        return row

    job = plain.enqueue(7)
    with working(host.worker()):
        assert job.result(PATIENCE) == 7
    assert "7" in job.status().payload


@pytest.mark.requirement("R-RESIL-6")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_job_without_a_sign_of_life_ends_as_stalled_and_runs_again(host: JobHost, working, kind):
    @host.task(stalled_after="200ms", timeout=None, retry=Retry(first_delay="0s"))
    def plain() -> str:
        if current_job().delivery == 1:
            assert current_job().cancel.wait(GUARD_SECONDS)
            current_job().cancel.raise_if_set()
        return "again"

    @host.task(stalled_after="200ms", timeout=None, retry=Retry(first_delay="0s"))
    async def on_loop() -> str:
        if current_job().delivery == 1:
            await asyncio.sleep(3600)
        return "again"

    job = (plain if kind == "plain" else on_loop).enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == "again"
    first, _ = job.attempts()
    assert first.outcome == "timed out"
    assert first.error.message == "stalled: no heartbeat for 200ms"


@pytest.mark.requirement("R-RESIL-6")
@pytest.mark.parametrize("sign", ["heartbeat", "progress", "checkpoint"])
def test_each_sign_of_life_sets_the_limit_anew(host: JobHost, working, until, sign):
    running, go, end = threading.Event(), threading.Event(), threading.Event()

    @host.task(stalled_after="10m", retry=ONCE)
    def slow() -> None:
        job = current_job()
        running.set()
        assert go.wait(GUARD_SECONDS)
        getattr(job, sign)(*([] if sign == "heartbeat" else [1]))
        assert end.wait(GUARD_SECONDS)

    job = slow.enqueue()
    worker = host.worker()
    with working(worker):
        assert running.wait(GUARD_SECONDS)
        (execution,) = worker._loop.executor.running
        began = execution.beat_at
        assert not execution.is_stalled(began + 599)
        assert execution.is_stalled(began + 600)
        go.set()
        until(lambda: execution.beat_at > began)
        assert not execution.is_stalled(execution.beat_at + 599)
        end.set()
        job.result(PATIENCE)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({}, 600), ({"stalled_after": None}, None), ({"stalled_after": "1h"}, 3600)],
)
def test_the_call_s_own_limit_of_silence_wins(host: JobHost, working, options, seconds):
    running, end = threading.Event(), threading.Event()

    @host.task(stalled_after="10m", retry=ONCE)
    def slow() -> None:
        running.set()
        assert end.wait(GUARD_SECONDS)

    job = slow.using(**options).enqueue()
    worker = host.worker()
    with working(worker):
        assert running.wait(GUARD_SECONDS)
        (execution,) = worker._loop.executor.running
        assert execution.stalled_seconds == seconds
        end.set()
        job.result(PATIENCE)


def test_records_go_to_the_job_that_made_them_also_from_its_threads(host: JobHost, working):
    import contextvars

    @host.task
    def plain(name: str) -> None:
        log.info("plain %s", name)
        inherited = contextvars.copy_context()
        thread = threading.Thread(target=lambda: inherited.run(log.warning, "thread %s", name))
        thread.start()
        thread.join()
        try:
            raise ValueError(name)
        except ValueError:
            log.exception("went wrong")

    @host.task
    async def on_loop(name: str) -> None:
        log.info("loop %s", name)
        await asyncio.to_thread(log.info, "beside %s", name)

    jobs = [task.enqueue(name) for task in (plain, on_loop) for name in ("a", "b")]
    with working(host.worker()):
        for job in jobs:
            job.result(PATIENCE)
    told = [[line.message for line in job.logs()] for job in jobs]
    for name, lines in zip("ab", told[:2], strict=True):
        assert lines[:2] == [f"plain {name}", f"thread {name}"]
        assert lines[2].startswith("went wrong\nTraceback")
        assert lines[2].endswith(f"ValueError: {name}")
    assert told[2:] == [["loop a", "beside a"], ["loop b", "beside b"]]
    first = jobs[0].logs()[0]
    assert (first.level, first.source, first.epoch, first.line) == ("INFO", "shop.orders", 1, 0)


@pytest.mark.parametrize(
    ("job_logs", "kept"), [("info", ["b", "c"]), ("warning", ["c"]), (None, [])]
)
def test_the_worker_s_level_says_what_is_kept(host: JobHost, working, job_logs, kept):
    @host.task
    def plain() -> None:
        for level, text in ((logging.DEBUG, "a"), (logging.INFO, "b"), (logging.ERROR, "c")):
            log.log(level, text)
        logging.getLogger("jobhost.mine").error("about the job, not by it")

    job = plain.enqueue()
    with working(host.worker(job_logs=job_logs)):
        job.result(PATIENCE)
    assert [line.message for line in job.logs()] == kept


def test_of_a_long_log_the_beginning_and_the_end_are_kept(host: JobHost, working):
    count = FIRST_LINES + LAST_LINES + 500

    @host.task
    def chatty() -> None:
        for number in range(count):
            log.info("%d", number)

    job = chatty.enqueue()
    with working(host.worker()):
        job.result(PATIENCE)
    lines = job.logs()
    assert [line.message for line in lines[:FIRST_LINES]] == [str(n) for n in range(FIRST_LINES)]
    assert lines[FIRST_LINES].left_out == 500
    assert [line.line for line in lines[FIRST_LINES:]] == list(range(count - LAST_LINES, count))


def test_each_attempt_has_a_log_of_its_own(host: JobHost, working):
    @host.task(retry=Retry(first_delay="0s"))
    def twice() -> None:
        log.info("attempt %d", current_job().delivery)
        if current_job().delivery == 1:
            raise ValueError("again")

    job = twice.enqueue()
    with working(host.worker()):
        job.result(PATIENCE)
    assert [(line.epoch, line.message) for line in job.logs()] == [
        (1, "attempt 1"),
        (2, "attempt 2"),
    ]
    (last,) = job.logs(job.logs()[0])
    assert last.epoch == 2


def test_two_workers_in_one_process_keep_each_line_once(host: JobHost, working):
    @host.task
    def plain() -> None:
        log.info("once")

    jobs = [plain.enqueue() for _ in range(10)]
    with working(host.worker()), working(host.worker()):
        for job in jobs:
            job.result(PATIENCE)
    assert [[line.message for line in job.logs()] for job in jobs] == [["once"]] * 10


def test_a_command_s_output_is_its_log_line_by_line_and_while_it_runs(
    host: JobHost, working, until, tmp_path
):
    text = (
        "import pathlib, sys, time; print('one', flush=True); print('two', file=sys.stderr); "
        f"go = pathlib.Path({str(tmp_path / 'go')!r})\n"
        "while not go.exists(): time.sleep(0.01)\n"
        "print('three\\r\\nfo', end=''); sys.stdout.flush(); print('ur', end='')"
    )
    command = host.command("it", [sys.executable, "-c", text.replace("{", "{{")], retry=ONCE)
    job = command.enqueue()

    def told() -> list[tuple[str, str, str]]:
        return [(line.level, line.source, line.message) for line in job.logs()]

    first = [("ERROR", "stderr", "two"), ("INFO", "stdout", "one")]
    with working(host.worker()):
        until(lambda: sorted(told()) == first)
        (tmp_path / "go").touch()
        job.result(PATIENCE)
    assert told()[2:] == [("INFO", "stdout", "three"), ("INFO", "stdout", "four")]


def test_what_a_command_writes_is_a_sign_of_life(host: JobHost, working, until, tmp_path):
    text = (
        "import pathlib, time\n"
        "for name in ('one', 'two'):\n"
        f"    while not (pathlib.Path({str(tmp_path)!r}) / name).exists(): time.sleep(0.01)\n"
        "    print(name, flush=True)"
    )
    command = host.command("it", [sys.executable, "-c", text], stalled_after="10m", retry=ONCE)
    job = command.enqueue()
    worker = host.worker(job_logs=None)
    with working(worker):
        until(lambda: worker._loop is not None and worker._loop.executor.running)
        (execution,) = worker._loop.executor.running
        until(lambda: execution.started)
        began = execution.beat_at
        (tmp_path / "one").touch()
        until(lambda: execution.beat_at > began)
        (tmp_path / "two").touch()
        assert job.result(PATIENCE)["exit"] == 0
    assert job.logs() == []


def test_a_silent_command_is_killed_as_stalled(host: JobHost, working):
    text = "import time; time.sleep(3600)"
    command = host.command("it", [sys.executable, "-c", text], stalled_after="300ms", retry=ONCE)
    job = command.enqueue()
    with working(host.worker()), pytest.raises(JobDead, match="stalled: no heartbeat for 300ms"):
        job.result(PATIENCE)


@pytest.fixture
def apart(url: str, monkeypatch: pytest.MonkeyPatch):
    """The host of tasks that run in processes."""
    monkeypatch.setenv("JOBHOST_URL", url)
    outside.host.use_store(url)
    outside.host.migrate()
    yield outside.host
    outside.host.close()


def test_a_job_in_a_process_of_its_own_speaks_too(apart: JobHost, working):
    job = outside.talkative.enqueue(3)
    with working(apart.worker()):
        assert job.result(PATIENCE) == ["none", "kept 3", "InvalidPayload"]
    assert progress_of(job) == (3, 3, "row 3")
    assert [(line.level, line.message) for line in job.logs()] == [
        ("INFO", "row 1"), ("INFO", "row 2"), ("INFO", "row 3"),
    ]  # fmt: skip


def test_what_a_process_leaves_behind_does_not_speak_for_the_next_job(apart: JobHost, working):
    with working(apart.worker(job_processes=1)):
        first = outside.leaves_a_thread.enqueue()
        first.result(PATIENCE)
        second = outside.talkative.enqueue(1)
        assert second.result(PATIENCE)[1] == "kept 1"
    assert progress_of(second) == (1, 1, "row 1")


def test_a_silent_process_is_killed_as_stalled(apart: JobHost, working):
    job = outside.silent.enqueue()
    with working(apart.worker()), pytest.raises(JobDead, match="stalled: no heartbeat for 300ms"):
        job.result(PATIENCE)
