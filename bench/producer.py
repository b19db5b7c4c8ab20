"""The process that enqueues: `python -m bench.producer ORDER`, where ORDER is JSON.

Its last line is the seconds that the enqueueing took.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from bench.tasks import PAD, host
from jobhost.host.task import BoundTask

BATCH: Final = 1_000
"""Jobs of one `enqueue_many`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to enqueue: jobs numbered from 0.

    Args:
        way: A key of WAYS.
        task: Name of a task of `bench.tasks`.
        count: How many.
        options: As for `Task.using`.
        gap_seconds: Pause from one enqueue to the next, if `way` is "paced".
    """

    way: str
    task: str
    count: int
    options: dict[str, Any] | None = None
    gap_seconds: float = 0.0

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `to_text`."""
        return cls(**json.loads(text))


Target = BoundTask[..., Any]


def one_by_one(task: Target, order: Order) -> None:
    """One `enqueue` after the other, as fast as it goes."""
    for seq in range(order.count):
        task.enqueue(seq, time.monotonic_ns(), PAD)


def paced(task: Target, order: Order) -> None:
    """One `enqueue` each time the gap is over."""
    due = time.monotonic()
    for seq in range(order.count):
        task.enqueue(seq, time.monotonic_ns(), PAD)
        due += order.gap_seconds
        time.sleep(max(0.0, due - time.monotonic()))


def bulk(task: Target, order: Order) -> None:
    """`enqueue_many` of BATCH jobs after each other."""
    for first in range(0, order.count, BATCH):
        seqs = range(first, min(first + BATCH, order.count))
        task.enqueue_many([(seq, time.monotonic_ns(), PAD) for seq in seqs])


WAYS: Final[dict[str, Callable[[Target, Order], None]]] = {
    "one_by_one": one_by_one,
    "paced": paced,
    "bulk": bulk,
}


def main(url: str, text: str) -> None:
    """Carry out one order on the store at this address."""
    order = Order.from_text(text)
    host.use_store(url)
    with host:
        task = host.tasks.get(order.task).using(**order.options or {})
        began = time.perf_counter()
        WAYS[order.way](task, order)
        seconds = time.perf_counter() - began
    print(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
