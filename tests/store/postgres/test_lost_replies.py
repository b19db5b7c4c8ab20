"""The connection dies after the server has committed: nobody knows, and nothing is lost or doubled.

A proxy between the store and a real server drops the half that leads back.
"""

import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from postgres_server import ask, empty_schema, shared_schema, store_url

from jobhost import JobHost
from jobhost.clock import SystemClock
from jobhost.errors import StoreUnavailable
from jobhost.events import Events, JobsLost
from jobhost.ids import new_ids
from jobhost.jobs.outcomes import DeadLettered, Succeeded
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.plans import look, nodes
from jobhost.store.plans.cycle import Wanted
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.postgres.store import PostgresStore
from jobhost.worker import store_loop
from jobhost.worker.recorder import Recorder

from ..conservation import assert_conserved
from ..world import FAILED, QUEUE, TASK, ended
from .crew import Proxy, until, working

PATIENCE = "60s"


def query(text: str) -> list[tuple[Any, ...]]:
    rows = ask(text.replace("jobhost_", f"{shared_schema()}."))
    return [tuple(v.bytes if hasattr(v, "bytes") else v for v in row) for row in rows]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    empty_schema()
    made = Proxy()
    yield made
    made.close()
    assert_conserved(query)


@pytest.fixture
def store(proxy: Proxy) -> Iterator[PostgresStore]:
    """A store through the proxy."""
    made = PostgresStore(proxy.url(shared_schema()), SystemClock())
    yield made
    proxy.lose = lambda answer: False
    made.close()


@pytest.fixture
def direct(proxy: Proxy) -> Iterator[PostgresStore]:
    """The same store past the proxy."""
    made = PostgresStore(store_url(shared_schema()), SystemClock())
    yield made
    made.close()


class Bench:
    """A recorder of a registered node."""

    def __init__(self, store: PostgresStore) -> None:
        self.lost: list[JobsLost] = []
        events = Events()
        events.subscribe(JobsLost, self.lost.append)
        self.recorder = Recorder(store.session(apart=False), events)
        new = nodes.NewNode(
            id="a", host="here", pid=1, version="1", slots=9, queues=[QUEUE], tasks=[TASK],
            lease_us=600_000_000,
        )  # fmt: skip
        self.node = store.write(lambda: nodes.register(new))

    def cycle(self, *batch: Ended, slots: int = 9) -> list[Delivery]:
        self.recorder.pending += batch
        tasks = json.dumps([TASK])
        wanted = Wanted(node=self.node, queues=[QUEUE], tasks=tasks, slots=slots)
        return self.recorder.cycle(wanted).claimed

    def claim(self, count: int) -> list[Delivery]:
        """So many jobs, in as many cycles as it takes."""
        claimed: list[Delivery] = []
        while len(claimed) < count:
            more = self.cycle(slots=count - len(claimed))
            assert more, f"only {len(claimed)} of {count} jobs are there"
            claimed += more
        return claimed

    def read_back(self, *running: Delivery) -> set[tuple[int, int]]:
        keys = {(delivery.job, delivery.epoch) for delivery in running}
        return self.recorder.read_back(self.node, keys, set())


def batch_of(*ids: bytes, delay_us: int | None = None) -> Batch:
    jobs = [NewJob(job_id, "[]", None) for job_id in ids]
    return Batch(task=TASK, queue=QUEUE, priority=0, jobs=jobs, delay_us=delay_us)


def count_of(table: str) -> int:
    number: int = query(f"SELECT count(*) FROM jobhost_{table}")[0][0]
    return number


@pytest.mark.parametrize("delay_us", [None, 10**9])
def test_an_enqueue_whose_answer_is_lost_is_repeated_under_the_same_id(
    proxy: Proxy, store: PostgresStore, delay_us: int | None
) -> None:
    store.write(lambda: store.hot.enqueue(batch_of(new_ids(1)[0], delay_us=delay_us)))
    batch = batch_of(*new_ids(3), delay_us=delay_us)
    proxy.lose_next(b"SELECT 1\0")
    with pytest.raises(StoreUnavailable, match="lost the connection; repeat"):
        store.write(lambda: store.hot.enqueue(batch))
    assert count_of("job") == 4
    assert store.write(lambda: store.hot.enqueue(batch)) == 0
    assert count_of("job") == 4
    assert proxy.lost == 1


def test_an_enqueue_that_never_reached_the_server_is_accepted_by_its_repetition(
    proxy: Proxy, store: PostgresStore
) -> None:
    store.write(lambda: store.hot.enqueue(batch_of(*new_ids(1))))
    batch = batch_of(*new_ids(1))
    proxy.withhold_next(batch.jobs[0].id)
    with pytest.raises(StoreUnavailable):
        store.write(lambda: store.hot.enqueue(batch))
    assert count_of("job") == 1
    assert store.write(lambda: store.hot.enqueue(batch)) == 1


