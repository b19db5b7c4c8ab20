"""PgQueuer's program: `python -m bench.peers.pgqueuer_app install | work | produce ORDER`.

At its best: asyncpg on uvloop, and batches of 100 (the default is 10). Its worker is started by
its own `PgQueuer.run`.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg  # type: ignore[import-not-found]
import uvloop  # type: ignore[import-not-found]
from pgqueuer import PgQueuer  # type: ignore[import-not-found]
from pgqueuer.db import AsyncpgDriver  # type: ignore[import-not-found]
from pgqueuer.queries import Queries  # type: ignore[import-not-found]

from bench.order import PAD, URL_VARIABLE, Order
from bench.records import RECORDS_VARIABLE, Kind, Pen

BATCH: Final = 100
"""Jobs that a worker takes at once."""


async def install() -> None:
    """Make its tables."""
    await Queries(await _driver()).install()


async def work() -> None:
    """Run jobs until killed."""
    queue = PgQueuer(await _driver())
    pen = Pen(os.environ.get(RECORDS_VARIABLE))

    @queue.entrypoint("note")  # type: ignore[untyped-decorator]
    async def note(job: Any) -> None:
        arguments = json.loads(job.payload)
        pen.write(Kind.START, arguments["seq"], arguments["sent_ns"])

    await queue.run(batch_size=BATCH)


async def produce(text: str) -> None:
    """Carry out an order; prints the seconds that it took."""
    order = Order.from_text(text)
    queries = Queries(await _driver())
    began = due = time.perf_counter()
    for seqs in order.calls():
        payloads = [_payload(seq) for seq in seqs]
        if order.way == "bulk":
            await queries.enqueue(["note"] * len(payloads), payloads, [0] * len(payloads))
        else:
            await queries.enqueue("note", payloads[0])
        if order.gap_seconds:
            due += order.gap_seconds
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    print(time.perf_counter() - began)


def _payload(seq: int) -> bytes:
    arguments = {"seq": seq, "sent_ns": time.monotonic_ns(), "pad": PAD}
    return json.dumps(arguments).encode()


async def _driver() -> Any:
    return AsyncpgDriver(await asyncpg.connect(os.environ[URL_VARIABLE]))


PROGRAMS: Final[dict[str, Callable[..., Awaitable[None]]]] = {
    "install": install,
    "work": work,
    "produce": produce,
}

if __name__ == "__main__":
    uvloop.run(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
