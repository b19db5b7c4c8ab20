"""The thread that renews the lease."""

import pytest

from jobhost.clock import microseconds
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
    heartbeat = Heartbeat(
        yard.host.store, number, lease_seconds=HOUR, on_lost=lambda: None, on_news=print
    )
    heartbeat._pause = 0.0

    assert heartbeat.run_once().renewed
    with getattr(yard, by)():
        heartbeat.start()
        yard.waits("gate" if by == "blocked" else "floor")
        heartbeat.stop()
        heartbeat._thread.join()
