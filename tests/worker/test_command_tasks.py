"""Jobs that are programs."""

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from outside_world import ProgramWorker, below, is_gone

from jobhost import (
    DeadLetter,
    Defer,
    Discard,
    JobCancelled,
    JobDead,
    JobHost,
    Retry,
    Snooze,
    State,
)
from jobhost.host.command import CommandTask
from jobhost.worker.commands import Output

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"
ONCE = Retry(max_attempts=1)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert below() == []


def python(host: JobHost, text: str, *arguments: str, **options: object) -> CommandTask:
    """A command that runs this text."""
    command = [sys.executable, "-c", text.replace("{", "{{").replace("}", "}}"), *arguments]
    return host.command("it", command, **{"retry": ONCE, **options})


@pytest.mark.requirement("R-VM-1")
def test_a_program_gets_its_arguments_as_they_are_and_its_output_is_the_result(
    host, working, tmp_path
):
    told = "import sys; print(*sys.argv[1:], sep='|', end=''); print('on', file=sys.stderr)"
    task = python(host, told, "{path}", "--n={number}", "{share}")
    job = task.enqueue(path=tmp_path / "a b'$(x)*", number=3, share=0.5)
    with working(host.worker()):
        assert job.result(PATIENCE) == {
            "exit": 0,
            "stdout": f"{tmp_path}/a b'$(x)*|--n=3|0.5",
            "stderr": "on\n",
        }


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("sys.exit(3)", "ended with exit code 3; it said last:\nl3\nl4\nl5\nl6\nl7"),
        (
            "sys.stderr.flush(); os.kill(os.getpid(), 9)",
            "was killed by SIGKILL; it said last:\nl3\nl4\nl5\nl6\nl7",
        ),
        ("os._exit(200)", "ended with exit code 200; it said last:\nl3\nl4\nl5\nl6\nl7"),
    ],
)
@pytest.mark.requirement("R-VM-1")
def test_a_program_that_fails_tells_how_and_what_it_said_last(host, working, ending, message):
    text = f"import os, sys; sys.stderr.write(''.join(f'l{{n}}\\n' for n in range(8))); {ending}"
    command = [sys.executable, "-c", text.replace("{", "{{").replace("}", "}}")]
    job = host.command("it", command, retry=ONCE).enqueue()
    with working(host.worker()), pytest.raises(JobDead, match="failed: CommandFailed"):
        job.result(PATIENCE)

    (attempt,) = job.attempts()
    assert attempt.error.type == "CommandFailed"
    assert attempt.error.message == message


MEANINGS = {
    1: "succeeded",
    2: Retry(after="1h", reason="the printer is busy"),
    3: Snooze("1h"),
    4: Defer("waiting for paper"),
    5: DeadLetter("no such page"),
    6: Discard("printed before"),
}


@pytest.mark.requirement("R-VM-1")
@pytest.mark.parametrize(
    ("code", "state", "reason", "outcome", "failures"),
    [
        (2, State.SCHEDULED, None, "failed", 1),
        (3, State.SCHEDULED, None, "snoozed", 0),
        (4, State.BLOCKED, "waiting for paper", "deferred", 0),
        (5, State.DEAD, "no such page", "dead-lettered", 0),
        (6, State.CANCELLED, "printed before", "discarded", 0),
        (7, State.DEAD, "failed: CommandFailed", "failed", 1),
    ],
)
def test_exit_codes_mean_what_the_command_says(
    host, working, code, state, reason, outcome, failures
):
    patient = Retry(max_attempts=2 if code == 2 else 1)
    command = ["sh", "-c", "echo out; echo err >&2; exit {code}"]
    job = host.command("it", command, retry=patient, exit_codes=MEANINGS).enqueue(code=code)
    host.worker(burst=True).run()

    record = job.status()
    assert (record.state, record.reason, record.failures) == (state, reason, failures)
    (attempt,) = job.attempts()
    assert attempt.outcome == outcome
    said = f"ended with exit code {code}; it said last:\nerr"
    if code in (5, 7):
        assert (record.error.type, record.error.message) == ("CommandFailed", said)
    if code == 2:
        assert attempt.error.message == f"the printer is busy: {said}"
        assert record.due_at - attempt.ended_at > timedelta(minutes=59)


@pytest.mark.requirement("R-VM-1")
def test_an_exit_code_that_means_success_is_in_the_result(host, working):
    command = ["sh", "-c", "echo differs; exit {code}"]
    task = host.command("compare", command, retry=ONCE, exit_codes=MEANINGS)
    differs, same = task.enqueue(code=1), task.enqueue(code=0)
    with working(host.worker()):
        assert differs.result(PATIENCE) == {"exit": 1, "stdout": "differs\n", "stderr": ""}
        assert same.result(PATIENCE)["exit"] == 0


@pytest.mark.requirement("R-VM-1")
def test_a_signal_is_a_failure_whatever_exit_codes_say(host, working):
    every = dict.fromkeys(range(1, 256), "succeeded")
    task = python(host, "import os; os.kill(os.getpid(), 9)", exit_codes=every)
    job = task.enqueue()
    with working(host.worker()), pytest.raises(JobDead, match="was killed by SIGKILL"):
        job.result(PATIENCE)


