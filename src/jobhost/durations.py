"""Spans of time as people write them: `"10m"`, `"1h30m"`, `"250ms"` or a `timedelta`."""

import re
from datetime import timedelta

from jobhost.errors import InvalidOption

EXPECTED = "a timedelta or text such as '250ms', '30s', '10m', '1h30m', '2d'"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+")

LONGEST = timedelta(days=3660)
"""Ten years: a longer span is a typing error, and due times stay far inside 64 bits."""


def parse_duration(value: object, what: str) -> timedelta:
    """Read a span of zero to ten years.

    `what` names the option in the error. A bare number is refused, since nobody
    can see its unit.

    Raises InvalidOption for anything that is not a span in that range.
    """
    if isinstance(value, timedelta):
        span = value
    elif isinstance(value, str) and _WHOLE.fullmatch(text := value.strip().lower()):
        seconds = sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
        span = timedelta(seconds=min(seconds, LONGEST.total_seconds() + 1))
    else:
        raise InvalidOption(f"{what} must be {EXPECTED}; got {value!r}")
    if not timedelta(0) <= span <= LONGEST:
        raise InvalidOption(f"{what} must be between 0 and {LONGEST.days} days; got {value!r}")
    return span


def seconds(value: object, what: str) -> float:
    """`parse_duration` in seconds."""
    return parse_duration(value, what).total_seconds()


def format_seconds(value: float) -> str:
    """A span for people: `0.25` → `250ms`, `90` → `1m30s`; the two largest units at most."""
    if value < 1:
        return f"{value * 1000:.0f}ms"
    if value < 60:
        return f"{value:.3g}s"
    parts = []
    left = round(value)
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
        elif parts:
            break
    return "".join(parts[:2])
