"""Wrong use is refused at once, in one sentence that names what is wrong, what it takes and
what came; nothing is changed by it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobhost import CancelToken, InvalidOption, JobHost, Options, Retry, State, UsageError

NO_TEXT: list[Any] = [5, True, 1.5, b"bytes", ["a"], {"a": 1}, object(), Path("jobhost.db")]
NO_NAME: list[Any] = [*NO_TEXT, "", " outer", "two\nlines", "\0", "\ud800", "x" * 201]
NO_DURATION: list[Any] = [-1, 5, True, "soon", "", "-1s", "5", timedelta(-1), "11000d", ["1s"]]
NO_PRIORITY: list[Any] = [None, "high", 1.0, True, 101, -101]
NO_LIMIT: list[Any] = ["", "1 MiB", 0, -1, 1.5, True, float("nan"), [1]]
NO_OPTIONS: list[Any] = [{"timeout": "5m"}, {}, 0, "", Retry(), Options]
NO_CALLS: list[Any] = [None, 5, "", "abc", b"", {}, {1: 2}]
NO_WORDS: list[Any] = [None, 5, True, "", " ", b"why", ["why"]]
NAIVE = datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None)

HOSTS: list[tuple[str, list[Any], str]] = [
    ("url", NO_TEXT, "url must be a store's address as text"),
    ("defaults", NO_OPTIONS, "defaults must be Options"),
    ("payload_bytes_max", NO_LIMIT, "payload_bytes_max must be a whole number of bytes"),
    ("clock", [5, "noon", {}, timedelta(1)], r"clock must have a method now\(\)"),
]

OPTIONS: list[tuple[str, list[Any], str]] = [
    ("queue", [None, *NO_NAME], "queue "),
    ("priority", NO_PRIORITY, "priority must be a whole number from -100 to 100"),
    ("delay", [None, *NO_DURATION], "delay must be"),
    ("run_at", [None, 5, "2030-01-01", NAIVE], "run_at must be an aware datetime"),
    ("retry", [None, 3, "no", {"max_attempts": 3}], "retry must be a Retry"),
    ("timeout", [*NO_DURATION, "0s"], "timeout must be"),
    ("tags", [None, "abc", {"a"}, {"a": 1}, 5, ["x"] * 21], "tags must be a list of at most 20"),
    ("tags", [[1], [""], [None]], "a tag must be"),
    ("headers", [None, "a", [("a", "b")], 5], "headers must map text to text"),
    ("headers", [{"a": 1}, {"a": None}, {"a": b"b"}], "header 'a' must be text"),
    ("headers", [{1: "a"}, {"": "a"}], "the name of a header must be"),
]

Use = Callable[[JobHost, Any, Any], object]
USES: list[tuple[str, Use, list[Any], str]] = [
    ("host.job", lambda host, _, value: host.job(value), [None, 5, "", "17", []], "a job id is"),
    (
        "host.jobs(state)",
        lambda host, _, value: host.jobs(state=value),
        [5, True, [State.DEAD], b"dead"],
        "state must be a State or its name",
    ),
    ("host.jobs(state)", lambda host, _, value: host.jobs(state=value), ["", "de"], "no state of"),
    ("host.jobs(queue)", lambda host, _, value: host.jobs(queue=value), NO_NAME, "queue "),
    ("host.jobs(task)", lambda host, _, value: host.jobs(task=value), NO_NAME, "task "),
    ("host.jobs(limit)", lambda host, _, value: host.jobs(limit=value), [*NO_LIMIT, 1001], "limit"),
    ("host.task", lambda host, _, value: host.task(value), NO_TEXT, "decorates a function"),
    ("host.queue", lambda host, _, value: host.queue(value), [None, *NO_NAME], "queue "),
    ("host.use_store", lambda host, _, value: host.use_store(value), [None, *NO_TEXT], "url must"),
    (
        "host.tasks.get",
        lambda host, _, value: host.tasks.get(value),
        [None, *NO_TEXT],
        "the name of a task must be text",
    ),
    (
        "host.tasks.find",
        lambda host, _, value: host.tasks.find(value),
        [None, *NO_TEXT],
        "the name of a task must be text",
    ),
    (
        "enqueue_many",
        lambda host, task, value: task.enqueue_many(value),
        NO_CALLS,
        "enqueue_many takes many tuples of arguments",
    ),
    (
        "aenqueue_many",
        lambda host, task, value: asyncio.run(task.aenqueue_many(value)),
        NO_CALLS,
        "enqueue_many takes many tuples of arguments",
    ),
    (
        "enqueue_many of calls",
        lambda host, task, value: task.using().enqueue_many([value]),
        NO_CALLS,
        "enqueue_many takes one tuple of arguments a job",
    ),
    (
        "triggered_by",
        lambda host, task, value: task.using().triggered_by(value),
        [None, *NO_NAME],
        "what triggered a job",
    ),
    (
        "result",
        lambda host, task, value: host.job(uuid4()).result(value),
        NO_DURATION,
        "timeout must be",
    ),
    (
        "aresult",
        lambda host, task, value: asyncio.run(host.job(uuid4()).aresult(value)),
        NO_DURATION,
        "timeout must be",
    ),
    ("cancel", lambda host, task, value: host.job(uuid4()).cancel(value), NO_WORDS, "reason must"),
    (
        "acancel",
        lambda host, task, value: asyncio.run(host.job(uuid4()).acancel(value)),
        NO_WORDS,
        "reason must",
    ),
    (
        "CancelToken.set",
        lambda host, task, value: CancelToken().set(value),
        [None, 5, b"why"],
        "reason must",
    ),
    (
        "CancelToken.wait",
        lambda host, task, value: CancelToken().wait(value),
        ["1s", True, timedelta(1), [1]],
        "timeout_seconds must be a number of seconds",
    ),
]


def cases(table: list[Any]) -> list[Any]:
    """One test for each wrong value of each row."""
    return [
        pytest.param(*about, value, message, id=f"{about[0]}-{value!r:.20}")
        for *about, values, message in table
        for value in values
    ]


def note(number: int = 0) -> None: ...


@pytest.fixture
def used(host: JobHost) -> JobHost:
    """A host with a task and a store without jobs."""
    host.task(note)
    host.migrate()
    return host


def assert_one_sentence(error: BaseException) -> None:
    assert "\n" not in str(error)
    assert type(error).__module__ == "jobhost.errors"


@pytest.mark.parametrize(("name", "value", "message"), cases(HOSTS))
def test_a_host_refuses_a_wrong_argument_when_it_is_made(
    url: str, name: str, value: Any, message: str
) -> None:
    with pytest.raises(InvalidOption, match=f"{message}.*; got ") as refused:
        JobHost(**{"url": url, name: value})
    assert_one_sentence(refused.value)


@pytest.mark.parametrize(("name", "value", "message"), cases(OPTIONS))
def test_an_option_refuses_a_wrong_value_wherever_it_is_given(
    used: JobHost, name: str, value: Any, message: str
) -> None:
    task = used.tasks.get("note")
    given = {name: value}
    makers: list[Callable[[], object]] = [
        lambda: Options(**given),
        lambda: task.using(**given),
        lambda: used.task(**given),
    ]
    for make in makers:
        with pytest.raises(InvalidOption, match=message) as refused:
            make()
        assert_one_sentence(refused.value)
    assert used.jobs() == []


@pytest.mark.parametrize(("name", "use", "value", "message"), cases(USES))
def test_a_call_refuses_a_wrong_argument_and_changes_nothing(
    used: JobHost, name: str, use: Use, value: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        use(used, used.tasks.get("note"), value)
    assert_one_sentence(refused.value)
    assert used.jobs() == []


def test_a_wait_of_a_token_that_is_over_before_it_begins_is_right_use() -> None:
    assert not CancelToken().wait(-0.5)


def test_a_reason_is_kept_although_the_store_could_not_keep_its_characters(used: JobHost) -> None:
    job = used.tasks.get("note").enqueue()
    job.cancel("file \udcff\0")
    assert job.status().reason == r"file \udcff\0"
