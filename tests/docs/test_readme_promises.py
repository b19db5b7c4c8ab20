"""What the README promises, each shown on the real thing."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pages import ROOT, prose

from jobhost import InvalidPayload, JobHost, Options, State
from jobhost.jobs.options import resolve
from jobhost.jobs.outcomes import COMPLETED
from jobhost.jobs.records import Ended
from jobhost.store.plans.cycle import Wanted, cycle
from jobhost.store.plans.enqueue import Batch, NewJob, enqueue
from jobhost.store.plans.nodes import NewNode, Rescue, register, rescue

PROGRAM = """
import os, signal, sys, time
from jobhost import JobHost, current_job

host = JobHost("sqlite:///app.db")

@host.task
def sleep_once() -> str:
    if current_job().delivery == 1:
        print("runs", flush=True)
        time.sleep(600)
    return "done"

@host.task
def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

@host.task
def echo(text: str) -> str:
    return text

if sys.argv[1:] == ["work"]:
    host.worker(burst=True, lease="1h").run(signals=True)
elif sys.argv[1:] == ["enqueue"]:
    echo.enqueue("kept")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def host(tmp_path: Path) -> JobHost:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    return JobHost(f"sqlite:///{tmp_path}/app.db")


@contextmanager
def program(folder: Path, word: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "program.py", word]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def accept(host: JobHost, task: str) -> bytes:
    job = bytes(range(16))
    jobs = [NewJob(job, "{}", None)]
    host.store.write(lambda: enqueue(Batch(task=task, queue="default", priority=0, jobs=jobs)))
    return job


def node(host: JobHost, name: str) -> int:
    new = NewNode(
        id=name, host="here", pid=1, version="1", slots=1, queues=["default"], tasks=["t"],
        lease_us=60_000_000,
    )  # fmt: skip
    return host.store.write(lambda: register(new))


def test_the_promises_are_these() -> None:
    """Whoever adds a promise adds its test here."""
    section = prose(ROOT / "README.md").partition("## What it promises")[2].partition("\n## ")[0]
    assert re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE) == [
        "An accepted job is not lost.",
        "A dead worker is noticed at once.",
        "Delivery is at least once, and every repeat is counted and bounded.",
        "A wrong argument fails at the caller.",
        "No job is immortal by accident.",
        "A result is there when the state says so.",
    ]


def test_an_accepted_job_survives_the_death_of_its_producer(host: JobHost, tmp_path: Path) -> None:
    with program(tmp_path, "enqueue") as producer:
        assert producer.wait() == -signal.SIGKILL
    with program(tmp_path, "work") as worker:
        assert worker.wait() == 0
    with host:
        [job] = host.jobs()
        assert (job.state, job.result) == (State.SUCCEEDED, '"kept"')


def test_commits_reach_the_disk_by_default(host: JobHost) -> None:
    host.migrate()
    session = host.store.session()
    [full] = session._connection._raw.execute("PRAGMA synchronous").fetchone()
    session.close()
    assert full == 2


def test_a_dead_worker_is_noticed_though_its_lease_has_an_hour_left(
    host: JobHost, tmp_path: Path
) -> None:
    job = accept(host, "sleep_once")
    with program(tmp_path, "work") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "runs\n"
        first.kill()
    with program(tmp_path, "work") as second:
        assert second.wait() == 0
    with host:
        attempts = host.job(_uuid(job)).attempts()
        assert [attempt.outcome for attempt in attempts] == ["crashed", "succeeded"]


def test_repeats_of_a_job_that_kills_its_worker_end(host: JobHost, tmp_path: Path) -> None:
    job = accept(host, "kill")
    for _ in range(6):
        with program(tmp_path, "work") as worker:
            if worker.wait() == 0:
                break
    with host:
        record = host.job(_uuid(job)).status()
        assert (record.state, record.reason) == (State.DEAD, "killed its worker 3 times")
        # Without a node nobody saw the first two deaths: only from the third on it was alone.
        assert (record.deliveries, record.crashes, record.epoch) == (5, 3, 5)


def test_what_a_worker_writes_after_it_lost_a_job_is_refused(host: JobHost) -> None:
    with host:
        job = accept(host, "t")
        slow, rescuer = node(host, "slow"), node(host, "rescuer")
        wanted = Wanted(node=slow, queues=["default"], tasks='["t"]', slots=1)
        [delivery] = host.store.write(lambda: cycle([], wanted)).claimed
        order = Rescue(node=slow, worker="slow", rescuer=rescuer, died=True)
        assert host.store.write(lambda: rescue(order)).returned == 1
        late = [Ended(delivery.job, delivery.epoch, 1, COMPLETED, '"late"')]
        assert not host.store.write(lambda: cycle(late, wanted)).lease_live
        assert host.job(_uuid(job)).status().state is State.READY


def test_a_wrong_argument_fails_at_the_caller(host: JobHost) -> None:
    @host.task
    def double(number: int) -> int:
        return 2 * number

    with pytest.raises(InvalidPayload, match="argument 'number'"):
        double.enqueue("two")  # type: ignore[arg-type]


def test_an_attempt_has_an_hour_unless_told_otherwise() -> None:
    assert resolve(Options(), Options(), {}, Options()).timeout_seconds == 3600


def test_no_reader_sees_a_success_without_its_result(host: JobHost) -> None:
    @host.task
    def double(number: int) -> int:
        return 2 * number

    with host:
        double.enqueue_many([(number,) for number in range(300)])
        worker = host.worker(burst=True, concurrency=4)
        thread = threading.Thread(target=worker.run)
        thread.start()
        while thread.is_alive():
            for job in host.jobs(state=State.SUCCEEDED, limit=300):
                assert job.result is not None
        thread.join()
        assert len(host.jobs(state=State.SUCCEEDED, limit=300)) == 300


def _uuid(job: bytes) -> str:
    return job.hex()
