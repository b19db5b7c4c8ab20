"""Embedded workers in processes: several beside each other, a death, a fork, and the examples."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
GUARD_SECONDS = 60.0
PROGRAM = Path(__file__).parent / "programs" / "embed.py"
WEB = Path(__file__).parents[2] / "examples" / "web"
LIVING = "SELECT pid FROM jobhost_node WHERE ended_at IS NULL ORDER BY pid"


@contextmanager
def process(*arguments: object, **more) -> Iterator[subprocess.Popen]:
    """A program that is killed at the end, should it still run."""
    started = subprocess.Popen(
        [sys.executable, "-W", "error", *map(str, arguments)], text=True, **more
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait(GUARD_SECONDS)
        for stream in (started.stdout, started.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def web_process(yard) -> Iterator[subprocess.Popen]:
    """A process with an event loop, whose worker has started."""
    with process(PROGRAM, yard.url, yard.folder, "async", stdout=subprocess.PIPE) as program:
        assert program.stdout.readline() == "ready\n"
        yield program


def test_two_processes_with_a_worker_each_run_every_job_once(yard, beside, until):
    with web_process(yard) as one, web_process(yard) as two:
        until(lambda: [pid for (pid,) in beside(LIVING)] == sorted([one.pid, two.pid]))
        holds = [yard.chores.hold.enqueue(f"hold-{n}") for n in range(8)]
        yard.started(*[f"hold-{n}" for n in range(8)])  # four slots each: both take part
        names = [f"note-{n}" for n in range(200)]
        notes = yard.chores.note.enqueue_many([(name,) for name in names])
        yard.go(*[f"hold-{n}" for n in range(8)])
        assert [job.result(PATIENCE) for job in notes] == names
        ran = [job.result(PATIENCE) for job in holds]
        assert sorted(ran) == sorted([f"by {one.pid}", f"by {two.pid}"] * 4)
        for server in (one, two):
            server.send_signal(signal.SIGTERM)
            assert server.wait(GUARD_SECONDS) == 0
    assert set(yard.ledger.count("start").values()) == {1}
    assert len(yard.ledger.count("start")) == 208
    assert beside(LIVING) == []


def test_a_killed_process_leaves_its_jobs_to_the_worker_of_another(yard):
    with web_process(yard) as doomed:
        job = yard.chores.hold.enqueue("held")
        yard.started("held")
        with web_process(yard) as heir:
            doomed.kill()
            yard.started("held", times=2)
            yard.go("held")
            assert job.result(PATIENCE) == f"by {heir.pid}"
    assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]


def test_a_worker_from_before_a_fork_is_refused_in_the_child_and_goes_on_in_the_parent(yard):
    with process(
        "-W",
        "ignore:This process:DeprecationWarning",  # Python warns of forks beside threads
        PROGRAM,
        yard.url,
        yard.folder,
        "fork",
        stdout=subprocess.PIPE,
    ) as program:
        said = program.communicate(timeout=GUARD_SECONDS)[0].splitlines()
        assert program.returncode == 0
    refusal = f"this worker was started in process {program.pid}, before the fork"
    assert [line.startswith(refusal) for line in said] == [True] * 4 + [False] * 2
    assert said[4:] == ["child", "parent"]


@contextmanager
def wsgi_server(url: str):
    with process(
        WEB / "wsgi_app.py",
        0,
        env={**os.environ, "JOBHOST_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        yield server, f"http://127.0.0.1:{int(server.stdout.readline())}"


def ask(address: str, method: str = "GET") -> str:
    request = urllib.request.Request(address, method=method)
    with urllib.request.urlopen(request, timeout=GUARD_SECONDS) as answer:
        return answer.read().decode()


def interrupt(server: subprocess.Popen) -> None:
    """Ctrl-C, again if need be: wsgiref keeps one to itself while it still answers a page."""
    for _ in range(int(GUARD_SECONDS)):
        server.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            server.wait(5)
            return
    pytest.fail("the server does not end")


@pytest.mark.requirement("R-ROLE-6")
def test_one_process_serves_pages_and_runs_their_jobs(yard, until):
    with wsgi_server(yard.url) as (server, address):
        job = ask(f"{address}/ada@example.org", "POST")
        until(lambda: ask(f"{address}/{job}") == "succeeded")
        (attempt,) = yard.host.job(job).attempts()
        assert attempt.worker.endswith(f":{server.pid}")
        interrupt(server)
    assert yard.host.job(job).result() == "sent to ada@example.org"


@pytest.mark.requirement("R-COMP-2")
@pytest.mark.requirement("R-ROLE-7")
def test_a_web_process_comes_and_goes_beside_a_worker_of_its_own(yard):
    """Their numbers are independent: neither is started again for the other's sake."""
    worker = yard.start(concurrency=1)
    for name in ("first", "second"):
        with web_process(yard) as server:
            assert yard.chores.note.enqueue(name).result(PATIENCE) == name
            server.send_signal(signal.SIGTERM)
            assert server.wait(GUARD_SECONDS) == 0
    assert worker.lives
    assert yard.chores.note.enqueue("third").result(PATIENCE) == "third"
    assert yard.ledger.pids("start", "third") == [worker.pid]
