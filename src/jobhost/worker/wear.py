"""When a worker's process is worn out, so that a fresh one should follow."""

import os
from typing import Final

from jobhost.host.kinds import format_size
from jobhost.worker.vitals import resident_bytes

_LOOK_SECONDS: Final = 5.0
"""Pause between looks at the memory: leaks grow slowly, and a look costs some system calls."""


class Wear:
    """Compares a process with its limits.

    Args:
        max_jobs: Attempts after which it is worn out; None: never.
        max_bytes: Resident memory beyond which it is; None: never.
    """

    def __init__(self, *, max_jobs: int | None, max_bytes: int | None) -> None:
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._next_look = 0.0

    def look(self, now: float, ended: int) -> str | None:
        """Why it is worn out; None while it is not.

        Args:
            now: Monotonic seconds.
            ended: Attempts so far.
        """
        if self._max_jobs is not None and ended >= self._max_jobs:
            return f"it has run {ended:,} jobs"
        if self._max_bytes is None or now < self._next_look:
            return None
        self._next_look = now + _LOOK_SECONDS
        held = resident_bytes(os.getpid())
        return f"it holds {format_size(held)} of memory" if held > self._max_bytes else None
