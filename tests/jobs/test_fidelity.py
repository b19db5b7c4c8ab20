"""Which types are looked at closely, and what counts as the same."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter

from jobhost.jobs.fidelity import comes_back, may_change, refuse_values, require_plain


class Spot(BaseModel):
    x: int = 0


class DeepSpot(Spot):
    pass


@dataclass
class Mark:
    at: Any


class Opaque:
    """Has no equality of its own."""

    def __repr__(self) -> str:
        return "Opaque()"


@pytest.mark.parametrize(
    "kind",
    [int, str, bytes, UUID, int | None, list[str], dict[str, list[int]], tuple[int, ...], set[int]],
    ids=str,
)
def test_types_that_always_come_back_cost_no_second_look(kind: Any) -> None:
    assert not may_change(TypeAdapter(kind).core_schema)


@pytest.mark.parametrize(
    "kind",
    [
        Any,
        list,
        tuple,
        datetime,
        Path,
        Spot,
        Mark,
        int | str,
        list[datetime],
        dict[str, Any],
        dict[datetime, int],
        tuple[int, Spot],
        Sequence[int],
        Spot | None,
    ],
    ids=str,
)
def test_types_that_may_hide_a_change_get_one(kind: Any) -> None:
    assert may_change(TypeAdapter(kind).core_schema)


NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        (1, 1),
        (1, 1.0),
        ("a", "a"),
        ([1, {"a": (2,)}], [1, {"a": (2,)}]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (NOON, NOON.astimezone(timezone(timedelta(hours=5)))),
        ([NOON], [NOON]),
        (Mark(Spot(x=1)), Mark(Spot(x=1))),
        (deque([1]), deque([1])),
        ({1}, {1}),
        (Opaque(), Opaque()),
    ],
    ids=str,
)
def test_what_is_the_same_comes_back(sent: Any, back: Any) -> None:
    assert comes_back(sent, back)


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        (1, 2),
        (1, "1"),
        ("a", Path("a")),
        ((1,), [1]),
        ([1], [1, 1]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 2}),
        ({1}, [1]),
        (NOON, NOON + timedelta(microseconds=1)),
        (NOON, NOON.date()),
        (NOON, None),
        (Spot(), DeepSpot()),
        (DeepSpot(), Spot()),
        (Spot(x=1), Spot(x=2)),
        (Spot(), {"x": 0}),
        (Mark((1,)), Mark([1])),
        (Opaque(), Spot()),
        (None, 0),
    ],
    ids=str,
)
def test_what_differs_in_value_or_type_does_not(sent: Any, back: Any) -> None:
    assert not comes_back(sent, back)


def test_values_are_looked_through_to_the_ground() -> None:
    nan = float("nan")
    for hidden in (
        [nan],
        {"a": (nan,)},
        {nan: 1},
        {nan},
        deque([nan]),
        Mark([nan]),
        Mark(Mark(nan)),
    ):
        with pytest.raises(ValueError, match="has nan"):
            refuse_values(hidden)
    refuse_values([1.5, {"a": (NOON,)}, Mark(Spot), "nan", b"nan"])


def test_plain_values_are_handed_on_as_they_are() -> None:
    value = {"a": [1, 1.5, "x", None, True, {}]}
    assert require_plain(value) is value
