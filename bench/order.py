"""What a producer is to enqueue. Standard library only: the peers' programs use it too."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

BATCH: Final = 1_000
"""Jobs of one call, if they are enqueued in bulk."""

URL_VARIABLE: Final = "BENCH_URL"
"""Environment variable of producers and workers: the address of the store."""

PAD: Final = "x" * 155
"""Fills the arguments of a job to about 200 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to enqueue: jobs numbered from `first`.

    Args:
        way: One job a call, or BATCH jobs; who has no call for many takes them one by one.
        count: How many.
        task: Name of a task of `bench.tasks`; the peers have only "note".
        first: Number of the first one.
        options: As for `Task.using`.
        gap_seconds: From the beginning of one call to that of the next; 0 for no pause.
        within: Each call in a transaction of the producer's own, on its own connection.
    """

    way: Literal["one_by_one", "bulk"]
    count: int
    task: str = "note"
    first: int = 0
    options: dict[str, Any] | None = None
    gap_seconds: float = 0.0
    within: bool = False

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `to_text`."""
        return cls(**json.loads(text))

    def calls(self) -> Iterator[range]:
        """The numbers of the jobs of each call."""
        size = BATCH if self.way == "bulk" else 1
        end = self.first + self.count
        for first in range(self.first, end, size):
            yield range(first, min(first + size, end))


def carry_out(order: Order, send: Callable[[range], None]) -> float:
    """Send the jobs, call by call; returns the seconds that it took."""
    began = due = time.perf_counter()
    for seqs in order.calls():
        send(seqs)
        if order.gap_seconds:
            due += order.gap_seconds
            time.sleep(max(0.0, due - time.perf_counter()))
    return time.perf_counter() - began