def test_a_cancelled_command_is_cancelled_whatever_its_exit_code_means(host, working, until):
    text = "trap 'exit 1' TERM; echo here; while :; do sleep 0.01; done"
    job = host.command("it", ["sh", "-c", text], exit_codes=MEANINGS).enqueue()
    with working(host.worker()):
        until(job.logs, "the program has said that it is there")
        job.cancel("not needed")
        with pytest.raises(JobCancelled, match="not needed"):
            job.result(PATIENCE)


@pytest.mark.requirement("R-VM-2")
@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("sh", 'echo "hello from $0"'),
        ("perl", 'print "hello from perl\\n"'),
        ("node", 'console.log("hello from node")'),
    ],
)
def test_programs_of_other_runtimes_are_jobs(host, working, program, script):
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")
    flag = "-c" if program == "sh" else "-e"
    job = host.command("it", [program, flag, script], retry=ONCE).enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE)["stdout"] == f"hello from {program}\n"


def test_a_rule_can_name_the_failure_of_a_command(host, working):
    rules = {"CommandFailed": None}
    job = host.command("it", ["false"], retry=Retry(first_delay="0s", rules=rules)).enqueue()
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    assert len(job.attempts()) == 1


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (["no-such-program"], {}, "'no-such-program' was not found in the folders of PATH"),
        (["./no-such-program"], {}, "the program './no-such-program' was not found"),
        (["/"], {}, "the program '/' may not be executed"),
        (["true"], {"cwd": "/no/such"}, "the folder '/no/such' cannot be entered: No such file"),
    ],
)
def test_a_program_that_cannot_be_started_is_a_failure_in_clear_words(
    host, working, command, options, message
):
    job = host.command("it", command, retry=ONCE, **options).enqueue()
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    (attempt,) = job.attempts()
    assert attempt.outcome == "failed"
    assert message in attempt.error.message


