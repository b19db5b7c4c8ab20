"""What a node's log says of a store that fails: at once, then seldom, and when it is over."""

import pytest

from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.hosting.logs import log_events

AWAY = "the server is away"


class Log:
    """A node's log on a clock that is moved by hand."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now = 1000.0
        self._caplog = caplog
        self._events = Events()
        log_events(self._events, monotonic=lambda: self.now)

    def fails(self, error: str = AWAY) -> None:
        self._events.emit(StoreTrouble(error=error, retry_seconds=5.0))

    def works(self) -> None:
        self._events.emit(StoreBack())

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self._caplog.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level("INFO", "jobhost.node")
    return Log(caplog)


def test_a_trouble_that_goes_on_is_told_at_once_and_then_at_growing_intervals(log: Log) -> None:
    for _ in range(15):
        log.fails()
        log.now += 5
    assert log.lines == [
        ("WARNING", f"the store: {AWAY}; again in 5s"),
        ("WARNING", f"the store: {AWAY}; again in 5s (1 line like this left out)"),
        ("WARNING", f"the store: {AWAY}; again in 5s (3 lines like this left out)"),
        ("WARNING", f"the store: {AWAY}; again in 5s (7 lines like this left out)"),
    ]


def test_another_trouble_is_told_at_once_and_the_end_once(log: Log) -> None:
    log.works()
    log.fails()
    log.fails("another")
    log.works()
    log.works()
    assert [line for _, line in log.lines] == [
        f"the store: {AWAY}; again in 5s",
        "the store: another; again in 5s",
        "the store works again",
    ]
