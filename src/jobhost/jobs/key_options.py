"""Keys as options give them: what they may be, which fit together, and the key of one call."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from inspect import BoundArguments
from string import Formatter
from typing import Any, Final

from jobhost.clock import microseconds
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption, did_you_mean
from jobhost.jobs.keys import (
    DEBOUNCE_TIMES_MAX,
    IDEMPOTENCY_WINDOW_US,
    KeyRules,
    OnTaken,
    check_key,
)

KeySource = str | Callable[..., str | None]
"""A key, a template of it, or a function of a job's arguments that gives it."""

KeyMaker = Callable[[BoundArguments], str | None]
"""The key of a call; None when it has none."""

WINDOW_MAX: Final = timedelta(days=7)
"""Keys are rows: their number follows from the time that each is kept."""

KEYS: Final = ("idempotency_key", "unique")
RULES: Final = (
    "idempotency_window", "unique_until", "on_taken", "debounce", "debounce_max", "throttle",
)  # fmt: skip

_UNTIL: Final = ("start", "end")
_CONTRADICTIONS: Final = (
    ("debounce", ("delay", "run_at"), "debounce itself says when the job runs"),
    ("debounce", ("throttle",), "one puts the job off, the other runs it at once"),
)


def key_rules(given: Mapping[str, Any]) -> KeyRules:
    """The rules that checked options ask for. Raises InvalidOption for two that contradict."""
    for name, others, why in _CONTRADICTIONS:
        for other in others:
            if name in given and other in given:
                raise InvalidOption(
                    f"give {name} or {other}, not both: {why}; got {name}={given[name]!r}, "
                    f"{other}={given[other]!r}"
                )
    debounced = "debounce" in given
    on_taken = OnTaken(given.get("on_taken", "replace" if debounced else "return"))
    replaces = on_taken is OnTaken.REPLACE
    until = given.get("unique_until", "start" if replaces else "end")
    if debounced and not (replaces and until == "start"):
        raise InvalidOption(
            "debounce goes with on_taken='replace' and unique_until='start', which it sets by "
            f"itself; got on_taken={on_taken.value!r}, unique_until={until!r}"
        )
    if "throttle" in given and replaces:
        raise InvalidOption(
            "throttle makes no job while the window lasts, so that there is no payload to replace: "
            "leave out on_taken='replace', or give debounce instead"
        )
    debounce_us, longest_us = _us(given, "debounce"), _us(given, "debounce_max")
    if debounce_us is not None and longest_us is not None and longest_us < debounce_us:
        raise InvalidOption(
            f"debounce_max must be at least as long as debounce; got {given['debounce_max']!r} and "
            f"{given['debounce']!r}"
        )
    if debounce_us is not None and longest_us is None:
        longest_us = DEBOUNCE_TIMES_MAX * debounce_us
    return KeyRules(
        window_us=_us(given, "idempotency_window") or IDEMPOTENCY_WINDOW_US,
        until_start=until == "start",
        on_taken=on_taken,
        debounce_us=debounce_us,
        debounce_max_us=longest_us,
        throttle_us=_us(given, "throttle"),
    )


def check_complete(given: Mapping[str, Any]) -> None:
    """Raise InvalidOption for what says nothing without a unique key."""
    for name in ("debounce", "debounce_max", "throttle"):
        if name in given and "unique" not in given:
            raise InvalidOption(
                f"{name} needs a unique key, which says whose calls belong together: give unique "
                "as well"
            )
    if "debounce_max" in given and "debounce" not in given:
        raise InvalidOption("debounce_max bounds debounce: give debounce as well")


def check_source(value: object, what: str) -> KeySource:
    """A key, a template or a function. Raises InvalidOption."""
    if callable(value):
        return value
    return check_key(value, what)


def check_span(value: object, what: str) -> timedelta:
    """More than zero, at most WINDOW_MAX. Raises InvalidOption."""
    span = parse_duration(value, what)
    if not span or span > WINDOW_MAX:
        raise InvalidOption(
            f"{what} must be longer than 0 and at most {WINDOW_MAX.days}d; got {value!r}"
        )
    return span


def check_until(value: object) -> str:
    """One of the two instants at which a unique key becomes free. Raises InvalidOption."""
    return _one_of(value, _UNTIL, "unique_until")


def check_on_taken(value: object) -> str:
    """One of the policies. Raises InvalidOption."""
    return _one_of(value, [one.value for one in OnTaken], "on_taken")


def template(source: KeySource, what: str, parameters: Collection[str]) -> KeyMaker:
    """What makes the key of a call from its arguments; for a declaration.

    Raises InvalidOption for a template that names what is no parameter.
    """
    if not isinstance(source, str):
        return _from_function(source, what)
    try:
        fields = [name for _, name, _, _ in Formatter().parse(source) if name is not None]
    except ValueError as error:
        raise InvalidOption(
            f"{what} {source!r} is no template: {error}; write two braces for one"
        ) from None
    for name in fields:
        parameter = name.partition(".")[0].partition("[")[0]
        if parameter not in parameters:
            hint = did_you_mean(parameter, parameters) if parameters else "it has no parameters"
            raise InvalidOption(
                f"{what} {source!r} names {parameter!r}, which is no parameter of the task: {hint}"
            )
    return _from_template(source, what)


def literal(source: KeySource, what: str, parameters: Collection[str]) -> KeyMaker:
    """What gives the key of a call; for the call itself, whose text is the key as it stands.

    Raises InvalidOption for a text that was meant as a template.
    """
    if not isinstance(source, str):
        return _from_function(source, what)
    for parameter in parameters:
        if f"{{{parameter}}}" in source:
            raise InvalidOption(
                f"{what} {source!r} of a call is the key as it stands, and {{{parameter}}} would "
                "not be filled: give the text itself, or a function of the arguments, or declare "
                "the template with the task"
            )
    return lambda _: source


def _from_template(source: str, what: str) -> KeyMaker:
    def make(bound: BoundArguments) -> str:
        try:
            key = source.format(**bound.arguments)
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise InvalidOption(
                f"{what} {source!r} cannot be filled from these arguments: {error!r}"
            ) from None
        return check_key(key, f"{what}, filled from {source!r},")

    return make


def _from_function(source: Callable[..., str | None], what: str) -> KeyMaker:
    name = getattr(source, "__name__", repr(source))

    def make(bound: BoundArguments) -> str | None:
        key = source(*bound.args, **bound.kwargs)
        return None if key is None else check_key(key, f"{what}, which {name}() gave,")

    return make


def _one_of(value: object, known: Collection[str], what: str) -> str:
    if not isinstance(value, str) or value not in known:
        expected = " or ".join(repr(one) for one in known)
        raise InvalidOption(f"{what} must be {expected}; got {value!r}")
    return str(value)


def _us(given: Mapping[str, Any], name: str) -> int | None:
    span: timedelta | None = given.get(name)
    return None if span is None else max(1, microseconds(span.total_seconds()))
