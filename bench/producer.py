"""The process that enqueues: `python -m bench.producer URL ORDER`, where ORDER is JSON.

Its last line is the seconds that the enqueueing took.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any, Final

from bench.order import PAD, Order, carry_out
from bench.records import RECORDS_VARIABLE, mark_of
from bench.tasks import host, mark
from jobhost.host.task import BoundTask

_SQLITE: Final = "sqlite:///"


@host.task
async def stranger(seq: int, sent_ns: int, pad: str) -> None:
    """Known to producers only, so that no worker serves it."""


def main(url: str, text: str) -> None:
    """Carry out one order on the store at this address."""
    order = Order.from_text(text)
    host.use_store(url)
    with host:
        task = host.tasks.get(order.task).using(**order.options or {})
        if order.within:
            print(_within(url, order, task))
        else:
            print(carry_out(order, _sender(order, task)))


def _sender(order: Order, task: BoundTask[..., Any]) -> Callable[[range], None]:
    def one(seqs: range) -> None:
        task.enqueue(seqs.start, time.monotonic_ns(), PAD)

    def many(seqs: range) -> None:
        task.enqueue_many([(seq, time.monotonic_ns(), PAD) for seq in seqs])

    def programs(seqs: range) -> None:
        for seq in seqs:
            task.enqueue(file=mark_of(os.environ[RECORDS_VARIABLE], seq))

    if order.task == mark.name:
        return programs
    return many if order.way == "bulk" else one


def _within(url: str, order: Order, task: BoundTask[..., Any]) -> float:
    """Each call is a transaction of its own, on one connection of the producer's."""
    connection, transaction = _connect(url)

    def one(seqs: range) -> None:
        with transaction():
            task.enqueue_with(connection, seqs.start, time.monotonic_ns(), PAD)

    def many(seqs: range) -> None:
        with transaction():
            task.enqueue_many_with(connection, [(seq, time.monotonic_ns(), PAD) for seq in seqs])

    with closing(connection):
        return carry_out(order, many if order.way == "bulk" else one)


def _connect(url: str) -> tuple[Any, Callable[[], AbstractContextManager[Any]]]:
    """A connection of the driver's, and what opens a transaction on it and commits it."""
    if url.startswith(_SQLITE):
        connection = sqlite3.connect(url.removeprefix(_SQLITE).partition("?")[0])
        return connection, lambda: connection
    import psycopg  # noqa: PLC0415 - an extra

    server = psycopg.connect(url, autocommit=True)
    return server, server.transaction


if __name__ == "__main__":
    main(*sys.argv[1:])
