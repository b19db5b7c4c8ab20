"""The thread that renews the lease."""

import threading

import pytest

from jobhost import JobHost
from jobhost.clock import Instant, SystemClock, microseconds
from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.store.plans.nodes import NewNode, register
from jobhost.store.sqlite import store as store_module
from jobhost.worker.heartbeat import Heartbeat

HOUR = 3600.0


@pytest.fixture
def _endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BUSY_SECONDS", HOUR)


@pytest.mark.usefixtures("_endless_patience")
@pytest.mark.parametrize("by", ["blocked", "locked"])
def test_a_renewal_that_waits_for_the_store_is_given_up_when_the_heartbeat_stops(request, by):
    yard = request.getfixturevalue("yard")
    new = NewNode(
        id="one", host="here", pid=1, version="1", slots=1, queues=[], tasks=[],
        lease_us=microseconds(HOUR),
    )  # fmt: skip
    number = yard.host.store.write(lambda: register(new))
    events, told = Events(), []
    events.subscribe(StoreTrouble, told.append)
    heartbeat = Heartbeat(
        yard.host.store,
        number,
        lease_seconds=HOUR,
        events=events,
        on_lost=lambda: None,
        on_pulse=print,
    )
    heartbeat._pause = 0.0

    assert heartbeat.run_once().renewed
    with getattr(yard, by)():
        heartbeat.start()
        yard.waits("gate" if by == "blocked" else "floor")
        heartbeat.stop()
        heartbeat._thread.join()
    assert not told, "it was given up, and the store is well"


class _FaultyClock:
    """A clock of the outside world that fails once, in the heartbeat's thread."""

    def __init__(self) -> None:
        self.failed = 0
        self.renewed = threading.Event()
        self.armed = threading.Event()

    def now(self) -> Instant:
        if threading.current_thread().name == "jobhost-heartbeat" and self.armed.is_set():
            if not self.failed:
                self.failed = 1
                raise ArithmeticError("the clock stands still")
            self.renewed.set()
        return SystemClock().now()


def test_whatever_fails_in_the_heartbeat_is_told_and_the_lease_goes_on(tmp_path, working):
    clock = _FaultyClock()
    with JobHost(f"sqlite:///{tmp_path}/jobs.db", clock=clock) as host:
        host.migrate()

        @host.task
        def hello() -> str:
            return "hello"

        worker = host.worker(lease="300ms", poll="1h")
        troubles, back = [], threading.Event()
        worker.events.subscribe(StoreTrouble, troubles.append)
        worker.events.subscribe(StoreBack, lambda event: back.set())
        with working(worker):
            assert hello.enqueue().result("60s") == "hello"
            clock.armed.set()
            assert clock.renewed.wait(60)
            assert back.wait(60)
        assert [trouble.error for trouble in troubles] == [
            "ArithmeticError: the clock stands still"
        ]
