"""What a worker's log says of a store that fails: at once, then seldom, and when it is over."""

import pytest

from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.worker.logs import log_events
from jobhost.worker.repeats import TROUBLES_MAX, Repeats

REFUSED = "the server refused the login"


class Log:
    """A worker's log on a clock that is moved by hand."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now = 1000.0
        self._caplog = caplog
        self._events = Events()
        log_events(self._events, monotonic=lambda: self.now)

    def fails(self, error: str = REFUSED) -> None:
        self._events.emit(StoreTrouble(error=error, retry_seconds=1))

    def leaves(self) -> None:
        self._events.emit(StoreTrouble(error=REFUSED, retry_seconds=None))

    def works(self) -> None:
        self._events.emit(StoreBack())

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self._caplog.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level("INFO", "jobhost.worker")
    return Log(caplog)


def test_a_trouble_that_goes_on_is_told_at_once_and_then_at_growing_intervals(log: Log) -> None:
    told = []
    for second in range(4000):
        before = len(log.lines)
        log.fails()
        if len(log.lines) > before:
            told.append(second)
        log.now += 1
    assert told == [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030, 3630]
    assert [line for _, line in log.lines[:3]] == [
        f"{REFUSED}; next try in 1s",
        f"{REFUSED}; next try in 1s (9 lines like this left out)",
        f"{REFUSED}; next try in 1s (19 lines like this left out)",
    ]


def test_another_trouble_is_told_at_once(log: Log) -> None:
    log.fails()
    log.fails("the server is starting up")
    log.fails()
    assert [line.split(";")[0] for _, line in log.lines] == [REFUSED, "the server is starting up"]


def test_the_end_of_a_trouble_is_told_once_and_only_if_it_was_told(log: Log) -> None:
    log.works()
    log.fails()
    log.works()
    log.works()
    assert [level for level, _ in log.lines] == ["ERROR", "INFO"]
    assert log.lines[-1] == ("INFO", "the store works again")


def test_a_trouble_that_comes_and_goes_all_the_time_does_not_fill_the_log(log: Log) -> None:
    for _ in range(1000):
        log.fails()
        log.works()
        log.now += 1
    levels = [level for level, _ in log.lines]
    assert levels == ["ERROR", "INFO"] * 7


def test_a_trouble_that_comes_back_after_a_minute_is_as_new(log: Log) -> None:
    for _ in range(100):
        log.fails()
        log.now += 1
    log.works()
    log.now += 60
    before = len(log.lines)
    log.fails()
    log.now += 10
    log.fails()
    assert len(log.lines) == before + 2


def test_a_worker_that_leaves_without_a_word_always_says_so(log: Log) -> None:
    log.fails()
    log.leaves()
    assert log.lines[-1][1].endswith("leaves all the same, and others take over what it held")


def test_troubles_that_never_repeat_are_not_kept_for_ever() -> None:
    repeats = Repeats()
    told = [repeats.left_out(f"number {number}") for number in range(1000)]
    assert told == [0] * 1000
    assert len(repeats) <= TROUBLES_MAX
