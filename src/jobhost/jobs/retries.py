"""When a failed attempt is followed by another one, and how long that waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption

MAX_ATTEMPTS_CEILING = 1000
"""More attempts than this are an endless loop by another name."""

DEFAULT_MAX_ATTEMPTS = 5
DEFAULT_FIRST_DELAY = timedelta(seconds=5)
DEFAULT_MAX_DELAY = timedelta(hours=1)

_N = TypeVar("_N", int, float)
RetryRules = Mapping[type[BaseException] | str, "Retry | None"]


class Retry(Exception):  # noqa: N818 - a policy first; raising it is the exception
    """How often a task is tried, and how long it waits in between.

    As a policy: `@host.task(retry=Retry(max_attempts=5))`. After failure number n the
    next attempt waits `first_delay * factor**(n - 1)`, at most `max_delay`, shortened
    by a random share of up to `jitter`, so that jobs that failed together do not
    return together.

    Raised in a task: `raise Retry(after="30s")` ends the attempt as a failure and
    sets the wait of this one retry; the task's policy still bounds the attempts.

    Args:
        max_attempts: Failures until the job is dead: 1 (no retry) to 1000. Default 5.
        first_delay: Wait after the first failure. Default 5 s.
        factor: Growth of the wait from failure to failure, 1 to 100. Default 2.
        max_delay: The longest wait. Default 1 h.
        jitter: Share of the wait that is left to chance, 0 to 1. Default 0.25.
        rules: Policies for single exceptions, `None` for "never again": an
            exception class, or its qualified name, to a `Retry`. The rule of the
            nearest base class counts. A rule's own `rules` are not looked at.
        after: Only where it is raised: the wait before the next attempt.
        reason: Only where it is raised: recorded as the attempt's error message.

    Raises InvalidOption for a value out of range.
    """

    def __init__(  # noqa: PLR0913 - one policy, all keyword-only
        self,
        *,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        first_delay: timedelta | str = DEFAULT_FIRST_DELAY,
        factor: float = 2.0,
        max_delay: timedelta | str = DEFAULT_MAX_DELAY,
        jitter: float = 0.25,
        rules: RetryRules | None = None,
        after: timedelta | str | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(_in_words(reason) or "the task asked for another attempt")
        self.max_attempts = _within(
            "max_attempts", max_attempts, 1, MAX_ATTEMPTS_CEILING, whole=True
        )
        self.first_delay = parse_duration(first_delay, "first_delay")
        self.factor = float(_within("factor", factor, 1, 100))
        self.max_delay = parse_duration(max_delay, "max_delay")
        self.jitter = float(_within("jitter", jitter, 0, 1))
        self.rules = {_name(key): _checked(key, rule) for key, rule in _mapping(rules).items()}
        self.after = None if after is None else parse_duration(after, "after")

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.to_json().items())
        return f"Retry({shown})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Retry) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.max_attempts, self.first_delay, self.factor, self.max_delay))

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values, for a job that carries its own."""
        plain: dict[str, Any] = {
            "max_attempts": self.max_attempts,
            "first_delay": _as_text(self.first_delay),
            "factor": self.factor,
            "max_delay": _as_text(self.max_delay),
            "jitter": self.jitter,
        }
        if self.rules:
            plain["rules"] = {
                name: rule and rule.to_json() for name, rule in sorted(self.rules.items())
            }
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Retry":
        """The inverse of `to_json`."""
        rules = {
            name: None if rule is None else cls.from_json(rule)
            for name, rule in plain.get("rules", {}).items()
        }
        return cls(**{**plain, "rules": rules})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policy says about one failure."""

    again: bool
    delay_seconds: float = 0.0
    max_attempts: int


def judge(policy: Retry, error_names: tuple[str, ...], failures: int, chance: float) -> Verdict:
    """Whether failure number `failures` (from 1) is followed by another attempt.

    Args:
        policy: The job's policy.
        error_names: Qualified names of the exception's classes, nearest first.
        failures: How often the job has failed, this time included.
        chance: A random number from 0 up to 1, drawn by the caller.
    """
    rule: Retry | None = policy
    for name in error_names:
        if name in policy.rules:
            rule = policy.rules[name]
            break
    if rule is None or failures >= rule.max_attempts:
        return Verdict(again=False, max_attempts=failures if rule is None else rule.max_attempts)
    return Verdict(
        again=True, delay_seconds=backoff(rule, failures, chance), max_attempts=rule.max_attempts
    )


def backoff(policy: Retry, failures: int, chance: float) -> float:
    """Seconds to wait after failure number `failures` (from 1).

    The jitter only shortens, so `max_delay` is never exceeded.
    """
    longest = policy.max_delay.total_seconds()
    try:
        delay = policy.first_delay.total_seconds() * policy.factor ** (failures - 1)
    except OverflowError:
        delay = longest
    return min(delay, longest) * (1.0 - policy.jitter * chance)


def class_names(error: type[BaseException]) -> tuple[str, ...]:
    """Qualified names of a class and its bases, nearest first, as rules are matched."""
    return tuple(_name(base) for base in error.__mro__ if base is not object)


def _as_text(span: timedelta) -> str:
    """Exact to the microsecond, and never with an exponent, which no duration may have."""
    return f"{span.total_seconds():.6f}".rstrip("0").removesuffix(".") + "s"


def _in_words(reason: object) -> str | None:
    if reason is None or isinstance(reason, str):
        return reason
    raise InvalidOption(f"reason must say in words why another attempt is due; got {reason!r}")


def _mapping(rules: RetryRules | None) -> RetryRules:
    if rules is None or isinstance(rules, Mapping):
        return rules or {}
    raise InvalidOption(
        "rules must map exception classes, or their names, to a Retry or None, such as "
        f"{{ValueError: None}}; got {rules!r}"
    )


def _name(key: type[BaseException] | str) -> str:
    if isinstance(key, str) and key:
        return key if "." in key else f"builtins.{key}"
    if isinstance(key, type) and issubclass(key, BaseException):
        return f"{key.__module__}.{key.__qualname__}"
    raise InvalidOption(f"a retry rule is for an exception class or its name; got {key!r}")


def _checked(key: object, rule: object) -> "Retry | None":
    if rule is None or isinstance(rule, Retry):
        return rule
    raise InvalidOption(f"the retry rule for {key!r} must be a Retry or None; got {rule!r}")


def _within(what: str, value: _N, low: float, high: float, *, whole: bool = False) -> _N:
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        kind = "whole number" if whole else "number"
        raise InvalidOption(f"{what} must be a {kind} from {low} to {high}; got {value!r}")
    return value
