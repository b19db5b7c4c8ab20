"""The log waits for no reader, keeps its order, and says what it left out."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from commands import GUARD_SECONDS, Shop, environment, until

from jobhost.cli import log_stream
from jobhost.cli.log_stream import LogStream

LINE = "x" * 99

QUIET = """
from jobhost import JobHost

host = JobHost("sqlite:///shop.db")


@host.task
def add(a: int, b: int) -> int:
    return a + b
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with suppress(OSError):
            os.close(end)


def _fill(writing: int) -> int:
    """Bytes that found room."""
    count = 0
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            count += os.write(writing, b"\n")
    os.set_blocking(writing, True)
    return count


def _read(reading: int, until_it_has: bytes) -> bytes:
    said = b""
    while until_it_has not in said:
        said += os.read(reading, 65536)
    return said


def test_lines_that_found_no_room_come_in_order_and_the_rest_is_counted(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    filled = _fill(writing)
    stream = LogStream(writing, lambda count: f"{count} left out\n")
    total = 2 * log_stream._BYTES_MAX // len(LINE)
    for number in range(total):
        stream.write(f"{number:06} {LINE}\n")

    said = _read(reading, b" left out\n")
    stream.write("the last\n")
    said += _read(reading, b"the last\n") if b"the last\n" not in said else b""

    *kept, left_out, last = said[filled:].decode().splitlines()
    assert [int(line[:6]) for line in kept] == list(range(len(kept)))
    assert left_out == f"{total - len(kept)} left out"
    assert last == "the last"


def test_a_line_for_which_there_is_room_is_there_whatever_ends_the_process(tmp_path: Path) -> None:
    program = (
        "import logging, os; from jobhost.cli import logs; "
        "logs.configure(logs.LogLevel.INFO, json_lines=False); "
        "logging.info('the last words'); os._exit(3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=GUARD_SECONDS, check=False
    )
    assert done.returncode == 3
    if sys.platform == "linux" and _knows_no_wait():
        assert b"the last words" in done.stderr


def _knows_no_wait() -> bool:
    """Whether this system can be asked to write to a pipe without a wait."""
    reading, writing = os.pipe()
    try:
        return log_stream._write_at_once(writing, b"\n") == 1
    finally:
        os.close(reading)
        os.close(writing)


def test_a_fork_of_the_process_writes_for_itself(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    program = """
import logging, os, sys, threading
from jobhost.cli import logs
stream = logs.configure(logs.LogLevel.INFO, json_lines=False)
with stream._change:
    child = os.fork()
    if not child:
        logging.info("the child")
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
logging.info("the parent")
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=writing)
    said = _read(reading, b"the parent\n")
    assert said.index(b"the child\n") < said.index(b"the parent\n")
    assert process.wait(GUARD_SECONDS) == 0


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_the_end_of_a_process_waits_for_who_reads_and_not_for_who_does_not(
    pipe: tuple[int, int], as_json: bool
) -> None:
    """The first process ends all the same, and what the second left out is told in its form."""
    reading, writing = pipe
    program = f"""
import logging
from jobhost.cli import logs
logs.configure(logs.LogLevel.INFO, json_lines={as_json})
for _ in range(20_000):
    logging.info("{LINE}")
logging.info("no room")
"""
    first = subprocess.Popen([sys.executable, "-c", program], stderr=writing)
    assert first.wait(GUARD_SECONDS) == 0

    second = subprocess.Popen([sys.executable, "-c", program], stderr=writing)
    os.close(writing)
    said = b""
    while more := os.read(reading, 65536):
        said += more
    assert second.wait(GUARD_SECONDS) == 0
    lines = said.decode().splitlines()
    notes = [line for line in lines if "left out of the log" in line]
    assert lines[-1].count("no room") or notes
    for note in notes:
        assert not as_json or json.loads(note)["level"] == "warning"


def test_a_worker_whose_log_nobody_reads_runs_jobs_and_stops(
    shop: Shop, pipe: tuple[int, int]
) -> None:
    _, writing = pipe
    """A program that prints nothing itself: that would wait as in any program."""
    (shop.folder / "quiet.py").write_text(QUIET)
    job = shop.enqueue("add", "[1, 2]")
    _fill(writing)
    process = subprocess.Popen(
        [sys.executable, "-m", "jobhost", "worker", "quiet:host"],
        cwd=shop.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    try:
        until(lambda: shop.state(job) == "succeeded")
        process.send_signal(signal.SIGTERM)
        assert process.wait(GUARD_SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
