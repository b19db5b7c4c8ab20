"""Jobs in processes that can be killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from outside_world import ProgramWorker, below, is_gone
from programs import outside
from programs.outside import Place

from jobhost import JobDead, JobHost, Retry, State, UsageError

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"


@pytest.fixture
def host(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHost]:
    """The host of the tasks, on a store of the test's own; nothing is left of its processes."""
    monkeypatch.setenv("JOBHOST_URL", url)
    outside.host.use_store(url)
    outside.host.migrate()
    yield outside.host
    outside.host.close()
    assert below() == []


def test_arguments_and_results_keep_their_types_in_another_process(host, working, tmp_path):
    job = outside.deeper.enqueue(Place(tmp_path, 1), by=2)
    with working(host.worker()):
        assert job.result(PATIENCE) == Place(tmp_path, 3)


def test_a_job_in_a_process_knows_itself_and_reads_no_input(host, working):
    call = outside.about.using(headers={"from": "here"}, tags=["one", "two"])
    job = call.enqueue()
    with working(host.worker()):
        told = job.result(PATIENCE)

    assert told == {
        "id": str(job.id),
        "task": "about",
        "queue": "default",
        "delivery": 1,
        "epoch": job.status().epoch,
        "failures": 0,
        "correlation": str(job.id),
        "header": "here",
        "tags": ["one", "two"],
        "cancelled": "False",
        "input": "",
    }


def test_a_process_is_kept_for_the_next_job_and_replaced_after_so_many(host, working):
    jobs = outside.pid.enqueue_many([()] * 6)
    with working(host.worker(job_processes=1, max_jobs_per_process=2)):
        pids = [job.result(PATIENCE) for job in jobs]

    assert os.getpid() not in pids
    assert sorted(pids.count(pid) for pid in set(pids)) == [2, 2, 2]


def test_an_exception_comes_back_as_text_and_a_rule_of_its_base_class_counts(host, working):
    job = outside.missing.enqueue()
    with working(host.worker()), pytest.raises(JobDead, match="failed: KeyError"):
        job.result(PATIENCE)

    (attempt,) = job.attempts()
    assert (attempt.outcome, attempt.error.type) == ("failed", "KeyError")
    assert attempt.error.message == "'nobody'"
    assert 'raise KeyError("nobody")' in attempt.error.traceback
    assert "child.py" not in attempt.error.traceback


@pytest.mark.parametrize(
    ("what", "outcome", "state"),
    [
        ("snooze", "snoozed", State.SUCCEEDED),
        ("retry", "failed", State.SUCCEEDED),
        ("exit", "failed", State.SUCCEEDED),
        ("interrupt", "failed", State.SUCCEEDED),
        ("dead", "dead-lettered", State.DEAD),
        ("discard", "discarded", State.CANCELLED),
    ],
)
def test_what_a_task_says_by_raising_counts_in_a_process_too(
    host, until, working, what, outcome, state
):
    job = outside.say.enqueue(what)
    with working(host.worker()):
        until(lambda: job.status().is_final)

    assert job.attempts()[0].outcome == outcome
    assert job.status().state is state


def test_a_result_that_cannot_be_stored_is_told_as_such(host, until, working):
    job = outside.unstorable.enqueue()
    with working(host.worker()):
        until(lambda: job.status().is_final)

    assert job.status().reason == "result unstorable"
    assert job.attempts()[0].error.type == "ResultUnstorable"


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("segfault", "was killed by SIGSEGV"),
        ("exit", "exited with 0 in the middle of the job"),
        ("kill", "was killed by SIGKILL"),
    ],
)
def test_a_process_that_dies_is_a_crash_of_its_job_alone(
    host, until, working, tmp_path, how, cause
):
    neighbour = outside.hold.enqueue(tmp_path, "neighbour")
    with working(host.worker(job_processes=2)):
        until((tmp_path / "started-neighbour").exists)
        job = outside.die.enqueue(how)
        with pytest.raises(JobDead, match="3 times"):
            job.result(PATIENCE)
        (tmp_path / "go-neighbour").touch()
        assert neighbour.result(PATIENCE) == "neighbour"

    attempts = job.attempts()
    assert [attempt.outcome for attempt in attempts] == ["crashed"] * 3
    assert attempts[0].error.message == f"the process of the job {cause}"
    assert (job.status().crashes, job.status().failures) == (3, 0)
    assert neighbour.status().deliveries == 1


