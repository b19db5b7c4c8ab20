"""Callers that fork, exit at once, or outlive what they handed over."""

import json
import subprocess
import sys

import pytest

from jobhost import JobHost, State

DECLARE = """
import json, os, sys
from jobhost import JobHost

host = JobHost(sys.argv[1])

@host.task
def note(number: int) -> int:
    return number
"""


def run(program: str, url: str, *, code: int = 0) -> str:
    """Run a program in a process of its own; what it printed."""
    ended = subprocess.run(
        [sys.executable, "-c", program, url], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    return ended.stdout


FORK = f"""{DECLARE}
ids = [str(note.enqueue(0).id)]
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    made = [str(note.enqueue(number).id) for number in (1, 2)]
    assert host.job(made[0]).status().task == "note"
    assert host.job(ids[0]).status().task == "note"
    os.write(writing, json.dumps(made).encode())
    host.close()
    os._exit(0)
ids.append(str(note.enqueue(3).id))
os.close(writing)
with os.fdopen(reading) as pipe:
    ids += json.load(pipe)
assert os.waitpid(child, 0)[1] == 0
ids.append(str(note.enqueue(4).id))
assert len(host.jobs()) == 5
host.close()
print(json.dumps(ids))
"""


def test_parent_and_child_both_enqueue_after_a_fork_with_an_open_connection(
    host: JobHost, url: str
) -> None:
    ids = json.loads(run(FORK, url))
    assert sorted(str(record.id) for record in host.jobs()) == sorted(ids)
    payloads = {record.payload for record in host.jobs()}
    assert payloads == {f'{{"number":{number}}}' for number in range(5)}


@pytest.mark.requirement("R-RES-2")
def test_a_job_completes_although_its_caller_is_gone(host: JobHost, url: str) -> None:
    printed = run(f"{DECLARE}\nprint(note.enqueue(7).id, flush=True)\nos._exit(0)", url)

    @host.task
    def note(number: int) -> int:
        return number

    host.worker(burst=True).run()
    assert host.job(printed.strip()).result("1s") == 7


KILLED_WORKER = """
import os, sys
from jobhost import JobHost

host = JobHost(sys.argv[1])

@host.task
def note(number: int) -> int:
    os._exit(9)

host.worker(burst=True).run()
"""


@pytest.mark.requirement("R-RES-2")
def test_a_job_that_kills_its_worker_does_not_touch_its_caller(host: JobHost, url: str) -> None:
    @host.task
    def note(number: int) -> int:
        return number

    job = note.enqueue(7)
    run(KILLED_WORKER, url, code=9)
    assert job.status().state is State.RUNNING
    other = note.enqueue(8)
    host.worker(burst=True).run()
    assert (job.result("1s"), other.result("1s")) == (7, 8)
    assert job.status().deliveries == 2
