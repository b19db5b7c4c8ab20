"""A node that is process 1 of a container, into which somebody starts commands from outside."""

import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
from sites import Site, until

PATIENCE = "90s"
UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has namespaces of processes")
def test_a_command_that_somebody_runs_in_its_container_outlives_the_deaths_of_workers(site: Site):
    if not (_runs([*UNSHARE, "true"]) and _runs(["nsenter", "--version"])):
        pytest.skip("needs the right to make a namespace of processes (unshare --pid), and nsenter")
    node = site.start(processes=1, prefix=UNSHARE).ready()
    [first] = psutil.Process(node.pid).children()
    entered = subprocess.Popen(
        ["nsenter", "--target", str(first.pid), "--pid", "--mount", "sh", "-c", "echo in; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with entered:
        assert entered.stdin is not None
        assert entered.stdout is not None
        assert entered.stdout.readline() == b"in\n"

        before = _worker(first)
        before.kill()
        until(lambda: node.log.count(" serves ") == 2, "another worker")
        assert site.toils.note.enqueue("next").result(PATIENCE) == "next"

        entered.stdin.write(b"still here\n")
        entered.stdin.flush()
        assert entered.stdout.readline() == b"still here\n"
        entered.stdin.close()
        assert entered.wait() == 0
    first.terminate()
    assert node.wait() == 0


def _worker(first: psutil.Process) -> psutil.Process:
    """The one that answers to the node, and not the keeper above it."""
    for process in reversed(first.children(recursive=True)):
        with suppress(psutil.Error):
            if "jobhost" in process.cmdline() and "--link" in process.cmdline():
                return process
    raise AssertionError("there is no worker")


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
