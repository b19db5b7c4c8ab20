"""`jobhost run`: one job, once, here; its end is the exit code."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import GUARD_SECONDS, Shop, environment, until


@pytest.mark.parametrize(
    ("line", "code", "state", "said"),
    [
        ("add --args [1,2]", 0, "succeeded", ""),
        ("boom", 1, "dead", "(boom) is dead: failed: ValueError: it broke"),
        ("patient", 1, "dead", "(patient) is dead: failed: ValueError: not yet"),
        ("patient --retry", 6, "scheduled", "is scheduled again: a worker goes on with it"),
        ("later", 6, "scheduled", "is scheduled again: a worker goes on with it"),
        ("drop", 5, "cancelled", "(drop) is cancelled: nobody needs it"),
        ("odd", 0, "succeeded", "cannot be stored"),
        ("delayed", 0, "succeeded", ""),
    ],
)
def test_the_end_of_the_job_is_the_exit_code(
    shop: Shop, line: str, code: int, state: str, said: str
) -> None:
    task, *options = line.split()
    done = shop.call("run", "shop:host", task, *options)
    assert done.code == code, done.err
    assert [job.state for job in shop.host.jobs()] == [state]
    *_, last = done.err.splitlines()
    assert said in last
    assert "Traceback" not in done.err
    assert done.err.count("jobhost:") == bool(said), "it is told once"


def test_the_result_is_all_that_stdout_gets(shop: Shop) -> None:
    done = shop.call("run", "shop:host", "chatty")
    assert done.out == '"the result"\n'
    assert "from the task\n" in done.err
    assert "from its child\n" in done.err


def test_the_job_runs_in_this_process_and_says_what_started_it(shop: Shop) -> None:
    running = shop.start("run", "shop:host", "describe")
    result = json.loads(running.wait().out)
    assert result["trigger"] == "command line"
    assert int(result["pid"]) == running.process.pid


def test_it_claims_nothing_but_its_own_job(shop: Shop) -> None:
    waits = [shop.enqueue("add", "[1]") for _ in range(3)]
    assert shop.call("run", "shop:host", "add", "--args", "[2]").code == 0
    assert [shop.state(job_id) for job_id in waits] == ["ready"] * 3


def test_no_worker_can_take_its_job(shop: Shop) -> None:
    running = shop.start("run", "shop:host", "gated", "--args", json.dumps([str(shop.folder)]))
    until((shop.folder / "started").exists)
    assert shop.call("worker", "shop:host", "--burst").code == 0
    (shop.folder / "go").touch()
    assert running.wait().out == '"went"\n'
    (job,) = shop.host.jobs()
    assert (job.state, job.deliveries) == ("succeeded", 1)


def test_a_cancel_from_outside_ends_it_with_5(shop: Shop) -> None:
    running = shop.start("run", "shop:host", "gated", "--args", json.dumps([str(shop.folder)]))
    until((shop.folder / "started").exists)
    (job,) = shop.host.jobs()
    asked = shop.call("jobs", "cancel", str(job.id), "--url", shop.url)
    assert "its worker was asked to stop it" in asked.out
    done = running.wait()
    assert done.code == 5
    assert "cancelled on the command line" in done.err


def test_two_signals_hand_the_job_back(shop: Shop) -> None:
    arguments = json.dumps([str(shop.folder)])
    running = shop.start("run", "shop:host", "gated", "--args", arguments, "--log-level", "info")
    until((shop.folder / "started").exists)
    running.signal(signal.SIGTERM)
    until(lambda: "claims nothing more" in running.err)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.out == ""
    assert done.code in (130, 70), "70 on a machine too slow to record it in two seconds"
    if done.code == 130:
        assert "was handed back: a worker goes on with it" in done.err.splitlines()[-1]
        assert [job.state for job in shop.host.jobs()] == ["ready"]


def test_a_job_that_obeys_no_time_limit_cannot_hold_up_the_exit(shop: Shop) -> None:
    done = shop.call("run", "shop:host", "stuck", "--args", json.dumps([str(shop.folder)]))
    assert done.code == 1
    assert "is dead: timed out" in done.err


def test_a_thread_that_the_job_left_behind_cannot_hold_up_the_exit(shop: Shop) -> None:
    done = shop.call("run", "shop:host", "litter")
    assert (done.code, done.out) == (0, '"left a thread"\n')


def test_it_needs_neither_stdin_nor_a_terminal_nor_much_of_an_environment(shop: Shop) -> None:
    """As cron starts it, and worse: stdin is closed."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m jobhost run shop:host add --args [1] <&-"],
        cwd=shop.folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_the_console_script_is_the_same_command(shop: Shop) -> None:
    script = Path(sys.executable).with_name("jobhost")
    done = subprocess.run(
        [script, "run", "shop:host", "add", "--args", '{"a": 40, "b": 2}'],
        cwd=shop.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_a_store_that_refuses_leaves_no_job_and_no_traceback(shop: Shop) -> None:
    shop.host.migrate()
    with (shop.folder / "shop.db").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 2000)
    done = shop.call("run", "shop:host", "add", "--args", "[1]")
    assert (done.code, done.out) == (3, "")
    assert "Traceback" not in done.err


def test_a_job_whose_command_was_killed_goes_to_the_workers(shop: Shop) -> None:
    running = shop.start("run", "shop:host", "gated", "--args", json.dumps([str(shop.folder)]))
    until((shop.folder / "started").exists)
    running.signal(signal.SIGKILL)
    assert running.wait().code == -signal.SIGKILL
    (shop.folder / "go").touch()
    assert shop.call("worker", "shop:host", "--burst").code == 0
    (job,) = shop.host.jobs()
    assert (job.state, job.deliveries) == ("succeeded", 2)


def test_a_job_that_snoozed_goes_to_the_workers_and_keeps_its_one_attempt(shop: Shop) -> None:
    assert shop.call("run", "shop:host", "nap").code == 6
    assert shop.call("worker", "shop:host", "--burst").code == 0
    (job,) = shop.host.jobs()
    assert (job.state, job.reason) == ("dead", "failed: ValueError")
