"""Arguments and results as JSON: checked against the signature, and back to typed values.

A payload is one JSON object from parameter name to value. Only what the caller gave
is stored; defaults are filled in by the code that runs. Checked when enqueued, so
that a wrong argument fails at the caller, and again when a worker reads it.

What cannot come back as it went in is refused: NaN and infinities, NUL characters,
lone surrogates, naive datetimes, anything but plain JSON where a parameter has no
type, and what another type would claim when it is read (see `fidelity.py`). JSON is
the only format: reading a payload never runs code from it.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Final, NotRequired, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import SchemaSerializer, to_json
from pydantic_core.core_schema import CoreConfig
from typing_extensions import TypedDict

from jobhost.errors import InvalidPayload, UnknownArgument, UsageError
from jobhost.jobs.fidelity import comes_back, may_change, refuse_values, require_plain

PAYLOAD_BYTES_MAX: Final = 1024 * 1024
"""Default limit of a payload, and of a result: larger data belongs in a file or an object
store, with its address in the payload."""

_AS_FIELDS: Final[dict[str, Any]] = {"by_alias": False, "round_trip": True}
_BY_NAME: Final[dict[str, Any]] = {"by_alias": False, "by_name": True}
"""Models are stored by the names of their fields: an alias may differ between reading and
writing."""

_DIGITS_MAX: Final = 4300
"""Readers of JSON refuse a longer number, so a longer text is read back before it is stored."""

_CONFIG = ConfigDict(
    extra="forbid",
    allow_inf_nan=False,
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="constants",
)
_CONFIG_OF_CALLS = ConfigDict(**_CONFIG | {"val_json_bytes": "utf8"})
"""A caller who gives text for bytes means its characters; only what is stored is base64."""

_REPLACED: Final = "\ufffd"
"""What a lone surrogate in a key is written as; the text is read back to tell them apart."""

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Signature:
    """The codec of one task: made once from its function, used for every job.

    Raises UsageError when an annotation cannot be understood or stored.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        self._positional = [p.name for p in parameters if p.kind in _BY_POSITION]
        self._positional_only = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
        self._var_positional = next(
            (p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None
        )
        self._var_keyword = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self._plain_call = not (self._positional_only or self._var_positional or self._var_keyword)
        hints = _type_hints(function, name)
        returns = hints.pop("return", Any)
        self._check = _adapter(f"{name}()", self._shape(hints, strict_plain=True))
        self._read = _adapter(f"{name}()", self._shape(hints, strict_plain=False))
        self._result = _adapter(f"the result of {name}()", _shaped("Result", {"value": returns}))
        self._validate = self._check.validator.validate_python
        self._dump = _serializer(self._check).to_json
        self._load = self._read.validator.validate_json
        self._dump_result = _serializer(self._result).to_json
        self._values_may_change = _fields_may_change(self._check)
        self._result_may_change = _fields_may_change(self._result)
        self._result_is_untyped = returns in _UNTYPED
        self._result_is_none = returns in (None, type(None), Any)

    def encode(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], bytes_max: int = PAYLOAD_BYTES_MAX
    ) -> str:
        """Check a call's arguments and write them as JSON text.

        Raises InvalidPayload naming the parameter, what was expected and what came.
        """
        given = self._bind(args, kwargs)
        try:
            values = self._validate(given)
        except ValidationError as error:
            raise InvalidPayload(f"{self._name}(): {_first_complaint(error)}") from None
        try:
            text: str = self._dump(values, warnings=False, **_AS_FIELDS).decode()
            if self._values_may_change:
                refuse_values(values)
            refuse_text(text, bytes_max)
        except Exception as error:  # noqa: BLE001 - a user's own serializer may raise anything
            raise InvalidPayload(f"{self._name}(): {self._blame(values, error)}") from None
        if self._values_may_change or len(text) > _DIGITS_MAX or _REPLACED in text:
            self._read_back(values, text)
        return text

    def decode(self, payload: str) -> tuple[list[Any], dict[str, Any]]:
        """Read a payload back into typed arguments for the call.

        Raises InvalidPayload when it does not fit this version of the task: UnknownArgument when
        all that is wrong is that it has more arguments.
        """
        try:
            values: dict[str, Any] = self._load(payload, **_BY_NAME)
        except ValidationError as error:
            kinds = {one["type"] for one in error.errors(include_url=False, include_context=False)}
            unknown = kinds == {"extra_forbidden"}
            raise (UnknownArgument if unknown else InvalidPayload)(
                f"the stored arguments do not fit {self._name}(): {_first_complaint(error)}"
            ) from None
        if self._plain_call:
            return [], values
        return self._spread(values)

    def encode_result(self, value: Any, bytes_max: int = PAYLOAD_BYTES_MAX) -> str:
        """Write a result as JSON text. Raises InvalidPayload when it cannot be stored.

        Nothing has checked its type before, so it is always read back.
        """
        if value is None and self._result_is_none:
            return "null"
        try:
            if self._result_is_untyped:
                require_plain(value)
            dumped = self._dump_result({"value": value}, warnings="error", **_AS_FIELDS)
            text: str = dumped.decode()[9:-1]
            if self._result_may_change:
                refuse_values(value)
            refuse_text(text, bytes_max)
            _require_same(value, self.decode_result(text))
        except InvalidPayload as error:
            raise InvalidPayload(f"the result cannot be read back: {error}") from None
        except Exception as error:  # noqa: BLE001 - a user's own serializer may raise anything
            raise InvalidPayload(
                f"the result of {self._name}() cannot be stored: it {_cause(error)}"
            ) from None
        return text

    def decode_result(self, text: str) -> Any:
        """Read a stored result back into the task's return type."""
        try:
            return self._result.validator.validate_json(f'{{"value":{text}}}', **_BY_NAME)["value"]
        except ValidationError as error:
            raise InvalidPayload(
                f"the stored result does not fit the return type of {self._name}()"
                + _first_complaint(error).removeprefix("argument 'value'")
            ) from None

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if self._plain_call and len(args) <= len(self._positional):
            given: dict[str, Any] = dict(zip(self._positional, args, strict=False))
            if not kwargs:
                return given
            if given.keys().isdisjoint(kwargs):
                given.update(kwargs)
                return given
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidPayload(
                f"{self._name}(): {error}; the signature is {self._name}{self._signature}"
            ) from None
        return dict(bound.arguments)

    def _shape(self, hints: dict[str, Any], *, strict_plain: bool) -> Any:
        """A typed dict with one key per parameter."""
        shape = {}
        for parameter in self._signature.parameters.values():
            kind: Any = hints.get(parameter.name, Any)
            if strict_plain:
                kind = _plain_where_untyped(kind)
            if parameter.kind is parameter.VAR_POSITIONAL:
                kind = NotRequired[tuple[kind, ...]]
            elif parameter.kind is parameter.VAR_KEYWORD:
                kind = NotRequired[dict[str, kind]]
            elif parameter.default is not parameter.empty:
                kind = NotRequired[kind]
            shape[parameter.name] = kind
        return _shaped("Arguments", shape, _CONFIG_OF_CALLS if strict_plain else _CONFIG)

    def _spread(self, values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Undo `bind`: values by parameter name as positional and keyword arguments."""
        more = values.pop(self._var_positional, ()) if self._var_positional else ()
        named = values.pop(self._var_keyword, {}) if self._var_keyword else {}
        by_position = self._positional if more else self._positional_only
        args = [values.pop(name) for name in by_position if name in values]
        return [*args, *more], {**values, **named}

    def _read_back(self, values: dict[str, Any], text: str) -> None:
        """Refuse arguments that a worker would read as something else, or not at all."""
        try:
            back = self._load(text, **_BY_NAME)
        except ValidationError as error:
            raise InvalidPayload(
                f"{self._name}(): what was given cannot be read back: {_first_complaint(error)}"
            ) from None
        for name, value in values.items():
            try:
                _require_same(value, back.get(name))
            except ValueError as error:
                raise InvalidPayload(f"{self._name}(): argument {name!r} {error}") from None

    def _blame(self, values: dict[str, Any], error: Exception) -> str:
        """The complaint with the name of the argument that caused it, found by trying each."""
        for name, value in values.items():
            try:
                text = to_json(value, inf_nan_mode="constants", bytes_mode="base64").decode()
                if self._values_may_change:
                    refuse_values(value)
                refuse_text(text, len(text) * 4)
            except Exception as own:  # noqa: BLE001
                return f"argument {name!r} {_cause(own)}"
        return f"the payload {_cause(error)}"


_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


_UNTYPED = (Any, object, dict, list, Mapping)


def _shaped(name: str, shape: dict[str, Any], config: ConfigDict = _CONFIG) -> Any:
    """A typed dict made at run time, with the codec's configuration."""
    make: Any = TypedDict
    made = make(name, shape)
    made.__pydantic_config__ = config
    return made


def _type_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(
            f"the annotations of task {name!r} cannot be read: {error}; "
            "types used in a task's signature must be importable where it is defined"
        ) from None


def _adapter(what: str, shape: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(shape)
    except PydanticUserError as error:
        first = str(error).split("\n", 1)[0]
        raise UsageError(
            f"{what} has a type that cannot be stored as JSON: {first} Use plain types, "
            "dataclasses, pydantic models, or hand over an id instead of the object."
        ) from None


def _serializer(adapter: TypeAdapter[Any]) -> SchemaSerializer:
    """The adapter's own does not heed the configuration of a typed dict."""
    return SchemaSerializer(
        adapter.core_schema, CoreConfig(ser_json_bytes="base64", ser_json_inf_nan="constants")
    )


def _fields_may_change(adapter: TypeAdapter[Any]) -> bool:
    schema: Any = adapter.core_schema
    if schema["type"] != "typed-dict":
        return True
    return any(may_change(item["schema"]) for item in schema["fields"].values())


def _require_same(sent: Any, back: Any) -> None:
    if not comes_back(sent, back):
        raise ValueError(
            f"would come back as {_brief(back)} instead of {_brief(sent)}: annotate it with the "
            "one type that it has"
        )


def _plain_where_untyped(kind: Any) -> Any:
    """The annotation, with a check for plain JSON wherever it says nothing about the type."""
    if kind in _UNTYPED:
        base = {Mapping: dict, object: Any}.get(kind, kind)
        return Annotated[base, AfterValidator(require_plain)]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (dict, list, tuple) and inner:
        return origin[tuple(_plain_where_untyped(part) for part in inner)]
    if origin in (Union, UnionType):
        return Union[tuple(_plain_where_untyped(part) for part in inner)]  # noqa: UP007
    return kind


def refuse_text(text: str, bytes_max: int) -> None:
    """Raises ValueError, as the end of a sentence, for JSON text that is too long, or that some
    store cannot hold."""
    size = len(text) if text.isascii() else len(text.encode())
    if size > bytes_max:
        raise ValueError(
            f"takes {size:,} bytes as JSON, the limit is {bytes_max:,}: "
            "store the data elsewhere and hand over where it is"
        )
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("has a NUL character, which no store can hold as text")


def _first_complaint(error: ValidationError) -> str:
    """The first problem in words, naming the parameter and the value that came."""
    first = error.errors(include_url=False, include_context=False)[0]
    name, *path = first["loc"] or ("",)
    where = f"argument {name!r}" if first["loc"] else "the payload"
    where += "".join(f"[{part!r}]" for part in path)
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where} is not a parameter"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}; got {_brief(first['input'])}"


def _cause(error: Exception) -> str:
    """What is wrong, as the end of a sentence."""
    text = _brief(error)
    if "surrogates not allowed" in text:
        return "has a lone surrogate, which is no character and cannot be stored"
    if type(error) is ValueError:
        return text
    return f"cannot be written as JSON: {text.removeprefix('Error serializing to JSON: ')}"


def _brief(value: Any) -> str:
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    except Exception:  # noqa: BLE001 - a user's __repr__ may raise anything
        text = f"a {type(value).__qualname__}"
    return text if len(text) <= 200 else text[:200] + "…"
