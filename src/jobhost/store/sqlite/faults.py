"""SQLite's errors in jobhost's words, each with the next step. Translated here and nowhere else."""

import sqlite3
from pathlib import Path

from jobhost.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreMoved,
    StoreReadOnly,
    StoreRefusedData,
    StoreUnavailable,
)

MOVED_TO = "jobhost moved to "
"""How the triggers of a store that was moved begin; the address follows."""

_PRIMARY = 0xFF
"""SQLite's extended error codes carry the primary code in their lowest byte."""

_BY_CODE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is locked by another process; repeat, or find the holder"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "is locked by another connection; repeat"),
    sqlite3.SQLITE_FULL: (StoreFull, "cannot grow, the disk is full; free some space and repeat"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "is read-only; check its owner, mode and mount"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailable, "cannot be opened; check the path and its rights"),
    sqlite3.SQLITE_IOERR: (StoreUnavailable, "had an input/output error; check the disk"),
    sqlite3.SQLITE_PERM: (StoreUnavailable, "may not be opened; check its owner and mode"),
    sqlite3.SQLITE_CORRUPT: (StoreDamaged, "is damaged; stop all workers and restore a backup"),
    sqlite3.SQLITE_NOTADB: (StoreDamaged, "is not an SQLite database; choose another path"),
    sqlite3.SQLITE_TOOBIG: (StoreRefusedData, "refused a value as too long"),
    sqlite3.SQLITE_CONSTRAINT: (StoreRefusedData, "refused a value"),
    sqlite3.SQLITE_MISMATCH: (StoreRefusedData, "refused a value of the wrong type"),
}

_BY_EXTENDED_CODE: dict[int, tuple[type[StoreError], str]] = {
    # The index of the write-ahead log is made before anything is written.
    sqlite3.SQLITE_IOERR_SHMSIZE: (
        StoreFull,
        "cannot be used, its -shm file finds no room on the disk; free some space and repeat",
    ),
}
"""What says more than its primary code."""

DRIVER_ERRORS = (sqlite3.Error, UnicodeError, OverflowError)
"""What the driver raises: its own errors, and Python's for values that it cannot bind."""


def is_busy(error: Exception) -> bool:
    """Whether the file is locked by somebody else, and the statement may simply be repeated."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(code, int) or code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return False
    return code & _PRIMARY == sqlite3.SQLITE_BUSY


def translate(error: Exception, path: Path) -> StoreError:
    """The jobhost error for a driver error about this file. The caller raises it `from` that."""
    if isinstance(error, (UnicodeError, OverflowError)):
        return StoreRefusedData(f"{path} refused a value: {error}")
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER and str(error).startswith(MOVED_TO):
        address = str(error).removeprefix(MOVED_TO)
        return StoreMoved(
            f"{path} can be read but not written, its jobs were moved to {address}: set "
            "JOBHOST_URL to that address, with its password, and start this program again"
        )
    if isinstance(code, int):
        known = _BY_EXTENDED_CODE.get(code) or _BY_CODE.get(code & _PRIMARY)
        if known is not None:
            kind, what = known
            return kind(f"{path} {what} ({error})")
    return StoreError(f"{path}: {error}")
