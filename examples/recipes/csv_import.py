"""A large CSV file goes into a database, each row once: `jobhost worker csv_import:host` does it.

Rows and the place that was reached are written in one transaction of the database that they go to.
Whatever ends an attempt, also `kill -9` or the loss of the machine, the next one goes on from the
last such place; and two that run at once, because one was wrongly thought dead, do no harm either.
"""

import csv
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from jobhost import JobHost, Retry, current_job

ROWS: Final = 1000
"""Rows between two places: the work that a kill costs, and some milliseconds of a transaction."""

TABLES: Final = """
    CREATE TABLE IF NOT EXISTS price (article TEXT NOT NULL, cents INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS refused (import TEXT, row INTEGER, reason TEXT);
    CREATE TABLE IF NOT EXISTS place (import TEXT PRIMARY KEY, byte INTEGER, row INTEGER);
"""

host = JobHost()
shop = Path(os.environ.get("SHOP_DB", "shop.db")).resolve()


@host.task(timeout="12h", stalled_after="10m", retry=Retry(max_attempts=10, first_delay="30s"))
def import_prices(file: Path) -> dict[str, int]:
    """Read `article,price` lines with a header. Bad rows are kept apart, with their reason."""
    job = current_job()
    size = file.stat().st_size
    with closing(connect()) as db, file.open("rb") as data:
        while (reached := import_some(db, data, str(job.id))) is not None:
            job.progress(reached, size, "bytes")
            job.cancel.raise_if_set()  # between two transactions: nothing is lost by a deploy
        (rows,) = db.execute("SELECT row FROM place WHERE import = ?", (str(job.id),)).fetchone()
        bad = "SELECT count(*) FROM refused WHERE import = ?"
        (refused,) = db.execute(bad, (str(job.id),)).fetchone()
    return {"rows": rows, "refused": refused}


def import_some(db: sqlite3.Connection, data: BinaryIO, name: str) -> int | None:
    """The next rows, and the place behind them, in one transaction; None at the end of the file."""
    with db:
        db.execute("BEGIN IMMEDIATE")  # nobody else reads the place before this one is written
        find = "SELECT byte, row FROM place WHERE import = ?"
        byte, row = db.execute(find, (name,)).fetchone() or (0, 0)
        data.seek(byte)
        rows = csv.reader(lines(data))
        if byte == 0:
            next(rows, None)  # the header
        some = list(islice(rows, ROWS))
        for number, fields in enumerate(some, row + 1):
            try:
                db.execute("INSERT INTO price VALUES (?, ?)", read(fields))
            except (ValueError, ArithmeticError) as error:
                db.execute("INSERT INTO refused VALUES (?, ?, ?)", (name, number, str(error)))
        place = (name, data.tell(), row + len(some))
        db.execute("INSERT OR REPLACE INTO place VALUES (?, ?, ?)", place)
        return data.tell() if some else None


def lines(data: BinaryIO) -> Iterator[str]:
    """One by one, so that the file stands right behind the last row, also one of several lines."""
    return (line.decode("utf-8", "replace") for line in iter(data.readline, b""))


def read(fields: list[str]) -> tuple[str, int]:
    """A row as it is stored. Raises ValueError or ArithmeticError."""
    article, price = fields
    return article, round(Decimal(price) * 100)


def connect() -> sqlite3.Connection:
    """The shop's database, with its tables."""
    db = sqlite3.connect(shop, timeout=60, isolation_level=None)
    db.executescript(TABLES)
    return db
