"""Where a task runs, and how much memory it may take there."""

import re
from enum import StrEnum
from typing import Final

from jobhost.errors import InvalidOption

MEMORY_BYTES_MIN: Final = 32_000_000
"""An interpreter with nothing loaded needs about half of it."""

_UNITS: Final = {
    "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3
}  # fmt: skip
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([KMG]i?B)", re.IGNORECASE)


class Kind(StrEnum):
    """What runs a task's jobs."""

    ASYNC = "async"
    """The worker's event loop."""
    THREAD = "thread"
    """A thread of the worker."""
    PROCESS = "process"
    """A process that the worker can kill."""
    COMMAND = "command"
    """A program."""


def choose_kind(executor: object, name: str, *, is_async: bool) -> Kind:
    """The kind of a function's task. Raises InvalidOption for one that does not fit it."""
    if executor is None:
        return Kind.ASYNC if is_async else Kind.THREAD
    fitting = (Kind.ASYNC,) if is_async else (Kind.THREAD, Kind.PROCESS)
    if executor not in fitting:
        kind = "an async def" if is_async else "a plain function"
        expected = " or ".join(f"'{one}'" for one in fitting)
        raise InvalidOption(
            f"the executor of task {name!r}, which is {kind}, must be {expected}; got {executor!r}"
        )
    return Kind(str(executor))


def parse_size(value: object, what: str) -> int:
    """Bytes from text such as "512MB" or "2GiB". Raises InvalidOption."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise InvalidOption(f"{what} must be text such as '512MB' or '2GiB'; got {value!r}")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def format_size(size: int) -> str:
    """Bytes for people: 512 MB."""
    if size >= 10_000_000_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 10_000_000 else f"{size / 1e6:.1f} MB"


def check_memory_limit(value: object, name: str, kind: Kind) -> int | None:
    """The checked limit of a task. Raises InvalidOption."""
    if value is None:
        return None
    if kind is not Kind.PROCESS:
        raise InvalidOption(
            f"memory_limit of task {name!r} needs executor='process': a {kind} shares its memory "
            "with other jobs"
        )
    size = parse_size(value, "memory_limit")
    if size < MEMORY_BYTES_MIN:
        least = format_size(MEMORY_BYTES_MIN)
        raise InvalidOption(f"memory_limit must be at least {least}; got {value!r}")
    return size
