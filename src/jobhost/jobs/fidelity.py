"""Whether a value comes back from JSON as it went in; what does not is refused.

Most types always do, and cost nothing here: `may_change` tells for a schema, once. Values of
all others are looked through for what JSON cannot hold, then read back and compared.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

NESTING_MAX: Final = 100
"""Deeper values are refused before they exhaust the stack of a reader."""

ANNOTATE: Final = ": annotate it with its type"
"""What helps where a value has a place in a signature."""

_PLAIN_LEAVES = frozenset({str, int, bool, type(None)})

_EXACT = frozenset(
    {"bool", "bytes", "date", "decimal", "float", "int", "none", "str", "time", "timedelta", "uuid"}
)
"""Types of schema whose values always come back."""

_EXACT_AROUND = frozenset({"frozenset", "list", "nullable", "set", "tuple"})
"""Types of schema whose values come back if what they hold does."""

_CONTAINERS = frozenset({dict, list, tuple})
"""A value of a subclass, such as a defaultdict, may come back as one of these."""

_NO_EQUALITY: Final[Any] = object.__eq__

_EXACT_KEYS = frozenset({"int", "str", "uuid"})


def may_change(schema: Any) -> bool:
    """Whether some value of this pydantic schema may come back as another one."""
    kind = schema.get("type")
    if kind in _EXACT:
        return False
    if kind in _EXACT_AROUND:
        inner = [schema.get("schema"), schema.get("items_schema")]
    elif kind == "dict" and schema.get("keys_schema", {}).get("type") in _EXACT_KEYS:
        inner = [schema.get("values_schema")]
    else:
        return not _checks_for_plain(schema)
    parts = [part for one in inner for part in (one if isinstance(one, list) else [one]) if part]
    return not parts or any(map(may_change, parts))


def require_plain(value: Any, depth: int = 0) -> Any:
    """Refuse what JSON would change: tuples, bytes, datetimes, NaN, keys that are not text."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise ValueError(f"has the key {key!r}; keys of untyped values must be text")
            if type(item) not in _PLAIN_LEAVES:
                require_plain(item, _deeper(depth))
    elif kind is list:
        for item in value:
            if type(item) not in _PLAIN_LEAVES:
                require_plain(item, _deeper(depth))
    elif kind is float:
        refuse_values(value)
    elif kind not in _PLAIN_LEAVES:
        raise ValueError(
            f"holds a value of type {kind.__qualname__}, which would not come back as one{ANNOTATE}"
        )
    return value


def refuse_values(value: Any, depth: int = 0) -> None:
    """Refuse NaN, infinities and naive datetimes anywhere inside a checked value."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"has {value!r}, which JSON cannot hold")
    elif isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(
                f"has the naive datetime {value!r}, which names no instant: "
                "add tzinfo=datetime.UTC or a ZoneInfo"
            )
    elif not isinstance(value, (str, bytes)):
        for part in _parts(value):
            refuse_values(part, _deeper(depth))


def comes_back(sent: Any, back: Any) -> bool:
    """Whether what was read back is what was sent; for values that `refuse_values` let pass."""
    if isinstance(sent, datetime):
        # Not `==`: two zones never agree about an hour that a change of the clock repeats.
        return isinstance(back, datetime) and sent - back == timedelta(0)
    if (inside := _inside(sent)) is not None:
        kind = type(back)
        alike = type(sent) is kind or (kind in _CONTAINERS and isinstance(sent, kind))
        return alike and _all_come_back(inside, _inside(back))
    if type(sent).__eq__ is _NO_EQUALITY:
        return type(sent) is type(back)  # it cannot tell more
    numbers = isinstance(sent, (int, float)) and isinstance(back, (int, float))
    return bool(sent == back) and (numbers or isinstance(sent, type(back)))


def _all_come_back(sent: Any, back: Any) -> bool:
    if isinstance(sent, Mapping):
        return sent.keys() == back.keys() and all(comes_back(sent[key], back[key]) for key in sent)
    return len(sent) == len(back) and all(map(comes_back, sent, back))


def _checks_for_plain(schema: Any) -> bool:
    function = schema.get("function")
    return isinstance(function, dict) and function.get("function") is require_plain


def _deeper(depth: int) -> int:
    if depth >= NESTING_MAX:
        raise ValueError(f"is nested deeper than {NESTING_MAX} levels")
    return depth + 1


def _parts(value: Any) -> list[Any]:
    if isinstance(value, (set, frozenset)):
        return list(value)
    inside = _inside(value)
    if isinstance(inside, Mapping):
        return [*inside.keys(), *inside.values()]
    return inside or []


def _inside(value: Any) -> Any:
    """What a value is made of, by name or in order; None for one without ordered parts."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, (list, tuple, deque)):
        return list(value)
    if isinstance(value, BaseModel):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return None
