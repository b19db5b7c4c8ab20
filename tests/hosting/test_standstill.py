"""Who has a lock is read from what the kernel tells of all."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sites import until

from jobhost.hosting.standstill import lock_holders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a lock")
WAITS = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("has it", flush=True)
sys.stdin.read()
"""


def _is_listed(pid: int) -> bool:
    return str(pid) in Path("/proc/locks").read_text().split()


def test_who_has_a_lock_is_told_and_who_waits_for_it_or_has_let_go_is_not(tmp_path: Path):
    path = tmp_path / "lock"
    path.touch()
    own = path.open()
    fcntl.flock(own, fcntl.LOCK_EX)
    waits = subprocess.Popen(
        [sys.executable, "-ISc", WAITS, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with waits:
        try:
            until(lambda: _is_listed(waits.pid), "it waits for the lock")
            assert os.getpid() in lock_holders()
            assert waits.pid not in lock_holders()
            own.close()
            assert waits.stdout is not None
            assert waits.stdout.readline() == b"has it\n"
            assert waits.pid in lock_holders()
        finally:
            waits.kill()
    assert waits.pid not in lock_holders()
