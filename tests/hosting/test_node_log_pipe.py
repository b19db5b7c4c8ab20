"""A log that nobody reads holds up neither a node nor its workers."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sites import Site, until

pytestmark = pytest.mark.stores("sqlite", "postgres")


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """Its two ends; whoever writes to it waits."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"\n")
    os.set_blocking(writing, True)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_a_node_whose_log_nobody_reads_hands_back_the_jobs_of_a_dead_worker_and_stops(
    site: Site, full_pipe: tuple[int, int]
) -> None:
    _, writing = full_pipe
    jobs = [site.toils.hold.enqueue(name) for name in ("a", "b")]
    node = site.start("--concurrency", "1", stdout=writing, stderr=writing)
    site.started("a", "b")
    [pid] = site.ledger.pids("start", "a")
    os.kill(pid, signal.SIGKILL)
    site.started("a", times=2)
    site.go("a", "b")
    until(lambda: all(job.status().state.value == "succeeded" for job in jobs))
    assert node.stop() == 0


def test_what_found_no_room_in_the_pipe_is_written_in_order_once_it_is_read(
    site: Site, full_pipe: tuple[int, int]
) -> None:
    reading, writing = full_pipe
    site.toils.hold.enqueue("a")
    node = site.start(processes=1, stdout=writing, stderr=writing)
    site.started("a")
    [pid] = site.ledger.pids("start", "a")
    os.kill(pid, signal.SIGKILL)
    site.started("a", times=2)
    site.go("a")
    said = b""
    while b"jobs handed back" not in said:
        said += os.read(reading, 65536)
    died = f"worker {pid} ".encode()
    assert said.count(died) == 1, said
    assert said.index(died) < said.index(b"jobs handed back")
    node.send(signal.SIGTERM)
    said = b""
    while b"stopping: " not in said:
        said += os.read(reading, 65536)
    assert node.wait() == 0
