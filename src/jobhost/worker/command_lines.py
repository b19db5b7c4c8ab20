"""What a command writes, line by line, for the log of its job."""

import logging
from typing import Final

from jobhost.clock import SystemClock
from jobhost.host.notes import Notes
from jobhost.worker.execution import Execution
from jobhost.worker.scribe import Scribe

_SOURCES: Final = (("INFO", "stdout"), ("ERROR", "stderr"))
"""Level and name of the two, in the order of their pipes."""

_PART_BYTES: Final = 4_000
"""A longer line, or one that does not end, comes in parts."""


class CommandLines:
    """The lines of one program.

    Args:
        notes: Where they go.
        level: The least level that is kept.
    """

    def __init__(self, notes: Notes, level: int) -> None:
        self._notes = notes
        self._level = level
        self._begun = [b"", b""]

    @classmethod
    def of(cls, scribe: Scribe, execution: Execution) -> "CommandLines | None":
        """Those of a job's program; None where nothing is kept."""
        level = scribe.log_level_of_commands
        return None if level is None else cls(scribe.listen(execution), level)

    def hear(self, pipe: int, more: bytes) -> None:
        """What has come from stdout (0) or stderr (1); nothing: that was all."""
        level, source = _SOURCES[pipe]
        if logging.getLevelNamesMapping()[level] < self._level:
            return
        *lines, rest = (self._begun[pipe] + more).split(b"\n")
        while len(rest) >= _PART_BYTES or (rest and not more):
            lines.append(rest[:_PART_BYTES])
            rest = rest[_PART_BYTES:]
        self._begun[pipe] = rest
        written_at = SystemClock().now()
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            self._notes.log(written_at, level, source, text)
