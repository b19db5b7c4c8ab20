"""Between a worker's queues: weighted round robin.

Each turn every queue earns its weight; the richest is asked first and pays the sum of all
weights. Over a full round each queue comes first as often as its weight says, evenly
spread. A queue that is empty costs one look; the next in line fills the free slots.
"""

from collections.abc import Mapping


class Rotation:
    """The order in which to ask the queues, turn by turn.

    Args:
        weights: Weight by queue, at least 1; the order given breaks ties.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._credit = dict.fromkeys(weights, 0)
        self._total = sum(weights.values())
        self._single = list(weights) if len(self._weights) <= 1 else None

    def turn(self) -> list[str]:
        """All queues, the one whose turn it is first."""
        if self._single is not None:
            return self._single
        for name, weight in self._weights.items():
            self._credit[name] += weight
        order = sorted(self._weights, key=lambda name: -self._credit[name])
        self._credit[order[0]] -= self._total
        return order
