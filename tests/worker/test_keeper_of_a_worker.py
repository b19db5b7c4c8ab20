"""The keeper above a worker, where the worker sees the end of its node before the keeper does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from jobhost.worker import keeper
from jobhost.worker.exit_codes import WorkerExit

GUARD_SECONDS = 60.0

LEAVE_A_DAEMON = """
import os, sys
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    daemon = os.fork()
    if daemon:
        os.write(writer, str(daemon).encode())
        os._exit(0)
    os.close(reader), os.close(writer)
    import time
    time.sleep(3600)
pid = os.read(reader, 32).decode()
os.wait()
open(sys.argv[1], "w").write(pid)
os._exit(int(sys.argv[2]))
"""


def test_the_keeper_knows_the_code_of_a_worker_that_has_lost_its_node():
    assert keeper._ORPHANED == WorkerExit.ORPHANED


def test_what_a_worker_without_a_node_has_left_is_killed_before_its_keeper_ends(tmp_path: Path):
    told, report = os.pipe()
    link = os.open(os.devnull, os.O_RDWR)
    worker = [sys.executable, "-ISc", LEAVE_A_DAEMON, str(tmp_path / "daemon"), "72"]
    command = [
        sys.executable, "-IS", keeper.__file__, str(os.getpid()), str(report), "worker", str(link),
        *worker,
    ]  # fmt: skip
    kept = subprocess.run(
        command,
        pass_fds=(report, link),
        timeout=GUARD_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    for handle in (told, report, link):
        os.close(handle)

    assert kept.returncode == WorkerExit.ORPHANED
    daemon = int((tmp_path / "daemon").read_text())
    end = time.monotonic() + GUARD_SECONDS
    while psutil.pid_exists(daemon):
        assert time.monotonic() < end, "the daemon lives on"
        time.sleep(0.005)
