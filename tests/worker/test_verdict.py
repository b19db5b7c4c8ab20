"""What an exception of a task means."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost import DeadLetter, Discard, InvalidPayload, Retry, Snooze
from jobhost.jobs.outcomes import Cancelled, DeadLettered, Discarded, Failed, Released, Snoozed
from jobhost.worker.verdict import (
    MESSAGE_CHARS_MAX,
    TRACEBACK_CHARS_MAX,
    Stop,
    describe,
    outcome_of,
)


class _SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class _ExitsError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class _DeepError(Exception):
    def __str__(self) -> str:
        return str(self)


class _NoTextError(Exception):
    def __str__(self):
        return 5


class _Hidden(type):
    def __getattribute__(cls, name: str) -> object:
        if name in ("__qualname__", "__module__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class _NamelessError(Exception, metaclass=_Hidden):
    pass


def _empty(verdict: type[BaseException]) -> BaseException:
    """One of a subclass that forgets to initialise its base."""
    return type(f"Empty{verdict.__name__}", (verdict,), {"__init__": lambda _: None})()


_odd_name = type(
    "Odd", (Exception,), {"__qualname__": "Odd\0\ud800\n" + "x" * 10_000, "__module__": "a\0b"}
)
_no_module = type("NoModule", (Exception,), {"__module__": None})

ODD = [
    _SilentError(),
    _ExitsError(),
    _DeepError(),
    _NoTextError(),
    _NamelessError("x"),
    _odd_name("x"),
    _no_module("x"),
    _empty(Snooze),
    _empty(DeadLetter),
    _empty(Discard),
    _empty(Retry),
    Exception("x" * 20_000_000),
    Exception("\0" * 100_000),
    Exception("\ud800" * 100_000),
    Exception(b"\xff" * 50_000),
    MemoryError(),
    RecursionError(),
    KeyboardInterrupt(),
    SystemExit(0),
    GeneratorExit(),
    asyncio.CancelledError(),
    ExceptionGroup("many", [ValueError(str(n)) for n in range(1000)]),
]


def _raised(error: BaseException) -> BaseException:
    """The error with a traceback, as a worker gets it."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001
        return caught


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("x"), Failed),
        (KeyboardInterrupt(), Failed),
        (SystemExit(0), Failed),
        (GeneratorExit(), Failed),
        (asyncio.CancelledError(), Failed),
        (MemoryError(), Failed),
        (RecursionError(), Failed),
        (TimeoutError("its own"), Failed),
        (Retry(after="3s"), Failed),
        (Snooze("5m"), Snoozed),
        (Discard("not wanted"), Discarded),
        (DeadLetter("hopeless"), DeadLettered),
        (InvalidPayload("of a job that it enqueues"), Failed),
    ],
)
def test_an_exception_of_a_job_that_nobody_stopped_speaks_for_itself(error, kind):
    assert type(outcome_of(_raised(error), None, "")) is kind


@pytest.mark.parametrize(
    ("stop", "kind"), [(Stop.CANCEL, Cancelled), (Stop.RELEASE, Released), (Stop.TIMEOUT, Failed)]
)
@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("while cleaning up")])
def test_an_exception_of_a_job_that_was_asked_to_stop_is_its_answer(stop, kind, error):
    assert type(outcome_of(_raised(error), stop, "because")) is kind


def test_a_time_out_is_told_from_other_failures_and_matches_rules_for_timeouterror():
    outcome = outcome_of(_raised(asyncio.CancelledError()), Stop.TIMEOUT, "too long")

    assert isinstance(outcome, Failed)
    assert outcome.timed_out
    assert "builtins.TimeoutError" in outcome.names
    assert outcome.error.message == "too long"


def test_arguments_that_cannot_be_read_are_told_from_an_error_of_the_task():
    error = _raised(InvalidPayload("does not fit"))

    assert type(outcome_of(error, None, "", began=False)) is DeadLettered


def test_words_of_a_task_are_kept():
    assert outcome_of(Snooze("90s"), None, "") == Snoozed(delay_seconds=90)
    assert outcome_of(Discard("not wanted"), None, "") == Discarded(reason="not wanted")
    raised = outcome_of(Retry(after="3s", reason="busy"), None, "")
    assert isinstance(raised, Failed)
    assert (raised.after_seconds, raised.error.message) == (3, "busy")


@pytest.mark.parametrize("kind", [DeadLetter, Discard])
@pytest.mark.parametrize("reason", ["x" * 20_000_000, "a\0b", "a\ud800b"])
def test_any_reason_of_a_task_becomes_bounded_storable_text(kind, reason):
    outcome = outcome_of(_raised(kind(reason)), None, "")

    assert isinstance(outcome, DeadLettered | Discarded)
    _assert_storable(outcome.reason, MESSAGE_CHARS_MAX)


@pytest.mark.parametrize("error", ODD, ids=range(len(ODD)))
def test_any_error_becomes_bounded_storable_text(error):
    described = describe(_raised(error))

    _assert_storable(described.type, MESSAGE_CHARS_MAX)
    _assert_storable(described.message, MESSAGE_CHARS_MAX)
    _assert_storable(described.traceback, TRACEBACK_CHARS_MAX)


@pytest.mark.parametrize("stop", [None, Stop.CANCEL, Stop.TIMEOUT, Stop.RELEASE])
@pytest.mark.parametrize("error", ODD, ids=range(len(ODD)))
def test_any_error_has_an_outcome(error, stop):
    assert outcome_of(_raised(error), stop, "because") is not None


@given(st.text(st.characters(codec=None), max_size=200))
def test_an_ordinary_message_is_kept_as_it_is(text):
    message = describe(ValueError(text)).message

    if "\0" not in text and text.isprintable():
        assert message == text
    _assert_storable(message, MESSAGE_CHARS_MAX)


def test_the_middle_of_a_long_message_is_left_out():
    message = describe(ValueError("begin" + "x" * 1_000_000 + "end")).message

    assert message.startswith("begin")
    assert message.endswith("end")
    assert "characters left out" in message


def test_a_traceback_begins_with_the_frame_of_the_task():
    def task() -> None:
        raise ValueError("x")

    def worker() -> None:
        task()

    with pytest.raises(ValueError, match="x") as caught:
        worker()

    assert describe(caught.value).traceback.count("in worker") == 1
    assert "in task" in describe(caught.value).traceback


def _assert_storable(text: str, chars_max: int) -> None:
    """A character may grow to six when it is spelt out; the mark of a cut adds a line."""
    assert "\0" not in text
    text.encode()
    assert len(text) <= 6 * chars_max + 100
