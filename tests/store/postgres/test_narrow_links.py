"""A link so narrow that what is to be sent does not fit into the time of one statement: it goes in
smaller parts, and everybody comes to the end.

The limits are lowered for these tests, so that two seconds do for what takes twenty otherwise.
"""

import asyncio
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from postgres_server import ask, empty_schema, shared_schema, store_url

from jobhost import JobHost, State
from jobhost.store.postgres import connection

from ..conservation import assert_conserved
from .crew import Proxy, until, working

PATIENCE = "90s"
MEGABYTE = "x" * 1_000_000
COUNT = 20
LONG = "10m"

BYTES_A_SECOND = 4_000_000
WAIT_SECONDS = 2.0
"""All COUNT at once take 5 s; the watchdog ends a statement within 3 s, or shuts its connection
within 4 s."""


class NarrowLink(Proxy):
    """Passes on so many bytes a second of each connection, both ways together."""

    def _pump(self, client: socket.socket) -> None:
        with client, self._connect() as server, suppress(OSError):
            other = {client: server, server: client}
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    piece = ready.recv(1 << 16)
                    if not piece:
                        return
                    time.sleep(len(piece) / BYTES_A_SECOND)
                    other[ready].sendall(piece)


def query(text: str) -> list[tuple[Any, ...]]:
    rows = ask(text.replace("jobhost_", f"{shared_schema()}."))
    return [tuple(v.bytes if hasattr(v, "bytes") else v for v in row) for row in rows]


@pytest.fixture
def link() -> Iterator[NarrowLink]:
    empty_schema()
    made = NarrowLink()
    yield made
    made.close()
    assert_conserved(query)


@pytest.fixture
def direct(link: NarrowLink) -> Iterator[JobHost]:
    """A host past the link."""
    with JobHost(store_url(shared_schema())) as made:
        yield made


@pytest.fixture
def far(link: NarrowLink, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHost]:
    """A host behind the link, whose statements have little time."""
    monkeypatch.setattr(connection, "_WAIT_SECONDS", WAIT_SECONDS)
    with JobHost(link.url(shared_schema())) as made:
        yield made


def test_payloads_that_do_not_fit_into_one_claim_are_claimed_in_several(
    direct: JobHost, far: JobHost
) -> None:
    ran: list[int] = []

    def take(number: int, text: str) -> int:
        ran.append(number)
        return len(text)

    calls = [(number, MEGABYTE) for number in range(COUNT)]
    jobs = direct.task(name="take")(take).enqueue_many(calls)
    far.task(name="take")(take)
    with working(far.worker(concurrency=COUNT, lease=LONG)):
        assert [job.result(PATIENCE) for job in jobs] == [len(MEGABYTE)] * COUNT
    assert sorted(ran) == list(range(COUNT))


def test_results_that_end_together_and_do_not_fit_into_one_cycle_are_all_recorded(
    direct: JobHost, far: JobHost
) -> None:
    together = asyncio.Event()
    running = 0

    async def give(number: int) -> str:
        nonlocal running
        running += 1
        if running == COUNT:
            together.set()
        await together.wait()
        return str(number) + MEGABYTE

    jobs = direct.task(name="give")(give).enqueue_many([(number,) for number in range(COUNT)])
    far.task(name="give")(give)
    with working(far.worker(concurrency=COUNT, lease=LONG)):
        until(lambda: all(job.status().state is State.SUCCEEDED for job in jobs), "all have ended")
    results = [job.result("0s") for job in jobs]
    assert results == [str(number) + MEGABYTE for number in range(COUNT)]
    assert running == COUNT