@pytest.mark.requirement("R-VM-1")
def test_a_program_finds_its_job_and_few_variables(host, working, monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET", "hidden")
    monkeypatch.setenv("LC_TIME", "C")
    told = "import os, json; print(json.dumps([dict(os.environ), os.getcwd()]))"
    retry = Retry(max_attempts=2, first_delay="0s")
    failing = told + "; import sys; sys.exit(os.environ['JOBHOST_ATTEMPT'] == '1')"
    task = python(host, failing, env={"COLOUR": "red"}, cwd=tmp_path, retry=retry)
    job = task.enqueue()
    with working(host.worker()):
        variables, folder = json.loads(job.result(PATIENCE)["stdout"])

    assert folder == str(tmp_path)
    assert variables["JOBHOST_JOB_ID"] == str(job.id)
    assert variables["JOBHOST_TASK"] == "it"
    assert variables["JOBHOST_QUEUE"] == "default"
    assert variables["JOBHOST_ATTEMPT"] == "2"
    assert variables["JOBHOST_EPOCH"] == str(job.status().epoch)
    assert variables["JOBHOST_CORRELATION_ID"] == str(job.id)
    assert variables["COLOUR"] == "red"
    assert variables["LC_TIME"] == "C"
    assert variables["PATH"] == os.environ["PATH"]
    assert "SECRET" not in variables


def test_a_program_has_a_session_of_its_own_no_input_and_nothing_open(host, working):
    told = (
        "import os, sys, json; print(json.dumps([os.getsid(0) == os.getpid(), sys.stdin.read(),"
        "[os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
        " if os.path.exists(f'/proc/self/fd/{n}')]]))"
    )
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.set_inheritable(True)
        job = python(host, told).enqueue()
        with working(host.worker()):
            leads, read, files = json.loads(job.result(PATIENCE)["stdout"])

    assert (leads, read) == (True, "")
    assert sorted(file.split(":")[0] for file in files) == ["/dev/null", "pipe", "pipe"]


def test_of_a_flood_on_both_sides_the_end_is_kept(host, working):
    flood = (
        "import sys, threading\n"
        "def pour(stream, letter):\n"
        "    for n in range(400): stream.write(letter * 100_000)\n"
        "    stream.write('end'); stream.flush()\n"
        "other = threading.Thread(target=pour, args=(sys.stderr, 'e')); other.start()\n"
        "pour(sys.stdout, 'o'); other.join()\n"
    )
    job = python(host, flood, output_bytes=1000).enqueue()
    with working(host.worker()):
        result = job.result(PATIENCE)

    assert result["stdout"] == "o" * 997 + "end"
    assert result["stderr"] == "e" * 997 + "end"


def test_bytes_that_are_no_text_are_replaced_and_can_be_stored(host, working):
    told = r"import sys; sys.stdout.buffer.write(b'a\xff\0b\xc3\xa4')"
    job = python(host, told).enqueue()
    with working(host.worker()):
        assert job.result(PATIENCE)["stdout"] == "a\ufffd\\0bä"


@pytest.mark.stores("sqlite")
@pytest.mark.parametrize(
    ("bytes_max", "text"), [(0, ""), (1, "b"), (2, "b"), (3, "äb"), (9, "xäb")]
)
def test_a_character_that_the_bound_cuts_is_left_out(store_kind, bytes_max, text):
    with Output(bytes_max) as output:
        os.write(output.ends[0], "xäb".encode())
        output.begin()
        while output.read(output.sources[0]):
            pass
        assert output.text() == [text, ""]


STUBBORN = """
import os, signal, subprocess, sys, time
folder, obeys = sys.argv[1], sys.argv[2] == "obeys"
def told(number, frame):
    open(folder + "/told", "w").close()
    if obeys:
        sys.exit(0)
signal.signal(signal.SIGTERM, told)
other = subprocess.Popen(["sleep", "3600"], start_new_session=True)
with open(folder + "/.pids", "w") as file:
    file.write(f"{os.getpid()} {other.pid}")
os.rename(folder + "/.pids", folder + "/pids")
while True:
    time.sleep(0.01)
"""


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


@pytest.mark.parametrize("manner", ["obeys", "ignores"])
@pytest.mark.requirement("R-VM-11")
def test_a_cancelled_program_is_asked_and_then_killed_with_all_it_started(
    host, until, working, tmp_path, manner
):
    task = python(host, STUBBORN, "{folder}", "{manner}")
    job = task.enqueue(folder=tmp_path, manner=manner)
    grace = "2s" if manner == "ignores" else "1h"
    with working(host.worker(cancel_grace=grace)):
        until((tmp_path / "pids").exists)
        job.cancel("changed my mind")
        until(lambda: job.status().is_final)
        assert all(is_gone(pid) for pid in pids(tmp_path))

    assert (tmp_path / "told").exists()
    assert (job.status().state, job.status().reason) == (State.CANCELLED, "changed my mind")


def test_a_program_past_its_limit_has_timed_out_even_if_it_then_ends_well(
    host, until, working, tmp_path
):
    slow = "import time; time.sleep(3600)"
    task = python(host, slow, timeout="100ms")
    job = task.enqueue()
    worker = host.worker(cancel_grace="50ms")
    with working(worker) as thread:
        with pytest.raises(JobDead, match="timed out"):
            job.result(PATIENCE)
        thread.worker.stop()
        assert not thread.wait().retired

    (attempt,) = job.attempts()
    assert (attempt.outcome, attempt.error.type) == ("timed out", "TimeLimit")


def test_a_worker_that_leaves_hands_a_program_back_once_it_is_gone(host, until, working, tmp_path):
    job = python(host, STUBBORN, "{folder}", "obeys").enqueue(folder=tmp_path)
    with working(host.worker(stopping_wait_time="0s")) as thread:
        until((tmp_path / "pids").exists)
        thread.worker.stop()
        assert thread.wait().released == 1
        assert all(is_gone(pid) for pid in pids(tmp_path))

    assert job.status().state is State.READY
    assert [attempt.outcome for attempt in job.attempts()] == ["released"]


def test_a_program_whose_lease_was_lost_is_killed(host, until, working, tmp_path):
    job = python(host, STUBBORN, "{folder}", "ignores").enqueue(folder=tmp_path)
    with working(host.worker(stopping_wait_time="0s")) as thread:
        until((tmp_path / "pids").exists)
        before = pids(tmp_path)
        thread.worker._loop._member.lose()
        until(lambda: all(is_gone(pid) for pid in before))

    assert job.status().failures == 0


def test_what_a_program_leaves_is_killed_even_if_it_holds_the_output(host, working, tmp_path):
    leave = f"setsid sh -c 'echo $$ > {tmp_path}/pid; echo begun; exec sleep 3600' & "
    wait = f"while ! test -s {tmp_path}/pid; do sleep 0.01; done; echo done"
    job = host.command("it", ["sh", "-c", leave + wait]).enqueue()
    with working(host.worker()):
        result = job.result(PATIENCE)

    assert sorted(result["stdout"].split()) == ["begun", "done"]
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_programs_die_with_a_worker_that_is_killed(until, url, tmp_path):
    from programs import commands

    commands.host.use_store(url)
    commands.host.migrate()
    commands.stubborn.enqueue(folder=tmp_path)
    commands.host.close()
    worker = ProgramWorker("commands:host", url)
    try:
        until((tmp_path / "pids").exists)
        worker.send(signal.SIGKILL)
        worker.wait()
        until(lambda: all(is_gone(pid) for pid in pids(tmp_path)))
    finally:
        worker.end()


def test_a_command_is_started_with_arguments_of_an_older_declaration_only_if_they_fit(
    host, until, working, url
):
    job = host.command("it", ["echo", "{old}"]).enqueue(old="x")
    with JobHost(url) as newer:
        newer.command("it", ["echo", "{new}"])
        with working(newer.worker()):
            until(lambda: job.status().is_final)

    assert job.status().reason == "the arguments cannot be read"
