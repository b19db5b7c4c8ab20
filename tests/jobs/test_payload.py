"""Arguments and results: what goes in comes back the same, or is refused at the caller."""

import enum
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field

from jobhost.errors import InvalidPayload, UsageError
from jobhost.jobs.fidelity import NESTING_MAX
from jobhost.jobs.payload import PAYLOAD_BYTES_MAX, Signature


class Colour(enum.Enum):
    RED = "red"
    SEVEN = 7


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pair(enum.Enum):
    ONE_TWO = (1, 2)


class Point(NamedTuple):
    x: int
    y: str


@dataclass
class Visit:
    at: datetime
    place: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Loose:
    value: Any


class Order(BaseModel):
    number: int
    total: Decimal
    visits: list[Visit] = []
    by_day: dict[date, float] = {}


class RushOrder(Order):
    hours: int


class Aliased(BaseModel):
    model_config = ConfigDict(extra="forbid")
    content_type: str = Field(validation_alias="Content-Type", serialization_alias="type")

    @computed_field
    def is_text(self) -> bool:
        return self.content_type.startswith("text/")


class Measured(BaseModel):
    value: float


class Anything(BaseModel):
    value: Any


class Tree(BaseModel):
    children: list["Tree"] = []


def codec_of(kind: Any) -> Signature:
    """The codec of `shout(value: kind)`."""

    def shout(value: Any) -> None: ...

    shout.__annotations__ = {"value": kind, "return": None}
    return Signature(shout, "shout")


def returning(kind: Any) -> Signature:
    """The codec of `shout() -> kind`."""

    def shout() -> None: ...

    shout.__annotations__ = {"return": kind}
    return Signature(shout, "shout")


def there_and_back(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    codec = Signature(function, function.__name__)
    again, named = codec.decode(codec.encode(args, kwargs))
    return function(*again, **named)


# --- What comes back -----------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zone is drawn
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-9, minutes=-30))]
    ),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
visits = st.builds(Visit, at=moments, place=st.none() | texts, notes=st.lists(texts, max_size=3))
orders = st.builds(
    Order,
    number=st.integers(),
    total=st.decimals(allow_nan=False, allow_infinity=False),
    visits=st.lists(visits, max_size=2),
    by_day=st.dictionaries(st.dates(), finite, max_size=2),
)

KINDS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: finite,
    str: texts,
    bytes: st.binary(),
    bool: st.booleans(),
    Path: st.from_regex(r"[a-zé/.~ \\]{1,20}", fullmatch=True).map(Path),
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    time: st.times(),
    datetime: moments,
    timedelta: st.timedeltas(),
    Colour: st.sampled_from(Colour),
    Level: st.sampled_from(Level),
    Point: st.builds(Point, st.integers(), texts),
    Visit: visits,
    Order: orders,
    Any: plain,
    object: plain,
    dict: st.dictionaries(texts, plain, max_size=4),
    list: st.lists(plain, max_size=4),
    int | str: st.integers() | texts,
    Order | None: st.none() | orders,
    bytes | None: st.none() | st.binary(),
    Literal["a", 1]: st.sampled_from(["a", 1]),
    list[Visit]: st.lists(visits, max_size=3),
    dict[str, list[UUID]]: st.dictionaries(texts, st.lists(st.uuids(), max_size=3), max_size=3),
    dict[int, bytes]: st.dictionaries(st.integers(), st.binary(), max_size=3),
    set[int]: st.sets(st.integers(), max_size=5),
    frozenset[str]: st.frozensets(texts, max_size=5),
    tuple[int, ...]: st.lists(st.integers(), max_size=5).map(tuple),
    tuple[str, bytes, float]: st.tuples(texts, st.binary(), finite),
    dict[str, Any]: st.dictionaries(texts, plain, max_size=4),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_value_comes_back_as_it_went_in(kind: Any) -> None:
    argument, result = codec_of(kind), returning(kind)

    @given(KINDS[kind])
    def comes_back(value: Any) -> None:
        text = argument.encode((value,), {})
        json.loads(text)
        args, named = argument.decode(text)
        assert args == []
        assert named == {"value": value}
        assert type(named["value"]) is type(value)
        again = result.decode_result(result.encode_result(value))
        assert again == value
        assert type(again) is type(value)

    comes_back()