@pytest.mark.requirement("R-MSG-5")
def test_a_claim_whose_answer_is_lost_is_read_back_and_released(
    proxy: Proxy, store: PostgresStore, direct: PostgresStore
) -> None:
    ids = new_ids(3)
    direct.write(lambda: direct.hot.enqueue(batch_of(*ids)))
    bench = Bench(store)
    proxy.lose_next(b"SELECT 3\0")
    with pytest.raises(StoreUnavailable):
        bench.cycle()
    assert count_of("running") == 3
    assert bench.recorder.doubtful
    bench.read_back()
    assert bench.cycle(slots=0) == []
    assert count_of("ready") == 3
    again = bench.cycle()
    assert [(taken.id, taken.epoch, taken.failures) for taken in again] == [
        (job_id, 2, 0) for job_id in ids
    ]
    assert bench.cycle(*[ended(taken) for taken in again]) == []
    for job_id in ids:
        attempts = direct.read(lambda job_id=job_id: look.attempts(job_id))
        assert [attempt.outcome for attempt in attempts] == ["released", "succeeded"]


@pytest.mark.parametrize(
    ("outcome", "state", "word"),
    [
        (Succeeded("1"), State.SUCCEEDED, b"SELECT 1\0"),
        (FAILED, State.SCHEDULED, b"COMMIT\0"),
        (DeadLettered(reason="no"), State.DEAD, b"COMMIT\0"),
    ],
)
@pytest.mark.parametrize("arrived", [True, False])
def test_an_end_whose_answer_is_lost_is_recorded_once(
    proxy: Proxy, store: PostgresStore, outcome: Any, state: State, word: bytes, arrived: bool
) -> None:
    (job_id,) = new_ids(1)
    store.write(lambda: store.hot.enqueue(batch_of(job_id)))
    bench = Bench(store)
    (delivery,) = bench.cycle()
    if arrived:
        proxy.lose_next(word)
    else:
        proxy.withhold_next(b"COMMIT" if word.startswith(b"COMMIT") else b"B")
    end = ended(delivery, outcome, retry=Retry(first_delay="1h"))
    with pytest.raises(StoreUnavailable):
        bench.cycle(end, slots=0)
    assert proxy.lost == 1
    assert bench.read_back() == set()
    assert bool(bench.recorder.pending) is not arrived
    bench.cycle(slots=0)
    record = store.read(lambda: look.show(job_id))
    assert record is not None
    assert record.state is state
    assert len(store.read(lambda: look.attempts(job_id))) == 1
    assert bench.lost == []


@pytest.mark.parametrize("value", ['"a\0b"', '"\ud800"'])
def test_a_result_that_the_server_refuses_does_not_take_its_neighbours_down(
    proxy: Proxy, store: PostgresStore, value: str
) -> None:
    ids = new_ids(9)
    store.write(lambda: store.hot.enqueue(batch_of(*ids)))
    bench = Bench(store)
    batch = [ended(delivery) for delivery in bench.claim(9)]
    batch[4] = batch[4]._replace(result=value)
    bench.cycle(*batch)
    found = [store.read(lambda one=one: look.show(one)) for one in ids]
    records = [(record.state, record.reason, record.result) for record in found if record]
    refused = records.pop(4)
    assert refused == (State.SUCCEEDED, "result unstorable", None)
    assert set(records) == {(State.SUCCEEDED, None, "true")}


@pytest.mark.parametrize("word", [b"COMMIT\0", b"SELECT "])
def test_a_rescue_whose_answer_is_lost_goes_on_with_what_is_left(
    proxy: Proxy, store: PostgresStore, direct: PostgresStore, word: bytes
) -> None:
    direct.write(lambda: direct.hot.enqueue(batch_of(*new_ids(5))))
    bench = Bench(direct)
    bench.claim(5)
    new = nodes.NewNode(
        id="b", host="here", pid=1, version="1", slots=1, queues=[QUEUE], tasks=[TASK],
        lease_us=600_000_000,
    )  # fmt: skip
    rescuer = direct.write(lambda: nodes.register(new))
    order = nodes.Rescue(node=bench.node, worker="here:1", rescuer=rescuer, died=True)
    proxy.lose_next(word)
    with pytest.raises(StoreUnavailable):
        store.session(apart=False).write(lambda: nodes.rescue(order))
    report = direct.write(lambda: nodes.rescue(order))
    assert report.total + (5 if word.startswith(b"COMMIT") else 0) == 5
    assert count_of("ready") == 5


@pytest.mark.requirement("R-COMP-1")
@pytest.mark.parametrize("seed", range(2))
def test_a_worker_whose_answers_are_lost_all_the_time_runs_each_job_to_one_success(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(store_loop, "_BACK_OFF_SECONDS", (0.0, 0.0))
    dice, runs, mutex = random.Random(seed), [0], threading.Lock()
    with (
        JobHost(store_url(shared_schema())) as outside,
        JobHost(proxy.url(shared_schema())) as inside,
    ):

        def note(number: int) -> int:
            with mutex:
                runs[0] += 1
            return number

        enqueued = outside.task(name="note")(note)
        inside.task(name="note")(note)
        with working(inside.worker(lease="10m", concurrency=4)) as worker:
            until(worker.started.is_set)
            jobs = enqueued.enqueue_many([(number,) for number in range(200)])
            proxy.lose = lambda answer: dice.random() < 0.1
            assert [job.result(PATIENCE) for job in jobs] == list(range(200))
            proxy.lose = lambda answer: False
        assert proxy.lost > 3
        assert runs[0] == 200
        for job in jobs:
            outcomes = [attempt.outcome for attempt in job.attempts()]
            assert outcomes == ["released"] * (len(outcomes) - 1) + ["succeeded"]
