"""Wakes a job's thread that waits for a process."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from jobhost.worker.execution import Execution


class Interrupt:
    """For the time of one job: readable as soon as the job was asked to stop.

    Only the job's own thread talks to its process; others ring here. Enter it with `with`.

    Args:
        execution: The job.
        also: Called with each ring.
    """

    def __init__(self, execution: Execution, also: Callable[[], None] | None = None) -> None:
        self._execution = execution
        self._also = also
        self._mutex = threading.Lock()
        self._open = True
        self._read, self._write = os.pipe()

    def __enter__(self) -> Self:
        self._execution.on_stop = self._ring
        if self._execution.stop is not None:
            self._ring()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._execution.on_stop = None
        with self._mutex:
            self._open = False
            os.close(self._read)
            os.close(self._write)

    def fileno(self) -> int:
        """What to wait for."""
        return self._read

    def clear(self) -> None:
        """It was seen; the next ring is heard anew."""
        os.read(self._read, 64)

    def _ring(self) -> None:
        with self._mutex:
            if self._open:
                os.write(self._write, b"!")
        if self._also is not None:
            self._also()
