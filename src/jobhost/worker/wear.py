"""When a worker's process is worn out, so that a fresh one should follow."""

import logging
import os
from typing import Final

from jobhost.host.kinds import format_size
from jobhost.worker.vitals import resident_bytes

_log = logging.getLogger("jobhost.worker")

_LOOK_SECONDS: Final = 5.0
"""Pause between looks at the memory: leaks grow slowly, and a look costs some system calls."""


class Wear:
    """Compares a process with its limits.

    Who holds too much before it has ended a job is not worn out, since a fresh process would hold
    as much, and nothing would ever run: the log says so, once.

    Args:
        max_jobs: Attempts after which it is worn out; None: never.
        max_bytes: Resident memory beyond which it is; None: never.
    """

    def __init__(self, *, max_jobs: int | None, max_bytes: int | None) -> None:
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._next_look = 0.0
        self._has_complained = False

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
        if held <= self._max_bytes:
            return None
        if not ended:
            self._complain(held, self._max_bytes)
            return None
        return f"it holds {format_size(held)} of memory"

    def _complain(self, held: int, most: int) -> None:
        if not self._has_complained:
            self._has_complained = True
            _log.error(
                "this worker holds %s of memory before it has ended a job, and max_memory is %s: "
                "raise max_memory",
                format_size(held),
                format_size(most),
            )
