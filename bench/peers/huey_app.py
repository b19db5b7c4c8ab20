"""Huey's program: the queue that its consumer imports, and what a producer runs.

Defaults, but for what the address says about durability: an SQLite store of the bench that is
"full" has fsync, one that is "normal" has none at all, for there is nothing in between.
"""

import os
import time
from urllib.parse import urlsplit

from huey import PostgresHuey, SqliteHuey  # type: ignore[import-not-found]

from bench.order import PAD, URL_VARIABLE, Order, carry_out
from bench.records import RECORDS_VARIABLE, Kind, Pen

_url = os.environ[URL_VARIABLE]
if _url.startswith("sqlite:"):
    _parts = urlsplit(_url)
    _durable = _parts.query == "synchronous=full"
    huey = SqliteHuey("bench", filename=_parts.path[1:], fsync=_durable)
else:
    huey = PostgresHuey("bench", dsn=_url)

_pen = Pen(os.environ.get(RECORDS_VARIABLE))


@huey.task()  # type: ignore[untyped-decorator]
def note(seq: int, sent_ns: int, pad: str) -> None:
    """Does nothing but tell that it ran."""
    _pen.write(Kind.START, seq, sent_ns)


def main(text: str) -> None:
    """Carry out an order; prints the seconds that it took."""

    def one_by_one(seqs: range) -> None:
        for seq in seqs:
            note(seq, time.monotonic_ns(), PAD)

    print(carry_out(Order.from_text(text), one_by_one))
