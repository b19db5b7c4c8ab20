"""The bell of a worker on PostgreSQL: a notice wakes the sleeper, whichever thread happens to read
it, and a connection that was lost is found again."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from postgres_server import ask, empty_schema, shared_schema, store_url

from jobhost.clock import SystemClock
from jobhost.ids import new_ids
from jobhost.store.plans import nodes
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.postgres import bell as bell_module
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.seam import Ring

from ..world import QUEUE, TASK
from .crew import GUARD_SECONDS, Proxy


@pytest.fixture
def store() -> Iterator[PostgresStore]:
    """With a live node, without which nobody rings."""
    empty_schema()
    made = PostgresStore(store_url(shared_schema()), SystemClock())
    made.write(lambda: nodes.register(_node()))
    yield made
    made.close()


def _node() -> nodes.NewNode:
    return nodes.NewNode(
        id="a", host="here", pid=1, version="1", slots=1, queues=[QUEUE], tasks=[TASK],
        lease_us=600_000_000,
    )  # fmt: skip


def enqueue(store: PostgresStore, **more: Any) -> None:
    job = NewJob(new_ids(1)[0], "[]", None)
    batch = Batch(task=TASK, queue=QUEUE, priority=0, jobs=[job], **more)
    store.write(lambda: store.hot.enqueue(batch))


def emptied(bell: Any) -> Any:
    """A bell that has told all it had to tell from its beginning."""
    while bell.wait(0.0):
        pass
    return bell


def test_a_notice_that_another_thread_reads_wakes_the_sleeper(store: PostgresStore) -> None:
    """A task that enqueues on its process's own connection gets the notice in its own answer."""
    bell = emptied(store.listen("a"))
    heard: list[Ring] = []
    gate = threading.Barrier(2)

    def sleep() -> None:
        for _ in range(300):
            gate.wait(GUARD_SECONDS)
            ring = Ring.SILENCE
            while not ring:
                ring = bell.wait(GUARD_SECONDS)
            heard.append(ring)
            gate.wait(GUARD_SECONDS)

    with ThreadPoolExecutor(1) as threads:
        sleeper = threads.submit(sleep)
        for _ in range(300):
            gate.wait(GUARD_SECONDS)
            enqueue(store)
            gate.wait(GUARD_SECONDS)
        sleeper.result()
    assert all(Ring.READY in ring for ring in heard)
    bell.close()


def test_what_is_rung_tells_new_work_from_work_that_is_due(store: PostgresStore) -> None:
    other = PostgresStore(store_url(shared_schema()), SystemClock())
    bell = emptied(store.listen("a"))
    enqueue(other)
    assert bell.wait(GUARD_SECONDS) is Ring.READY
    enqueue(other, delay_us=10**9)
    assert bell.wait(GUARD_SECONDS) is Ring.DUE
    bell.close()
    other.close()


def test_two_bells_on_one_connection_hear_the_same(store: PostgresStore) -> None:
    first = store.listen("a")
    second = store.listen("b")
    emptied(first)
    emptied(second)
    enqueue(store)
    assert first.wait(GUARD_SECONDS) is Ring.READY
    assert second.wait(GUARD_SECONDS) is Ring.READY
    first.close()
    second.close()
    enqueue(store)


def test_a_bell_whose_connection_ends_listens_again_and_says_that_it_may_have_missed_something(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bell_module, "_TRY_SECONDS", (0.01, 0.05))
    proxy = Proxy()
    through = PostgresStore(proxy.url(shared_schema()), SystemClock())
    bell = emptied(through.listen("a"))
    backends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
    proxy.lose = lambda answer: True
    assert ask(backends)
    ring = Ring.SILENCE
    while not ring:
        ring = bell.wait(GUARD_SECONDS)
    assert ring is Ring.READY | Ring.DUE, "without a way to the server the worker must look itself"
    enqueue(store)
    proxy.lose = lambda answer: False
    connection = through._current().connection
    ring = Ring.SILENCE
    while connection.is_deaf or not ring:
        ring = bell.wait(GUARD_SECONDS)
    assert ring is Ring.READY | Ring.DUE
    emptied(bell)
    enqueue(store)
    assert bell.wait(GUARD_SECONDS) is Ring.READY
    bell.close()
    through.close()
    proxy.close()


def test_the_pauses_between_tries_to_listen_grow_with_jitter(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(bell_module.time, "monotonic", lambda: now[0])
    bell = bell_module.NotifyBell(_Deaf())  # type: ignore[arg-type]  # an outside world gone
    pauses = []
    for _ in range(8):
        bell._find_ears()
        pauses.append(bell._next_try - now[0])
        now[0] = bell._next_try
    first, longest = bell_module._TRY_SECONDS
    bounds = [min(first * 2**n, longest) for n in range(8)]
    assert all(top / 2 <= pause <= top for pause, top in zip(pauses, bounds, strict=True))
    assert len(set(pauses)) > 1
    bell.close()


class _Deaf:
    """A connection to a server that is gone."""

    is_deaf = True

    def tell(self, hearer: object) -> None: ...

    def tell_no_more(self, hearer: object) -> None: ...

    def listen_up(self) -> None: ...
