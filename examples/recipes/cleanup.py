"""The nightly clean-up: `jobhost worker cleanup:host` does it, cron or a timer asks for it.

It removes old files, and old rows in slices. What has to go follows from the night that was asked
for and not from the clock, so a repeat removes the same. It needs no checkpoint: what a killed
attempt has removed is gone, and the next one sees what is left.
"""

import logging
import os
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from jobhost import JobHost, Retry, current_job

FILES_KEPT: Final = timedelta(days=30)
SESSIONS_KEPT: Final = timedelta(days=7)
SLICE_ROWS: Final = 500
"""Rows removed in one transaction: some milliseconds, in which nobody else can write."""

log = logging.getLogger("cleanup")
host = JobHost()
uploads = Path(os.environ.get("UPLOADS", "uploads")).resolve()
shop = Path(os.environ.get("SHOP_DB", "shop.db")).resolve()


# It may take hours, but is never silent for ten minutes.
@host.task(timeout="6h", stalled_after="10m", retry=Retry(max_attempts=4, first_delay="10m"))
def clean_up(tonight: date) -> dict[str, int]:
    """Remove what is too old on this night; how many files and sessions went."""
    midnight = datetime.combine(tonight, time(), UTC)
    return {
        "sessions": remove_sessions(midnight - SESSIONS_KEPT),
        "files": remove_files(midnight - FILES_KEPT),
    }


def remove_sessions(before: datetime) -> int:
    """Remove sessions last seen before this instant, slice by slice."""
    removed = 0
    with closing(sqlite3.connect(shop, timeout=60)) as db:
        while True:
            current_job().cancel.raise_if_set()
            with db:
                gone = db.execute(
                    "DELETE FROM sessions WHERE id IN"
                    " (SELECT id FROM sessions WHERE seen_at < ? LIMIT ?)",
                    (before.isoformat(), SLICE_ROWS),
                ).rowcount
            removed += gone
            current_job().progress(removed, message="sessions")
            if gone < SLICE_ROWS:
                return removed


def remove_files(before: datetime) -> int:
    """Remove files last written before this instant. One that cannot be removed holds up no other;
    for its sake the job fails in the end, and tries again."""
    old = [path for path in uploads.rglob("*") if is_old_file(path, before.timestamp())]
    left = []
    for number, path in enumerate(old, 1):
        current_job().cancel.raise_if_set()
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s stays: %s", path, error)
            left.append(path.name)
        current_job().progress(number, len(old), "files")
    if left:
        raise OSError(
            f"{len(left)} of {len(old)} old files could not be removed, such as {left[0]}"
        )
    return len(old)


def is_old_file(path: Path, before: float) -> bool:
    """Whether it is a file, still there, and was last written before this time."""
    try:
        return path.is_file() and path.stat().st_mtime < before
    except FileNotFoundError:
        return False