@given(st.lists(st.integers(), min_size=2, max_size=6), st.dictionaries(texts, moments, max_size=3))
def test_any_way_of_calling_arrives_as_it_was_called(
    numbers: list[int], named: dict[str, datetime]
) -> None:
    def gather(
        first: int, /, second: int, *rest: int, flag: bool = False, **more: datetime
    ) -> tuple[Any, ...]:
        return first, second, rest, flag, more

    extra = {key: value for key, value in named.items() if key not in ("second", "flag")}
    expected = gather(*numbers, flag=True, **extra)
    assert there_and_back(gather, *numbers, flag=True, **extra) == expected


def test_a_keyword_may_have_the_name_of_a_positional_only_parameter() -> None:
    def gather(name: str, /, **more: str) -> tuple[str, dict[str, str]]:
        return name, more

    assert there_and_back(gather, "a", name="b", more="c") == ("a", {"name": "b", "more": "c"})


def test_defaults_are_not_stored_but_filled_in_by_the_code_that_runs() -> None:
    def greet(name: str, greeting: str = "hello") -> None: ...

    def greet_after_a_deploy(name: str, greeting: str = "good day", loud: bool = False) -> None: ...

    text = Signature(greet, "greet").encode(("you",), {})
    assert json.loads(text) == {"name": "you"}
    assert Signature(greet_after_a_deploy, "greet").decode(text) == ([], {"name": "you"})


def test_a_default_may_be_of_another_type_than_its_annotation() -> None:
    def greet(name: str = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    codec = Signature(greet, "greet")
    assert codec.decode(codec.encode((), {})) == ([], {})


def test_a_model_is_stored_by_the_names_of_its_fields_whatever_its_aliases() -> None:
    sent = Aliased.model_validate({"Content-Type": "text/plain"})
    codec = codec_of(Aliased)
    text = codec.encode((sent,), {})
    assert json.loads(text) == {"value": {"content_type": "text/plain"}}
    assert codec.decode(text) == ([], {"value": sent})


def test_an_instant_comes_back_from_the_hour_that_a_change_of_the_clock_repeats() -> None:
    zone_info = pytest.importorskip("zoneinfo")
    try:
        berlin = zone_info.ZoneInfo("Europe/Berlin")
    except zone_info.ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zones")
    sent = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=berlin)
    codec = codec_of(datetime)
    (_, named) = codec.decode(codec.encode((sent,), {}))
    assert named["value"].timestamp() == sent.timestamp()


def test_text_that_only_looks_like_a_nul_is_no_nul() -> None:
    codec = codec_of(str)
    for text in ("\\u0000", "\\\\u0000", "u0000", "\\"):
        assert codec.decode(codec.encode((text,), {})) == ([], {"value": text})


# --- What is refused -----------------------------------------------------------------------------

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - what is to be refused
ODD_OFFSET = datetime(1900, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32)))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def tree(depth: int) -> Tree:
    value = Tree()
    for _ in range(depth):
        value = Tree(children=[value])
    return value


