"""What may be asked for a job, and whose word counts.

One precedence for every option: the call over the task over the queue over the
host's default. An option is taken whole from the first of these that gives it;
nothing is merged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from jobhost.clock import Instant, microseconds, to_instant
from jobhost.durations import parse_duration
from jobhost.errors import InvalidOption
from jobhost.jobs import key_options
from jobhost.jobs.expiry import Expiry, capped, check_expires, check_on_expiry, expiry_of
from jobhost.jobs.keys import KeyRules
from jobhost.jobs.retries import Retry

PRIORITY_RANGE: Final = 100
"""Priorities run from -100 to 100."""

NAME_CHARS_MAX: Final = 200
"""Of a task, a queue or a tag: they stand in index keys and on one line of a terminal."""

TAGS_MAX: Final = 20
HEADERS_BYTES_MAX: Final = 16 * 1024
"""Headers travel with every delivery; large data belongs in the arguments."""

DEFAULT_QUEUE: Final = "default"
DEFAULT_TIMEOUT: Final = timedelta(hours=1)
"""No job is immortal by accident; `timeout=None` is the explicit way to ask for it."""


class Unset(Enum):
    """The mark of an option that was not given; `None` means something else."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a job; each may be left out.

    Args:
        queue: The lane it waits in. Default "default".
        priority: -100 to 100, higher first. Default 0.
        delay: Wait this long before it becomes ready.
        run_at: Or: an aware datetime at which it becomes ready; one in the past is now.
        retry: The retry policy. Default `Retry()`: 5 attempts.
        timeout: Longest run of one attempt. Default 1 h; None for no limit.
        stalled_after: End an attempt that gives no sign of life for so long, as at its time limit:
            `progress()`, `checkpoint()` and `heartbeat()` are signs. Default None: nobody asks.
        tags: Up to 20 labels for listings.
        headers: Text to text, up to 16 KiB, handed to the task with the job.
        expires: Do not start it later: a span from its acceptance, or from when it is due, or an
            aware datetime. The queue's own is a cap. Default None: never.
        on_expiry: "dead" keeps it as a dead letter, the default; "drop" deletes it.
        idempotency_key: A repeat of the task with this key, in the window, gives the first job. In
            a declaration it is a template such as "order-{order}", filled from the arguments, or a
            function of them; in a call it is the key itself, or a function.
        idempotency_window: For how long it is remembered. Default 10 min, at most 7 d.
        unique: At most one job of the task with this key lives. Given like `idempotency_key`.
        unique_until: "end", the default, or "start": it is free once the job has started.
        on_taken: What a call does when another job has the unique key: "return" its handle, the
            default, "raise" UniqueKeyTaken, or "replace" its payload if it has not started.
        debounce: Run this long after the last call with the unique key, with its payload.
        debounce_max: But no longer after the first one. Default ten times `debounce`.
        throttle: The unique key is taken this long at least, also if the job ends sooner.

    Raises InvalidOption for a value that is not allowed.
    """

    queue: str | Unset = UNSET
    priority: int | Unset = UNSET
    delay: timedelta | str | Unset = UNSET
    run_at: datetime | Unset = UNSET
    retry: Retry | Unset = UNSET
    timeout: timedelta | str | Unset | None = UNSET
    stalled_after: timedelta | str | Unset | None = UNSET
    tags: tuple[str, ...] | list[str] | Unset = UNSET
    headers: Mapping[str, str] | Unset = UNSET
    expires: timedelta | datetime | str | Unset | None = UNSET
    on_expiry: str | Unset = UNSET
    idempotency_key: key_options.KeySource | Unset = UNSET
    idempotency_window: timedelta | str | Unset = UNSET
    unique: key_options.KeySource | Unset = UNSET
    unique_until: str | Unset = UNSET
    on_taken: str | Unset = UNSET
    debounce: timedelta | str | Unset = UNSET
    debounce_max: timedelta | str | Unset = UNSET
    throttle: timedelta | str | Unset = UNSET

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not UNSET:
                object.__setattr__(self, name, check(value))
        if self.delay is not UNSET and self.run_at is not UNSET:
            raise InvalidOption(
                f"give delay or run_at, not both; got delay={self.delay!r}, run_at={self.run_at!r}"
            )
        key_options.key_rules(dict(self.given()))

    def over(self, below: "Options") -> "Options":
        """These options, with what they leave out taken from `below`."""
        given = dict(self.given())
        if "delay" in given or "run_at" in given:
            below = replace(below, delay=UNSET, run_at=UNSET)
        if "debounce" in given:
            below = replace(below, delay=UNSET, run_at=UNSET, throttle=UNSET)
        return replace(below, **given)

    def given(self) -> list[tuple[str, Any]]:
        """The options that were given, by name."""
        return [
            (item.name, getattr(self, item.name))
            for item in fields(self)
            if getattr(self, item.name) is not UNSET
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Options after the precedence was applied: nothing is left open."""

    queue: str = DEFAULT_QUEUE
    priority: int = 0
    delay_us: int | None = None
    run_at: Instant | None = None
    retry: Retry = field(default_factory=Retry)
    timeout_seconds: float | None = DEFAULT_TIMEOUT.total_seconds()
    stalled_seconds: float | None = None
    tags: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    expiry: Expiry | None = None
    key_rules: KeyRules | None = None


