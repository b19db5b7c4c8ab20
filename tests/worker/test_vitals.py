"""What heartbeats tell of processes and machines."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_without_a_working_directory_the_rest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    told = json.loads(tell_own())
    assert "disk_free" not in told
    assert told["memory"] > 0


def test_a_process_that_is_gone_holds_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert resident_bytes(child.pid) == 0
    assert resident_bytes(os.getpid()) > 0
