"""A rescue that is cut short is finished with the next look, and not with the last net."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import ask, empty_schema, server_url, store_url

from jobhost.clock import SystemClock
from jobhost.errors import StoreError
from jobhost.events import Events
from jobhost.ids import new_ids
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.plans.nodes import RESCUE_BATCH, NewNode, register
from jobhost.store.postgres.store import PostgresStore
from jobhost.worker.rescuer import WATCH_SECONDS, Rescuer

from .crew import Proxy

HEARTBEAT, NET = 10.0, 300.0

pytestmark = pytest.mark.skipif(
    "pooler" in server_url(), reason="the proxy leads to the server itself"
)


class HandClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ward:
    """A store, a rescuer that reaches it through a proxy, and nodes that die."""

    def __init__(self) -> None:
        self.schema = empty_schema()
        self.proxy = Proxy()
        self.clock = HandClock()
        self._direct = PostgresStore(store_url(self.schema), SystemClock())
        self._store = PostgresStore(self.proxy.url(self.schema), SystemClock())
        self._session = self._store.session(apart=False)
        self.rescuer = Rescuer(
            self._store,
            self._session,
            heartbeat_seconds=HEARTBEAT,
            look_seconds=NET,
            events=Events(),
            monotonic=self.clock,
        )
        self.me = self.join("rescuer")

    def join(self, name: str, *, lapsed: bool = False) -> int:
        new = NewNode(
            id=name, host="here", pid=1, version="1", slots=1, queues=["default"], tasks=["work"],
            lease_us=-1 if lapsed else 3_600_000_000,
        )  # fmt: skip
        return self._direct.write(lambda: register(new))

    def die(self, name: str) -> None:
        """Leave the proof of a death, as the kernel does."""
        self._store.attend(name).drop()

    def claim(self, node: int, count: int) -> None:
        """Have a node hold so many jobs more."""
        batch = Batch(
            task="work", queue="default", priority=0,
            jobs=[NewJob(bytes(job_id), "[]", None) for job_id in new_ids(count)],
        )  # fmt: skip
        self._direct.write(lambda: self._direct.hot.enqueue(batch))
        ask(
            f"WITH taken AS (DELETE FROM {self.schema}.ready WHERE lane = 1 RETURNING *) "
            f"INSERT INTO {self.schema}.running SELECT job, 1, {node}, 1, queue, priority, task, "
            "1, 0, 0 FROM taken"
        )

    def look(self) -> int:
        return self.rescuer.run_once(self.me)

    @property
    def dead(self) -> list[str]:
        """Of whom there is proof."""
        return self._store.dead_nodes()

    @property
    def held(self) -> int:
        return int(ask(f"SELECT count(*) FROM {self.schema}.running")[0][0])

    def cut_second_commit(self) -> None:
        """Whoever commits a second time from now on loses the connection before it is heard."""
        left = [2]

        def withhold(request: bytes) -> bool:
            left[0] -= b"COMMIT" in request
            return b"COMMIT" in request and left[0] == 0

        self.proxy.withhold = withhold

    def close(self) -> None:
        self._session.close()
        self._store.close()
        self._direct.close()
        self.proxy.close()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    made = Ward()
    yield made
    made.close()


def test_the_rest_of_a_rescue_whose_session_broke_is_taken_with_the_next_look(ward: Ward) -> None:
    assert ward.look() == 0, "the first look; the next one at leases comes with the net"
    ward.claim(ward.join("dead"), RESCUE_BATCH + 5)
    ward.die("dead")
    ward.cut_second_commit()
    with pytest.raises(StoreError):
        ward.look()
    assert ward.held == 5, "its node has ended, and its death is not proof of anything any more"
    assert ward.look() == 5
    assert ward.held == 0


def test_the_rest_of_a_lapsed_node_is_taken_with_the_next_look(ward: Ward) -> None:
    ward.claim(ward.join("lapsed", lapsed=True), RESCUE_BATCH + 5)
    assert ward.look() == 0
    ward.clock.now += HEARTBEAT
    ward.cut_second_commit()
    with pytest.raises(StoreError):
        ward.look()
    assert ward.held == 5
    assert ward.look() == 5


def test_the_rest_of_a_rescuer_that_died_itself_is_taken_with_its_own_jobs(ward: Ward) -> None:
    assert ward.look() == 0
    first, second = ward.join("first"), ward.join("second")
    ask(f"UPDATE {ward.schema}.node SET ended_at = 1, lease_until = 0 WHERE number = {first}")
    ward.claim(first, 5)
    ward.claim(second, 1)
    ward.die("second")
    assert ward.look() == 6


def test_a_claim_that_the_dead_commit_late_is_taken_within_a_heartbeat(ward: Ward) -> None:
    assert ward.look() == 0
    dead = ward.join("dead")
    ward.claim(dead, 1)
    ward.die("dead")
    assert ward.look() == 1
    ward.claim(dead, 2)
    ward.clock.now += HEARTBEAT
    assert ward.look() == 2


def test_a_while_after_a_rescue_the_looks_are_as_seldom_as_before(ward: Ward) -> None:
    dead = ward.join("dead")
    ward.claim(dead, 1)
    ward.die("dead")
    assert ward.look() == 1
    ward.clock.now += WATCH_SECONDS
    assert ward.look() == 0
    ward.claim(dead, 1)
    ward.clock.now += HEARTBEAT
    assert ward.look() == 0
    ward.clock.now += NET
    assert ward.look() == 1


def test_a_rescuer_does_not_bury_itself_whatever_is_said_of_it(ward: Ward) -> None:
    assert ward.look() == 0
    ward.claim(ward.me, 3)
    ward.die("rescuer")
    assert ward.look() == 0
    assert ward.held == 3
    assert ask(f"SELECT ended_at FROM {ward.schema}.node WHERE number = {ward.me}") == [(None,)]
    assert ward.dead == ["rescuer"], "its proof is its own to remove"
