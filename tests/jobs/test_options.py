"""Whose word counts for each option, and what no option may be."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.clock import to_instant
from jobhost.durations import LONGEST
from jobhost.errors import InvalidOption
from jobhost.jobs.options import (
    DEFAULT_QUEUE,
    HEADERS_BYTES_MAX,
    NAME_CHARS_MAX,
    TAGS_MAX,
    UNSET,
    Options,
    Resolved,
    check_name,
    resolve,
)
from jobhost.jobs.retries import Retry

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)

# For each option four values, of the call, the task, the queue and the host, and what each of
# them, or none, comes to: the field of `Resolved` and its values.
TABLE: list[tuple[str, list[Any], str, list[Any]]] = [
    ("priority", [4, 3, 2, 1], "priority", [4, 3, 2, 1, 0]),
    ("delay", ["4s", "3s", "2s", "1s"], "delay_us", [*(n * 1_000_000 for n in (4, 3, 2, 1)), None]),
    (
        "run_at",
        [NOON + timedelta(hours=n) for n in (4, 3, 2, 1)],
        "run_at",
        [*(to_instant(NOON + timedelta(hours=n)) for n in (4, 3, 2, 1)), None],
    ),
    (
        "retry",
        [Retry(max_attempts=n) for n in (4, 3, 2, 1)],
        "retry",
        [*(Retry(max_attempts=n) for n in (4, 3, 2, 1)), Retry()],
    ),
    ("timeout", ["4m", None, "2m", "1m"], "timeout_seconds", [240.0, None, 120.0, 60.0, 3600.0]),
    ("stalled_after", ["4s", None, "2s", "1s"], "stalled_seconds", [4.0, None, 2.0, 1.0, None]),
    ("tags", [["d"], [], ["b"], ["a"]], "tags", [("d",), (), ("b",), ("a",), ()]),
    (
        "headers",
        [{"d": "4"}, {}, {"b": "2"}, {"a": "1"}],
        "headers",
        [{"d": "4"}, {}, {"b": "2"}, {"a": "1"}, {}],
    ),
]  # fmt: skip


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize(
    ("name", "given_values", "field", "results"), TABLE, ids=lambda v: str(v)[:12]
)
def test_the_call_wins_over_the_task_over_the_queue_over_the_host(
    name: str, given_values: list[Any], field: str, results: list[Any], first: int
) -> None:
    levels = [
        Options(**{name: value}) if level >= first else Options()
        for level, value in enumerate(given_values)
    ]
    call, task, queue, host = levels
    resolved = resolve(call, task, {DEFAULT_QUEUE: queue}, host)
    assert getattr(resolved, field) == results[first]


@pytest.mark.parametrize(
    ("call", "task", "host", "expected"),
    [
        ("c", "t", "h", "c"),
        (UNSET, "t", "h", "t"),
        (UNSET, UNSET, "h", "h"),
        (UNSET, UNSET, UNSET, "default"),
    ],
)
def test_the_queue_is_the_calls_or_the_tasks_or_the_hosts(
    call: Any, task: Any, host: Any, expected: str
) -> None:
    named = resolve(Options(queue=call), Options(queue=task), {}, Options(queue=host))
    assert named.queue == expected


def test_only_the_options_of_the_jobs_own_queue_count() -> None:
    queues = {"mail": Options(priority=7), "default": Options(priority=3)}
    assert resolve(Options(queue="mail"), Options(), queues, Options()).priority == 7
    assert resolve(Options(), Options(), queues, Options()).priority == 3
    assert resolve(Options(queue="else"), Options(), queues, Options()).priority == 0


def test_nothing_is_merged_inside_an_option() -> None:
    task = Options(tags=["a"], headers={"a": "1"})
    resolved = resolve(Options(tags=["b"], headers={"b": "2"}), task, {}, Options())
    assert (resolved.tags, resolved.headers) == (("b",), {"b": "2"})


@pytest.mark.parametrize("upper", [{"delay": "0s"}, {"run_at": NOON}])
@pytest.mark.parametrize("lower", [{"delay": "1h"}, {"run_at": NOON + timedelta(days=1)}])
def test_delay_and_run_at_are_one_option_when_levels_meet(
    upper: dict[str, Any], lower: dict[str, Any]
) -> None:
    resolved = resolve(Options(**upper), Options(**lower), {}, Options())
    if "delay" in upper:
        assert (resolved.delay_us, resolved.run_at) == (0, None)
    else:
        assert (resolved.delay_us, resolved.run_at) == (None, to_instant(NOON))


def test_delay_and_run_at_are_refused_together() -> None:
    with pytest.raises(InvalidOption, match="give delay or run_at, not both"):
        Options(delay="1s", run_at=NOON)


def test_without_any_word_the_documented_defaults_hold() -> None:
    assert resolve(Options(), Options(), {}, Options()) == Resolved()
    assert Resolved().timeout_seconds == 3600
    assert Resolved().retry.max_attempts == 5


def test_given_names_what_was_given_and_nothing_else() -> None:
    assert dict(Options(timeout=None, tags=[]).given()) == {"timeout": None, "tags": ()}
    assert Options().given() == []


BAD: list[tuple[str, Any, str]] = [
    ("queue", "", "queue must be printable.*got ''"),
    ("queue", " mail", "queue.*got ' mail'"),
    ("queue", "ma\til", r"queue.*got 'ma\\til'"),
    ("queue", "q" * (NAME_CHARS_MAX + 1), "queue may have 200 characters; got 201"),
    ("queue", 3, "queue must be text; got 3"),
    ("queue", None, "queue must be text; got None"),
    ("priority", 101, "priority.*from -100 to 100.*got 101"),
    ("priority", -101, "priority.*got -101"),
    ("priority", 1.0, "priority.*got 1.0"),
    ("priority", True, "priority.*got True"),
    ("priority", "high", "priority.*got 'high'"),
    ("priority", None, "priority.*got None"),
    ("delay", 5, "delay must be a timedelta.*got 5"),
    ("delay", "5", "delay.*got '5'"),
    ("delay", "", "delay.*got ''"),
    ("delay", timedelta(seconds=-1), "delay must be between 0"),
    ("delay", LONGEST + timedelta(seconds=1), "delay must be between 0 and 3660 days"),
    ("delay", "9999w", "delay must be between"),
    ("delay", None, "delay.*got None"),
    ("run_at", NOON.replace(tzinfo=None), "run_at must be an aware datetime"),
    ("run_at", "2030-01-01T12:00:00Z", "run_at.*got '2030-01-01T12:00:00Z'"),
    ("run_at", 0, "run_at.*got 0"),
    ("run_at", NOON.date(), r"run_at.*got datetime.date\(2030, 1, 1\)"),
    ("retry", 3, r"retry must be a Retry.*got 3"),
    ("retry", None, "retry.*got None"),
    ("retry", Retry, "retry.*got <class"),
    ("timeout", 60, "timeout.*got 60"),
    ("timeout", "0s", "timeout must be longer than zero; None means no limit"),
    ("timeout", timedelta(0), "timeout must be longer than zero"),
    ("timeout", "-1s", "timeout.*got '-1s'"),
    ("stalled_after", 60, "stalled_after.*got 60"),
    ("idempotency_key", "", "idempotency_key is empty.*got ''"),
    ("idempotency_window", 60, "idempotency_window.*got 60"),
    ("unique", "k" * 256, "unique may have 255 characters, and this one has 256"),
    ("unique_until", "now", "unique_until must be 'start' or 'end'; got 'now'"),
    ("on_taken", None, "on_taken must be 'return' or 'raise' or 'replace'; got None"),
    ("debounce", "0s", "debounce must be longer than 0 and at most 7d; got '0s'"),
    ("debounce_max", "8d", "debounce_max.*at most 7d; got '8d'"),
    ("throttle", -1, "throttle.*got -1"),
    ("stalled_after", "0s", "stalled_after must be longer than zero; None means nobody asks"),
    ("tags", "cpu", "tags must be a list.*got 'cpu'"),
    ("tags", {"cpu"}, "tags must be a list"),
    ("tags", None, "tags must be a list.*got None"),
    ("tags", ["t"] * (TAGS_MAX + 1), "tags must be a list of at most 20 names"),
    ("tags", [""], "a tag must be printable.*got ''"),
    ("tags", [1], "a tag must be text; got 1"),
    ("expires", 60, "expires must be a timedelta or text"),
    ("expires", "0s", "expires must be longer than zero; None means never"),
    ("on_expiry", "delete", "on_expiry must be 'dead'"),
    ("headers", ["a"], r"headers must map text to text; got \['a'\]"),
    ("headers", None, "headers must map text to text; got None"),
    ("headers", {"a": 1}, "header 'a' must be text; got 1"),
    ("headers", {1: "a"}, "name of a header must be text; got 1"),
    ("headers", {"": "a"}, "name of a header must be printable.*got ''"),
    ("headers", {"a": "\ud800"}, r"header 'a' has a lone surrogate; got '\\ud800'"),
    ("headers", {"a": "b\0"}, r"header 'a' has a NUL character; got 'b\\x00'"),
    ("headers", {"a": "b" * HEADERS_BYTES_MAX}, "headers may have 16384 bytes.*got 16385"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "message"), BAD, ids=lambda v: str(v)[:20])
def test_a_bad_value_is_refused_with_the_name_of_the_option_and_the_value(
    name: str, value: Any, message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        Options(**{name: value})


def test_every_option_has_a_bad_value_in_the_table() -> None:
    assert {name for name, _, _ in BAD} == set(Options.__dataclass_fields__)


@pytest.mark.parametrize(
    "good",
    [
        {"queue": "q" * NAME_CHARS_MAX},
        {"queue": "Größe 1/2"},
        {"priority": 100},
        {"priority": -100},
        {"delay": "0s"},
        {"delay": LONGEST},
        {"run_at": datetime(1999, 1, 1, tzinfo=UTC)},
        {"run_at": datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=-11)))},
        {"timeout": None},
        {"timeout": "1ms"},
        {"tags": ["t"] * TAGS_MAX},
        {"headers": {"a": "b" * (HEADERS_BYTES_MAX - 1)}},
        {"headers": {"a": ""}},
    ],
)
def test_a_value_at_the_edge_of_what_is_allowed_is_taken(good: dict[str, Any]) -> None:
    assert [name for name, _ in Options(**good).given()] == list(good)


def test_what_the_caller_handed_over_can_change_later_without_harm() -> None:
    tags, headers = ["a"], {"a": "1"}
    options = Options(tags=tags, headers=headers)
    tags.append("b")
    headers["b"] = "2"
    assert (options.tags, options.headers) == (("a",), {"a": "1"})


@given(st.text())
def test_a_name_is_taken_as_it_is_or_refused(name: str) -> None:
    try:
        assert check_name(name, "queue") == name
    except InvalidOption:
        assert not name or name != name.strip() or not name.isprintable() or len(name) > 200
    else:
        name.encode()  # a lone surrogate is not printable, so every name can be stored
        assert "\0" not in name
