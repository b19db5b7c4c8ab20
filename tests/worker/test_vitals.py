"""What heartbeats tell of processes and machines."""

import os
import subprocess
import sys

import pytest

from jobhost.jobs.records import read_vitals
from jobhost.worker.vitals import resident_bytes, tell_own


@pytest.mark.requirement("R-VM-10")
def test_a_process_tells_its_memory_and_what_its_machine_has_left() -> None:
    own, workers = read_vitals(tell_own())
    assert own.memory_bytes is not None
    assert own.memory_bytes > 1_000_000
    assert own.load is not None
    assert len(own.load) == 3
    assert own.memory_free_bytes is not None
    assert own.disk_free_bytes is not None
    assert own.disk_free_bytes > 0
    assert workers == {}


def test_a_process_that_is_gone_holds_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert resident_bytes(child.pid) == 0
    assert resident_bytes(os.getpid()) > 0
