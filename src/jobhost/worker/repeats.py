"""When a line of the log that repeats itself is worth being written again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jobhost.plurals import counted

AGAIN_SECONDS: Final = (10.0, 600.0)
"""Between lines about one and the same trouble, at first and at the most."""

FORGET_SECONDS: Final = 60.0
"""After so long without it a trouble is a new one."""

TROUBLES_MAX: Final = 50
"""Kept apart at a time: of more, each is a new one."""


@dataclass(slots=True)
class _Said:
    """One trouble: when it came last, when it is worth a line again, the wait before that, and how
    many lines were left out since the last."""

    last_at: float
    next_at: float
    wait_seconds: float
    left_out: int = 0


class Repeats:
    """Troubles by their words: each gets a line the first time it comes, and the same again after
    longer and longer times. Threads share it: at worst a line comes twice.

    Args:
        monotonic: The clock.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said: dict[str, _Said] = {}

    def __len__(self) -> int:
        """How many it remembers; TROUBLES_MAX at the most."""
        return len(self._said)

    def left_out(self, trouble: str) -> int | None:
        """It has come once more: how often it was left out before this line; None when this one is
        to be left out too."""
        now, (first, longest) = self._monotonic(), AGAIN_SECONDS
        said = self._said.get(trouble)
        if said is None or now >= said.last_at + FORGET_SECONDS:
            if len(self._said) >= TROUBLES_MAX:
                self._said.clear()
            self._said[trouble] = _Said(now, now + first, first)
            return 0 if said is None else said.left_out
        said.last_at = now
        if now < said.next_at:
            said.left_out += 1
            return None
        wait = min(2 * said.wait_seconds, longest)
        self._said[trouble] = _Said(now, now + wait, wait)
        return said.left_out


def said_of(left_out: int) -> str:
    """The end of a line before which so many were left out."""
    return f" ({counted(left_out, 'line')} like this left out)" if left_out else ""
