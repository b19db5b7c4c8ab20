"""Sleeping on sockets and pipes, however high their numbers: `select` ends at 1,023."""

import select
from collections.abc import Iterable
from typing import Final

_SECONDS_MAX: Final = 86_400.0
"""One sleep is no longer, since the system counts its milliseconds in 31 bits."""


def until_readable(descriptors: Iterable[int], seconds: float) -> frozenset[int]:
    """Sleep until one of these can be read, has come to its end or was closed, or the time is over.

    Args:
        descriptors: Of open files.
        seconds: Longest sleep; below zero is none. After a day it ends in any case.

    Returns those with something to find out; none when the time was over.
    """
    watched = select.poll()
    for descriptor in descriptors:
        watched.register(descriptor, select.POLLIN)
    pause = min(max(0.0, seconds), _SECONDS_MAX)
    return frozenset(descriptor for descriptor, _ in watched.poll(pause * 1000))
