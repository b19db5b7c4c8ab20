"""The process that enqueues: `python -m bench.producer URL ORDER`, where ORDER is JSON.

Its last line is the seconds that the enqueueing took.
"""

import sys
import time

from bench.order import PAD, Order, carry_out
from bench.tasks import host


def main(url: str, text: str) -> None:
    """Carry out one order on the store at this address."""
    order = Order.from_text(text)
    host.use_store(url)
    with host:
        task = host.tasks.get(order.task).using(**order.options or {})

        def one(seqs: range) -> None:
            task.enqueue(seqs.start, time.monotonic_ns(), PAD)

        def many(seqs: range) -> None:
            task.enqueue_many([(seq, time.monotonic_ns(), PAD) for seq in seqs])

        print(carry_out(order, many if order.way == "bulk" else one))


if __name__ == "__main__":
    main(*sys.argv[1:])
