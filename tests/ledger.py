"""What jobs of other processes tell a test: the reader's side."""

from collections import Counter
from pathlib import Path


class Ledger:
    """What the jobs of other processes wrote down: a line for each start, each end, and more."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def lines(self) -> list[list[str]]:
        """Event, name, delivery, pid."""
        if not self._file.exists():
            return []
        return [line.split() for line in self._file.read_text().splitlines()]

    def names(self, event: str) -> list[str]:
        """Names of jobs with this event, in order."""
        return [line[1] for line in self.lines() if line[0] == event]

    def count(self, event: str) -> Counter[str]:
        return Counter(self.names(event))

    def pids(self, event: str, name: str) -> list[int]:
        return [int(line[3]) for line in self.lines() if line[:2] == [event, name]]
