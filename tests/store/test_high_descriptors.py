"""A process with very many open files: the bells of its workers still ring."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import empty_schema, shared_schema, store_url

from jobhost.store.readable import until_readable

from .postgres.crew import GUARD_SECONDS

PROLOGUE = """
import os, resource, sys
from jobhost.clock import SystemClock
from jobhost.ids import new_ids
from jobhost.store.plans import nodes
from jobhost.store.plans.enqueue import Batch, NewJob

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard > 0 else 4096, hard))
nothing = os.open(os.devnull, os.O_RDONLY)
while os.dup(nothing) < 1100:
    pass
NEVER = 90.0
"""

ON_SQLITE = """
from pathlib import Path
from jobhost.store.sqlite.bell import Ringer, SocketBell
bell = SocketBell(Path(sys.argv[1]), "one")
assert bell._outer.fileno() > 1024
Ringer(Path(sys.argv[1])).ring_all()
assert bell.wait(NEVER)
assert not bell.wait(0.0)
"""

ON_POSTGRES = """
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.seam import Ring
store, other = [PostgresStore(sys.argv[1], SystemClock()) for _ in range(2)]
new = nodes.NewNode(id="a", host="here", pid=1, version="1", slots=1, queues=["q"], tasks=["t"],
                    lease_us=600_000_000)
store.write(lambda: nodes.register(new))
bell = store.listen("a")
assert bell._connection.fileno() > 1024
while bell.wait(0.0):
    pass
jobs = [NewJob(new_ids(1)[0], "[]", None)]
batch = Batch(task="t", queue="q", priority=0, jobs=jobs)
other.write(lambda: other.hot.enqueue(batch))
assert bell.wait(NEVER) is Ring.READY
bell.close()
store.close()
other.close()
"""


def run(text: str, argument: object) -> None:
    program = PROLOGUE + textwrap.dedent(text)
    done = subprocess.run(
        [sys.executable, "-c", program, str(argument)],
        capture_output=True,
        text=True,
        timeout=2 * GUARD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_bell_on_sqlite_rings_in_a_process_with_over_a_thousand_open_files(
    tmp_path: Path,
) -> None:
    run(ON_SQLITE, tmp_path)


def test_a_bell_on_postgresql_rings_in_a_process_with_over_a_thousand_open_files() -> None:
    empty_schema()
    if "pooler=" in store_url(shared_schema()):
        pytest.skip("behind a pooler nobody rings")
    run(ON_POSTGRES, store_url(shared_schema()))


def test_a_sleep_that_is_longer_than_the_system_can_count_is_none_too_short(pipe: Any) -> None:
    ears, mouth = pipe
    mouth.write(b"1")
    assert until_readable([ears.fileno()], 1e12) == {ears.fileno()}


def test_whatever_has_ended_wakes_the_sleeper(pipe: Any) -> None:
    ears, mouth = pipe
    mouth.close()
    assert until_readable([ears.fileno()], GUARD_SECONDS) == {ears.fileno()}


def test_a_sleep_below_zero_only_looks(pipe: Any) -> None:
    assert until_readable([pipe[0].fileno()], -1.0) == frozenset()


@pytest.fixture
def pipe() -> Iterator[tuple[Any, Any]]:
    ears, mouth = os.pipe()
    with os.fdopen(ears, "rb", 0) as reader, os.fdopen(mouth, "wb", 0) as writer:
        yield reader, writer