def test_a_time_limit_kills_the_process_and_all_below_it(host, working, tmp_path):
    job = outside.too_long.enqueue(tmp_path)
    with working(host.worker()):
        with pytest.raises(JobDead, match="timed out"):
            job.result(PATIENCE)
        if (tmp_path / "child").exists():
            assert is_gone(int((tmp_path / "child").read_text()))

    (attempt,) = job.attempts()
    assert (attempt.outcome, attempt.error.type) == ("timed out", "TimeLimit")
    assert attempt.error.message == "ran longer than its limit of 200ms"


def family(folder: Path) -> list[int]:
    return [int((folder / name).read_text()) for name in ("started-it", "child")]


@pytest.mark.requirement("R-VM-11")
def test_a_cancelled_job_is_killed_with_its_family(host, until, working, tmp_path):
    job = outside.hold_with_family.enqueue(tmp_path, "it")
    with working(host.worker()):
        until((tmp_path / "started-it").exists)
        job.cancel("changed my mind")
        until(lambda: job.status().is_final)
        assert all(is_gone(pid) for pid in family(tmp_path))

    assert (job.status().state, job.status().reason) == (State.CANCELLED, "changed my mind")


def test_a_worker_that_leaves_kills_and_hands_back_uncharged(host, until, working, tmp_path):
    job = outside.hold_with_family.enqueue(tmp_path, "it")
    with working(host.worker(stopping_wait_time="0s")) as thread:
        until((tmp_path / "started-it").exists)
        thread.worker.stop()
        assert thread.wait().released == 1
        assert all(is_gone(pid) for pid in family(tmp_path))

    assert job.status().state is State.READY
    assert [attempt.outcome for attempt in job.attempts()] == ["released"]
    assert (job.status().failures, job.status().crashes) == (0, 0)


def test_a_job_whose_lease_was_lost_is_killed_and_records_nothing(host, until, working, tmp_path):
    job = outside.hold_with_family.enqueue(tmp_path, "it")
    with working(host.worker(stopping_wait_time="0s")) as thread:
        until((tmp_path / "started-it").exists)
        before = family(tmp_path)
        thread.worker._loop._member.lose()
        until(lambda: all(is_gone(pid) for pid in before))

    assert "failed" not in [attempt.outcome for attempt in job.attempts()]
    assert job.status().failures == 0


def test_no_more_processes_than_allowed_and_who_waits_can_be_cancelled(
    host, until, working, tmp_path
):
    jobs = [outside.hold.enqueue(tmp_path, name) for name in "abc"]
    worker = host.worker(job_processes=2, concurrency=4)
    with working(worker):
        until(lambda: len(list(tmp_path.glob("started-*"))) == 2)
        until(lambda: len(worker._loop.executor.running) == 3)
        waiting = next(
            job
            for job, name in zip(jobs, "abc", strict=True)
            if not (tmp_path / f"started-{name}").exists()
        )
        waiting.cancel("not needed")
        until(lambda: waiting.status().is_final)
        for name in "abc":
            (tmp_path / f"go-{name}").touch()
        until(lambda: all(job.status().is_final for job in jobs))

    states = sorted(job.status().state for job in jobs)
    assert states == [State.CANCELLED, State.SUCCEEDED, State.SUCCEEDED]


def test_what_a_job_leaves_in_another_session_is_killed_when_it_has_ended(host, working, tmp_path):
    job = outside.leave_a_process.enqueue(tmp_path)
    with working(host.worker(job_processes=1)):
        first = job.result(PATIENCE)
        assert is_gone(int((tmp_path / "child").read_text()))
        assert outside.pid.enqueue().result(PATIENCE) != first


