"""A limit of memory that the kernel holds, in the process of a job.

RLIMIT_DATA counts what a process has asked for and may write to for itself: heap, private
mappings, the stacks of its threads. The very call that would exceed it fails, so the limit is
exact; one who watches the resident size comes too late when it grows by gigabytes within a
second, and kills where an exception can still be recorded.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jobhost.host.kinds import format_size
from jobhost.jobs.outcomes import ErrorInfo, Failed
from jobhost.worker.verdict import describe

MEMORY_LIMIT: Final = "MemoryLimit"
"""The type of the error, for the retry rules too."""


@contextmanager
def limited(bytes_max: int | None) -> Iterator[None]:
    """Hold this process below `bytes_max` bytes meanwhile; None is no limit.

    What does not fit raises MemoryError. Processes started meanwhile have the same limit, each
    for itself. Raises BeyondLimitError when this process holds more than that before it begins.
    """
    if bytes_max is None:
        yield
        return
    if (held := bytes_held()) >= bytes_max:
        raise BeyondLimitError(held)
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or bytes_max < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


class BeyondLimitError(MemoryError):
    """The process holds more than the limit before the job begins.

    Args:
        held: That much, in bytes.
    """

    def __init__(self, held: int) -> None:
        super().__init__(held)
        self.held = held


def bytes_held() -> int:
    """What counts to the limit now, in bytes; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def beyond_limit(error: MemoryError, bytes_max: int) -> Failed:
    """The outcome of an attempt that needed more memory than it may have."""
    limit = format_size(bytes_max)
    if isinstance(error, BeyondLimitError):
        held = format_size(error.held)
        message = f"its limit of {limit} is less than the {held} that its process needs to begin"
    else:
        held = format_size(bytes_held())
        message = f"needed more than its limit of {limit}: it held {held}, and asked for too much"
    info = ErrorInfo(type=MEMORY_LIMIT, message=message, traceback=describe(error).traceback)
    return Failed(error=info, names=(f"builtins.{MEMORY_LIMIT}", "builtins.MemoryError"))