def resolve(call: Options, task: Options, queues: Mapping[str, Options], host: Options) -> Resolved:
    """Apply the precedence: call over task over queue over the host's default."""
    named = call.over(task).over(host).queue
    queue = DEFAULT_QUEUE if named is UNSET else named
    merged = call.over(task).over(queues.get(queue, Options())).over(host)
    for below in (queues.get(queue, Options()), host):
        if (below.unique, below.idempotency_key) != (UNSET, UNSET):
            raise InvalidOption(
                "unique and idempotency_key are options of a task or a call: those of a host or a "
                "queue would be shared by jobs that have nothing to do with each other"
            )
    given: dict[str, Any] = dict(merged.given())
    if rules := _take_keys(given):
        given["key_rules"], given["delay_us"] = rules, rules.debounce_us
    if (delay := given.pop("delay", None)) is not None:
        given["delay_us"] = microseconds(delay.total_seconds())
    if (run_at := given.pop("run_at", None)) is not None:
        given["run_at"] = to_instant(run_at)
    if "timeout" in given:
        timeout = given.pop("timeout")
        given["timeout_seconds"] = None if timeout is None else timeout.total_seconds()
    if (stalled := given.pop("stalled_after", None)) is not None:
        given["stalled_seconds"] = stalled.total_seconds()
    wanted, dropped = given.pop("expires", None), given.pop("on_expiry", None) == "drop"
    own = queues.get(queue, Options()).expires
    if wanted is not None or own is not UNSET:
        given["expiry"] = expiry_of(
            wanted,
            None if isinstance(own, (Unset, str)) else own,
            delay_us=given.get("delay_us"),
            run_at=given.get("run_at"),
            dropped=dropped,
        )
    return Resolved(**{**given, "queue": queue})


def _take_keys(given: dict[str, Any]) -> KeyRules | None:
    """The rules for the keys among the options, which leave them; None without a key."""
    key_options.check_complete(given)
    rules = key_options.key_rules(given)
    for name in key_options.RULES:
        given.pop(name, None)
    has_keys = [given.pop(name, None) for name in key_options.KEYS] != [None, None]
    return rules if has_keys else None


def cap_expiry(options: Resolved, limit_us: int, *, dropped: bool) -> Resolved:
    """These options under the limit that the store has for their queue.

    Args:
        limit_us: The longest wait, in microseconds.
        dropped: What becomes of a job that brings no expiry of its own.
    """
    delay_us, run_at = options.delay_us, options.run_at
    expiry = capped(options.expiry, limit_us, delay_us, run_at, dropped=dropped)
    return replace(options, expiry=expiry)


def check_name(value: object, what: str) -> str:
    """A name of 1 to 200 printable characters without outer blanks. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption(f"{what} must be text; got {value!r}")
    if not value or value != value.strip() or not value.isprintable():
        raise InvalidOption(f"{what} must be printable text without outer blanks; got {value!r}")
    if len(value) > NAME_CHARS_MAX:
        raise InvalidOption(f"{what} may have {NAME_CHARS_MAX} characters; got {len(value)}")
    return value


def _queue(value: object) -> str:
    return check_name(value, "queue")


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > PRIORITY_RANGE:
        raise InvalidOption(
            f"priority must be a whole number from -{PRIORITY_RANGE} to {PRIORITY_RANGE}, "
            f"higher first; got {value!r}"
        )
    return value


def _delay(value: object) -> timedelta:
    return parse_duration(value, "delay")


def _run_at(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise InvalidOption(f"run_at must be an aware datetime; got {value!r}")
    to_instant(value)
    return value


def _retry(value: object) -> Retry:
    if not isinstance(value, Retry):
        raise InvalidOption(f"retry must be a Retry, such as Retry(max_attempts=3); got {value!r}")
    return value


def _timeout(value: object) -> timedelta | None:
    if value is None:
        return None
    span = parse_duration(value, "timeout")
    if not span:
        raise InvalidOption("timeout must be longer than zero; None means no limit")
    return span


def _stalled_after(value: object) -> timedelta | None:
    if value is None:
        return None
    span = parse_duration(value, "stalled_after")
    if not span:
        raise InvalidOption("stalled_after must be longer than zero; None means nobody asks")
    return span


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)) or len(value) > TAGS_MAX:
        raise InvalidOption(f"tags must be a list of at most {TAGS_MAX} names; got {value!r}")
    return tuple(check_name(tag, "a tag") for tag in value)


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidOption(f"headers must map text to text; got {value!r}")
    size = 0
    for key, text in value.items():
        check_name(key, "the name of a header")
        if not isinstance(text, str):
            raise InvalidOption(f"header {key!r} must be text; got {text!r}")
        try:
            size += len(key) + len(text.encode())
        except UnicodeEncodeError:
            raise InvalidOption(f"header {key!r} has a lone surrogate; got {text!r}") from None
        if "\0" in text:
            raise InvalidOption(f"header {key!r} has a NUL character; got {text!r}")
    if size > HEADERS_BYTES_MAX:
        raise InvalidOption(f"headers may have {HEADERS_BYTES_MAX} bytes together; got {size}")
    return dict(value)


_CHECKS: Final[Mapping[str, Callable[[object], object]]] = {
    "queue": _queue,
    "priority": _priority,
    "delay": _delay,
    "run_at": _run_at,
    "retry": _retry,
    "timeout": _timeout,
    "stalled_after": _stalled_after,
    "tags": _tags,
    "headers": _headers,
    "expires": check_expires,
    "on_expiry": check_on_expiry,
    "idempotency_key": lambda value: key_options.check_source(value, "idempotency_key"),
    "idempotency_window": lambda value: key_options.check_span(value, "idempotency_window"),
    "unique": lambda value: key_options.check_source(value, "unique"),
    "unique_until": key_options.check_until,
    "on_taken": key_options.check_on_taken,
    "debounce": lambda value: key_options.check_span(value, "debounce"),
    "debounce_max": lambda value: key_options.check_span(value, "debounce_max"),
    "throttle": lambda value: key_options.check_span(value, "throttle"),
}