REFUSED: list[tuple[Any, Any, str]] = [
    # JSON cannot hold it.
    (float, math.nan, "finite number; got nan"),
    (float, math.inf, "finite number; got inf"),
    (Any, -math.inf, "-inf, which JSON cannot hold"),
    (dict, {"a": [math.nan]}, "has nan, which JSON cannot hold"),
    (dict[str, float], {"a": math.nan}, "finite number; got nan"),
    (dict[float, int], {math.nan: 1}, "finite number; got nan"),
    (Measured, Measured(value=math.nan), "has nan, which JSON cannot hold"),
    (Anything, Anything(value={"a": [math.inf]}), "has inf, which JSON cannot hold"),
    (Loose, Loose(math.nan), "has nan, which JSON cannot hold"),
    (Decimal, Decimal("NaN"), "finite number"),
    (int, 10**5000, "cannot be read back: .*number out of range"),
    # No store can hold it.
    (str, "a\0b", "has a NUL character"),
    (Any, {"a\0": 1}, "has a NUL character"),
    (Anything, Anything(value="\0"), "has a NUL character"),
    (str, "\\\0", "has a NUL character"),
    (str, "\ud800", "has a lone surrogate"),
    (Any, ["\udfff"], "has a lone surrogate"),
    (Path, Path("\udcff"), "has a lone surrogate"),
    # It names no instant, or would become another one.
    (datetime, NAIVE, "has the naive datetime .*tzinfo=datetime.UTC"),
    (datetime | None, NAIVE, "has the naive datetime"),
    (list[datetime], [NAIVE], "has the naive datetime"),
    (dict[str, datetime], {"a": NAIVE}, "has the naive datetime"),
    (Visit, Visit(NAIVE), "has the naive datetime"),
    (Order, Order(number=1, total=Decimal(1), visits=[Visit(NAIVE)]), "has the naive datetime"),
    (datetime, ODD_OFFSET, "would come back as .* instead of"),
    # Nothing says what type it is.
    (Any, b"bytes", "a value of type bytes.*annotate it with its type"),
    (Any, (1, 2), "a value of type tuple"),
    (Any, {1, 2}, "a value of type set"),
    (Any, frozenset(), "a value of type frozenset"),
    (Any, NAIVE.date(), "a value of type date"),
    (Any, Path(), "a value of type PosixPath"),
    (Any, Level.LOW, "a value of type Level"),
    (Any, ..., "a value of type ellipsis"),
    (object, object(), "a value of type object"),
    (list, [(1, 2)], "a value of type tuple"),
    (dict, {1: 2}, "has the key 1; keys of untyped values must be text"),
    (dict | None, {None: 2}, "has the key None"),
    (tuple[Any, ...], ((1,),), "a value of type tuple"),
    # Another type would claim it.
    (str | bytes, b"abc", "would come back as 'YWJj' instead of b'abc'"),
    (Path | str, "abc", r"would come back as PosixPath\('abc'\) instead of 'abc'"),
    (set[int] | list[int], {1}, r"would come back as \[1\] instead of \{1\}"),
    (Sequence, [(1,)], r"would come back as \[\[1\]\] instead of \[\(1,\)\]"),
    (Anything, Anything(value=(1,)), "would come back as"),
    (Loose, Loose(b"x"), "would come back as"),
    (dict[str | None, int], {None: 1}, "would come back as"),
    (Order, RushOrder(number=1, total=Decimal(1), hours=2), "would come back as Order"),
    (SecretStr, SecretStr("wonder"), "would come back as SecretStr"),
    (Pair, Pair.ONE_TWO, "cannot be read back: argument 'value'"),
    (Order, Order.model_construct(number="x"), "cannot be read back: argument 'value'"),
    # It is of the wrong type.
    (int, "many", "argument 'value': .*; got 'many'"),
    (int, 1.5, "argument 'value': .*; got 1.5"),
    (str, 1, "argument 'value': .*; got 1"),
    (bytes, memoryview(b"a"), "argument 'value': .*bytes"),
    (list[int], [1, "two"], r"argument 'value'\[1\]: .*; got 'two'"),
    (Order, {"number": 1}, r"argument 'value'\['total'\] is missing"),
    (Colour, "blue", "argument 'value': .*'red' or 7; got 'blue'"),
    (type, int, "cannot be written as JSON"),
    # It has no end, or is too deep.
    (list, nested(NESTING_MAX + 1), "nested deeper than 100 levels"),
    (Any, circle(), "nested deeper than 100 levels"),
    (Tree, tree(NESTING_MAX), "nested deeper than 100 levels"),
    (Tree, tree(10 * NESTING_MAX), "argument 'value'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    REFUSED,
    ids=[f"{n}-{row[2][:30]}" for n, row in enumerate(REFUSED)],
)
def test_what_would_not_come_back_is_refused_with_its_parameter_and_its_task(
    kind: Any, value: Any, message: str
) -> None:
    with pytest.raises(InvalidPayload, match=message) as caught:
        codec_of(kind).encode((value,), {})
    said = str(caught.value)
    assert said.startswith("shout(): ")
    if "cannot be read back: the payload" not in said:
        assert "argument 'value'" in said
    assert len(said) < 700


def test_a_refusal_of_one_argument_among_many_names_that_one() -> None:
    def move(source: Path, target: str, when: datetime, more: Any = None) -> None: ...

    codec, now = Signature(move, "move"), datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidPayload, match=r"move\(\): argument 'target' has a lone surrogate"):
        codec.encode((Path("a"), "\ud800", now), {})
    with pytest.raises(InvalidPayload, match=r"move\(\): argument 'when' has the naive datetime"):
        codec.encode((Path("a"), "b", NAIVE), {})
    with pytest.raises(InvalidPayload, match=r"move\(\): argument 'more': holds .* type tuple"):
        codec.encode((Path("a"), "b", now), {"more": ((),)})


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_value_that_cannot_be_shown_is_named_by_its_type() -> None:
    with pytest.raises(InvalidPayload, match=r"shout\(\): argument 'value': .*; got a Shy"):
        codec_of(int).encode((Shy(),), {})


CALLS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((), {}, "argument 'a' is missing"),
    ((1,), {}, "argument 'b' is missing"),
    ((1, 2), {"d": 3}, "argument 'd' is not a parameter"),
    ((1, 2, 3, 4), {}, r"too many positional arguments; the signature is add\(a"),
    ((1, 2), {"a": 3}, "multiple values for argument 'a'; the signature is add"),
]