def test_a_process_killed_between_two_jobs_is_replaced_and_nobody_is_charged(host, until, working):
    with working(host.worker(job_processes=1)):
        first = outside.pid.enqueue().result(PATIENCE)
        os.kill(first, signal.SIGKILL)
        until(lambda: is_gone(first))
        job = outside.pid.enqueue()
        assert job.result(PATIENCE) != first

    assert [attempt.outcome for attempt in job.attempts()] == ["succeeded"]


def test_a_keeper_killed_by_hand_takes_the_process_along_and_the_worker_lives(
    host, until, working, tmp_path
):
    job = outside.hold.enqueue(tmp_path, "it")
    with working(host.worker(job_processes=1)):
        until((tmp_path / "started-it").exists)
        child = psutil.Process(int((tmp_path / "started-it").read_text()))
        child.parent().kill()
        until(lambda: job.attempts())
        until(lambda: is_gone(child.pid))
        (tmp_path / "go-it").touch()
        assert job.result(PATIENCE) == "it"

    assert "was lost" in job.attempts()[0].error.message


def test_a_signal_to_all_processes_of_a_service_is_left_to_the_worker(host, working):
    job = outside.terminate_oneself.enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE) == "lives"


def test_nothing_that_the_worker_has_open_reaches_the_process(host, working):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.set_inheritable(True)
        inode = str(Path(f"/proc/self/fd/{server.fileno()}").readlink())
        job = outside.open_files.enqueue()
        with working(host.worker()):
            files = job.result(PATIENCE)

    assert inode not in files
    assert sum(file.startswith("socket:") for file in files) == 1
    assert not any(".db" in file for file in files)


def test_a_job_in_a_process_enqueues_as_the_parent(host, working):
    job = outside.enqueue_another.enqueue()
    with working(host.worker()):
        child = host.job(job.result(PATIENCE))
        child.result(PATIENCE)

    assert child.status().parent == job.id


def test_a_job_in_a_process_is_refused_a_transaction_with_a_reason(host, working):
    job = outside.complete_by_itself.enqueue()
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    assert "not to be had in a task with executor='process'" in job.attempts()[0].error.message


def test_a_task_that_no_process_would_find_fails_with_its_place(host, working):
    job = host.tasks.get("mislaid").enqueue()
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    assert "declare it at the top of a module" in job.attempts()[0].error.message


def test_all_processes_of_jobs_die_with_a_worker_that_is_killed(host, until, url, tmp_path):
    outside.hold_with_family.enqueue(tmp_path, "it")
    worker = ProgramWorker("outside:host", url, "--job-processes", "1")
    try:
        until((tmp_path / "started-it").exists)
        processes = below(worker.pid)
        assert {process.pid for process in processes} > set(family(tmp_path))
        worker.send(signal.SIGKILL)
        worker.wait()
        until(lambda: all(is_gone(process.pid) for process in processes))
    finally:
        worker.end()


PROGRAM = """
import sys
from jobhost import JobHost, Retry

host = JobHost(sys.argv[1])

@host.task(executor="process", retry=Retry(max_attempts=1))
def double(number: int) -> int:
    return 2 * number

{guard}
    host.migrate()
    job = double.enqueue(21)
    host.worker(burst=True).run()
    print(job.status().state, job.attempts()[0].error, job.result())
"""


def run_program(folder: Path, url: str, guard: str) -> "subprocess.CompletedProcess[str]":
    program = folder / "program.py"
    program.write_text(PROGRAM.format(guard=guard))
    return subprocess.run(
        [sys.executable, program, url], capture_output=True, text=True, timeout=60, cwd=folder
    )


def test_a_task_of_the_program_itself_runs_in_a_process(url, tmp_path):
    done = run_program(tmp_path, url, 'if __name__ == "__main__":')

    assert done.stdout == "succeeded None 42\n", done.stderr


def test_a_program_that_works_while_it_is_imported_is_refused_in_the_process(url, tmp_path):
    done = run_program(tmp_path, url, "if True:")

    assert "under if __name__ == '__main__'" in done.stdout + done.stderr
    assert done.returncode != 0


def test_a_task_inside_a_function_is_refused_when_declared(url):
    with pytest.raises(UsageError, match="declare it at the top of a module"):

        @JobHost(url).task(executor="process", retry=Retry())
        def inside() -> None: ...
