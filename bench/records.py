"""What really ran: one record for each start and each end of a job's body.

A record is appended with one write(2) to a file of the process, so it survives a kill of the
process in the next instant, and costs some microseconds. A program that is no Python appends one
byte to a file of the job's instead: the file's last change tells when. Standard library only: the
peers' programs use it too.
"""

import os
import struct
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import compress
from pathlib import Path
from typing import Final, NamedTuple, Self

RECORD: Final = struct.Struct("<qqqq")
"""Kind, seq, instant of the enqueue, instant of the record; instants are nanoseconds of
CLOCK_MONOTONIC, which all processes of a machine share."""

RECORDS_VARIABLE: Final = "BENCH_RECORDS"
"""Environment variable of a worker: the folder for its records."""


def mark_of(folder: str | Path, seq: int) -> Path:
    """The file to which a program appends one byte when it runs for this job."""
    return Path(folder) / f"{seq}.mark"


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
        self._pid = 0

    def write(self, kind: Kind, seq: int, sent_ns: int) -> None:
        """Append one record. Safe from any thread, and after a fork."""
        if self._file is None or self._pid != os.getpid():
            self._file, self._pid = self._open(), os.getpid()
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
        records = sum(file.stat().st_size for file in self._folder.glob("*.rec")) // RECORD.size
        return records + sum(file.stat().st_size for file in self._folder.glob("*.mark"))

    def read(self, kind: Kind) -> list[Record]:
        """The records of one kind, in no order between processes."""
        found = []
        for file in self._folder.glob("*.rec"):
            content = file.read_bytes()
            whole = content[: len(content) - len(content) % RECORD.size]
            pid = int(file.stem)
            found += [Record(pid, *fields) for fields in RECORD.iter_unpack(whole)]
        return [record for record in found if record.kind == kind]

    def starts(self) -> "Starts":
        """All starts, those of programs too, without an object for each: there may be a million."""
        starts = Starts()
        for file in self._folder.glob("*.rec"):
            content = file.read_bytes()
            fields = array("q", content[: len(content) - len(content) % RECORD.size])
            is_start = [kind == Kind.START for kind in fields[0::4]]
            for found, column in enumerate((starts.seqs, starts.sent_ns, starts.now_ns), 1):
                column.extend(compress(fields[found::4], is_start))
        since_epoch_ns = time.time_ns() - time.monotonic_ns()
        for mark in self._folder.glob("*.mark"):
            status = mark.stat()
            for _ in range(status.st_size):
                starts.seqs.append(int(mark.stem))
                starts.sent_ns.append(0)
                starts.now_ns.append(status.st_mtime_ns - since_epoch_ns)
        return starts

    def clear(self) -> None:
        """Forget all records; processes go on writing new ones."""
        for pattern in ("*.rec", "*.mark"):
            for file in self._folder.glob(pattern):
                os.truncate(file, 0)


@dataclass(frozen=True, slots=True)
class Starts:
    """Starts of jobs, column by column, in no order."""

    seqs: "array[int]" = field(default_factory=lambda: array("q"))
    sent_ns: "array[int]" = field(default_factory=lambda: array("q"))
    now_ns: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the jobs: `lost` never started, `duplicates` are starts too many."""

    sent: int = 0
    lost: int = 0
    duplicates: int = 0

    @classmethod
    def of(cls, sent: int, seqs: Iterable[int], *, first: int = 0) -> Self:
        """Of `sent` jobs numbered from `first`, and the numbers of those that started."""
        times = Counter(seqs)
        known = sum(seq in range(first, first + sent) for seq in times)
        return cls(sent, sent - known, times.total() - known)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.sent + other.sent,
            self.lost + other.lost,
            self.duplicates + other.duplicates,
        )
