"""How long to leave the store alone after errors in a row."""

import random
from typing import Final

_FAILURES_MAX: Final = 16
"""Counted failures in a row: far beyond the longest pause, far from the largest float."""


class BackOff:
    """Pauses that double from failure to failure, with jitter: of half its length up to all.

    Args:
        first_seconds: After the first failure.
        longest_seconds: However many there were.
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._failures = 0

    def failed(self) -> float:
        """Count a failure. Returns the seconds to wait."""
        longest = min(self._first_seconds * 2.0**self._failures, self._longest_seconds)
        self._failures = min(self._failures + 1, _FAILURES_MAX)
        return longest * random.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """The next failure is a first one again."""
        self._failures = 0
