"""What really ran: one record for each start and each end of a job's body.

A record is appended with one write(2) to a file of the process, so it survives a kill of the
process in the next instant, and costs some microseconds.
"""

import os
import struct
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple, Self

RECORD: Final = struct.Struct("<qqqq")
"""Kind, seq, instant of the enqueue, instant of the record; instants are nanoseconds of
CLOCK_MONOTONIC, which all processes of a machine share."""


class Kind(IntEnum):
    """What a record tells."""

    START = 1
    END = 2


class Record(NamedTuple):
    """One record with the process that wrote it."""

    pid: int
    kind: int
    seq: int
    sent_ns: int
    now_ns: int


class Pen:
    """Appends the records of this process; its file is made by the first one.

    Args:
        folder: Where; None for a process that runs no jobs.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._file: int | None = None

    def write(self, kind: Kind, seq: int, sent_ns: int) -> None:
        """Append one record. Safe from any thread."""
        if self._file is None:
            self._file = self._open()
        os.write(self._file, RECORD.pack(kind, seq, sent_ns, time.monotonic_ns()))

    def _open(self) -> int:
        if self._folder is None:
            raise RuntimeError("this process was given no folder for records")
        path = Path(self._folder) / f"{os.getpid()}.rec"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


class Ledger:
    """The records of all processes; they may be written meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __len__(self) -> int:
        return sum(file.stat().st_size for file in self._folder.glob("*.rec")) // RECORD.size

    def read(self, kind: Kind) -> list[Record]:
        """The records of one kind, in no order between processes."""
        found = []
        for file in self._folder.glob("*.rec"):
            content = file.read_bytes()
            whole = content[: len(content) - len(content) % RECORD.size]
            pid = int(file.stem)
            found += [Record(pid, *fields) for fields in RECORD.iter_unpack(whole)]
        return [record for record in found if record.kind == kind]


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the jobs: `lost` never started, `duplicates` are starts too many."""

    sent: int = 0
    lost: int = 0
    duplicates: int = 0

    @classmethod
    def of(cls, sent: int, seqs: Iterable[int]) -> Self:
        """Of jobs numbered from 0 to `sent`, and the numbers of those that started."""
        times = Counter(seqs)
        return cls(sent, sent - len(times), times.total() - len(times))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.sent + other.sent,
            self.lost + other.lost,
            self.duplicates + other.duplicates,
        )
