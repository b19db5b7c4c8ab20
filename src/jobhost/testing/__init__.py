"""Testing kit for programs that use jobhost: `host.testing()`.

For the length of a block the host has a store of its own and a clock that is moved by hand. Jobs
run when the test says so, in workers that are the real ones, with `burst`. Nothing here decides
what becomes of a job, and nothing of it is loaded by a program that does not test.

    kit.py          what a test gets: `JobsUnderTest`
    draining.py     runs workers until nothing is left
    moving.py       what is due when the clock was moved
    gate.py         what is said of queues holds at once
    crashing.py     workers that die in the middle of a job
    expectations.py which jobs a test means, and what is different about the others
    seen.py         a job as a test sees it
    failures.py     attempts that failed, and how they are raised

Start with `kit.py`. The fixtures for pytest are in `contrib/pytest_plugin.py`.
"""

from jobhost.testing.draining import DrainReport
from jobhost.testing.failures import Failure, TaskFailed
from jobhost.testing.kit import JobsUnderTest
from jobhost.testing.seen import SeenJob

__all__ = ["DrainReport", "Failure", "JobsUnderTest", "SeenJob", "TaskFailed"]