@pytest.mark.parametrize(("args", "kwargs", "message"), CALLS)
def test_a_call_that_does_not_fit_the_signature_is_refused(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    def add(a: int, b: int, c: int = 0) -> int:
        return a + b + c

    with pytest.raises(InvalidPayload, match=message) as caught:
        Signature(add, "add").encode(args, kwargs)
    assert str(caught.value).startswith("add(): ")


def test_a_positional_only_parameter_cannot_be_named() -> None:
    def add(a: int, /, b: int) -> int:
        return a + b

    with pytest.raises(InvalidPayload, match=r"add\(\): .*'a'"):
        Signature(add, "add").encode((), {"a": 1, "b": 2})


# --- Limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["x", "é", "€", "🐈"])
@pytest.mark.parametrize("limit", [100, PAYLOAD_BYTES_MAX])
def test_a_payload_of_the_limit_passes_and_one_byte_more_does_not(letter: str, limit: int) -> None:
    codec = codec_of(str)
    room = limit - len('{"value":""}')
    count, padding = divmod(room, len(letter.encode()))
    text = letter * count + "x" * padding
    assert len(codec.encode((text,), {}, limit).encode()) == limit
    with pytest.raises(InvalidPayload, match=rf"payload takes {limit + 1:,} bytes .* {limit:,}:"):
        codec.encode((text + "x",), {}, limit)


def test_the_limit_holds_for_all_arguments_together() -> None:
    def join(a: str, b: str) -> None: ...

    with pytest.raises(InvalidPayload, match=r"join\(\): the payload takes 135 bytes as JSON"):
        Signature(join, "join").encode(("x" * 60, "y" * 60), {}, 100)


def test_a_result_of_the_limit_passes_and_one_byte_more_does_not() -> None:
    codec = returning(str)
    assert len(codec.encode_result("x" * 98, 100)) == 100
    with pytest.raises(InvalidPayload, match="takes 101 bytes as JSON, the limit is 100"):
        codec.encode_result("x" * 99, 100)


def test_nesting_of_the_limit_passes_and_comes_back() -> None:
    codec, value = codec_of(list), nested(NESTING_MAX)
    assert codec.decode(codec.encode((value,), {})) == ([], {"value": value})


def test_digits_in_a_long_text_are_no_long_number() -> None:
    codec, text = codec_of(str), "1" * 10_000
    assert codec.decode(codec.encode((text,), {})) == ([], {"value": text})


# --- Results -------------------------------------------------------------------------------------

UNSTORABLE: list[tuple[Any, Any, str]] = [
    (int, "many", "cannot be written as JSON"),
    (int, None, r"cannot be read back: .* return type of shout\(\): .*; got None"),
    (list[int], [1, None], r"return type of shout\(\)\[1\]: .*; got None"),
    (None, 1, "cannot be written as JSON"),
    (float, math.nan, "cannot be read back: .*finite"),
    (list[float], [math.inf], "cannot be read back: .*finite"),
    (Any, math.inf, "has inf, which JSON cannot hold"),
    (Any, (1, 2), "a value of type tuple"),
    (Any, object(), "a value of type object"),
    (dict, {1: 2}, "has the key 1"),
    (str, "\ud800", "has a lone surrogate"),
    (str, "\0", "has a NUL character"),
    (datetime, NAIVE, "has the naive datetime"),
    (Order, RushOrder(number=1, total=Decimal(1), hours=2), "would come back as Order"),
    (Path | str, "a", "would come back as"),
    (list[int], (1, 2), "cannot be written as JSON|would come back"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    UNSTORABLE,
    ids=[f"{n}-{row[2][:30]}" for n, row in enumerate(UNSTORABLE)],
)
def test_a_result_that_would_not_come_back_is_refused(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(InvalidPayload, match=message) as caught:
        returning(kind).encode_result(value)
    said = str(caught.value)
    assert said.startswith(("the result of shout() cannot be stored: it ", "the result cannot be"))
    assert "shout()" in said


@pytest.mark.parametrize(
    ("kind", "sent", "back"),
    [
        (float, 3, 3.0),
        (int, True, 1),
        (int, Level.LOW, 1),
        (dict[str, int], defaultdict(int, a=1), {"a": 1}),
        (tuple[int, str], Point(1, "a"), (1, "a")),
    ],
)
def test_a_result_of_a_narrower_type_comes_back_as_the_declared_one(
    kind: Any, sent: Any, back: Any
) -> None:
    codec = returning(kind)
    again = codec.decode_result(codec.encode_result(sent))
    assert (again, type(again)) == (back, type(back))


@pytest.mark.parametrize("kind", [None, Any, type(None), int | None])
def test_no_result_is_stored_as_null(kind: Any) -> None:
    codec = returning(kind)
    assert codec.encode_result(None) == "null"
    assert codec.decode_result("null") is None


def test_a_task_without_annotations_takes_and_gives_plain_json() -> None:
    def free(a, b=1):  # type: ignore[no-untyped-def]
        return [a, b]

    codec = Signature(free, "free")
    assert there_and_back(free, {"x": [1, None]}, b="2") == [{"x": [1, None]}, "2"]
    assert codec.decode_result(codec.encode_result({"a": [1.5]})) == {"a": [1.5]}


def test_a_stored_result_that_fits_no_more_is_told_apart() -> None:
    with pytest.raises(InvalidPayload, match=r"stored result does not fit .* shout\(\): "):
        returning(int).decode_result('"text"')


# --- Reading what is stored ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "null",
        "[]",
        "{",
        '{"value": "text"}',
        '{"value": 1, "other": 2}',
        "{}",
        '{"value": NaN}',
        "gASVAAAA",
        "\x80\x04.",
    ],
)
def test_stored_arguments_that_do_not_fit_are_refused_by_the_reader(stored: str) -> None:
    with pytest.raises(InvalidPayload, match=r"the stored arguments do not fit shout\(\): "):
        codec_of(int).decode(stored)


@given(st.text() | plain.map(json.dumps))
def test_a_reader_gives_plain_values_or_a_refusal_whatever_is_stored(stored: str) -> None:
    try:
        args, named = codec_of(Any).decode(stored)
    except InvalidPayload:
        return
    assert args == []
    assert set(map(type, named.values())) <= {dict, list, str, int, float, bool, type(None)}


@pytest.mark.parametrize("kind", [Any, str, bytes, dict, Order, Anything, Loose, Path])
@pytest.mark.parametrize(
    "stored",
    [
        {"py/object": "os.system", "py/reduce": ["touch"]},
        {"__class__": "subprocess.Popen", "__module__": "subprocess", "args": ["true"]},
        "__import__('os').system('true')",
        "!!python/object/apply:os.system ['true']",
        "cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_reading_never_runs_what_is_stored(
    kind: Any, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr("os.system", ran.append)
    monkeypatch.setattr("subprocess.Popen", ran.append)
    text = json.dumps({"value": stored})
    try:
        _, named = codec_of(kind).decode(text)
    except InvalidPayload:
        named = {}
    for value in named.values():
        assert isinstance(value, (str, bytes, dict, Anything, Loose, Path))
    assert ran == []


# --- Declaring -----------------------------------------------------------------------------------


class Unstorable:
    pass


@pytest.mark.parametrize(
    "kind", [Unstorable, list[Unstorable], Iterator[int], range, dict[str, Unstorable]], ids=str
)
@pytest.mark.parametrize("make", [codec_of, returning])
def test_a_type_that_cannot_be_stored_is_refused_when_the_task_is_declared(
    kind: Any, make: Callable[[Any], Signature]
) -> None:
    with pytest.raises(UsageError, match=r"shout\(\) has a type that cannot be stored as JSON"):
        make(kind)


def test_an_annotation_that_cannot_be_resolved_is_refused_when_the_task_is_declared() -> None:
    with pytest.raises(UsageError, match=r"annotations of task 'shout' cannot be read: .*Nowhere"):
        codec_of("Nowhere")


def test_a_task_may_take_an_iterable() -> None:
    codec = codec_of(Iterable[int])
    (_, named) = codec.decode(codec.encode(((n for n in (1, 2, 3)),), {}))
    assert list(named["value"]) == [1, 2, 3]


def test_a_lone_surrogate_in_a_key_is_refused_and_a_replacement_character_is_not() -> None:
    def typed(v: dict[str, int], **more: int) -> None: ...

    signature = Signature(typed, "typed")
    for kwargs in ({"v": {"\ud800": 1}}, {"v": {}, "\ud800": 1}):
        with pytest.raises(InvalidPayload):
            signature.encode((), kwargs)
    text = signature.encode((), {"v": {"\ufffd": 1}})
    assert signature.decode(text)[1]["v"] == {"\ufffd": 1}


def test_a_parameter_name_may_be_self_for_whoever_calls_by_keyword() -> None:
    def typed(v: int = 0) -> None: ...

    with pytest.raises(InvalidPayload, match="'self' is not a parameter"):
        Signature(typed, "typed").encode((), {"self": 1})
