"""Ctrl-C in a drain ends the job too, and not only the test. In a process of its own."""

import subprocess
import sys

PROGRAM = """
import _thread, threading
from jobhost import JobHost, current_job

host = JobHost()
stopped = threading.Event()

@host.task
def interrupt() -> None:
    _thread.interrupt_main()
    current_job().cancel.wait(60)
    stopped.set()

with host.testing() as jobs:
    interrupt.enqueue()
    try:
        jobs.drain()
    except KeyboardInterrupt:
        print("told to stop:", stopped.wait(60))
"""


def test_an_interrupted_drain_stops_its_worker() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "told to stop: True\n"), done.stderr
