"""A move is killed at any moment, and a second run ends it."""

import random
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from postgres_server import drop_schema, new_schema, store_url

from jobhost.clock import ManualClock
from jobhost.errors import StoreMoved
from jobhost.store.sqlite.store import SqliteStore

from ..conftest import Direct
from ..conservation import assert_conserved
from ..world import World
from .stores import everything, fill, move, query_there

KILLS = 12
"""Random points at which a move is killed, beside those that have a name."""

PROGRAM = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from jobhost.clock import ManualClock
from jobhost.store.move import lines, mover

lines.BLOCK_CHARS = 300
watched = ("/store/move/", "/store/sqlite/connection", "/store/postgres/connection")
wanted, calls = sys.argv[3], 0

def count(frame, event, argument):
    global calls
    code = frame.f_code
    if event == "call" and any(part in code.co_filename for part in watched):
        calls += 1
        where = f"{Path(code.co_filename).parent.name}.{code.co_name}"
        if wanted in (where, str(calls)):
            os.kill(os.getpid(), signal.SIGKILL)

clock = ManualClock()
clock.move(timedelta(hours=3))
source = mover.open_source(sys.argv[1], clock)
target = mover.open_target(sys.argv[2], clock)
sys.setprofile(count)
mover.move(source, target, lambda phase, rows: None)
sys.setprofile(None)
print(calls)
"""

NAMED = [
    "postgres.begin_migration",
    "move.freeze",
    "move._triggers",
    "move.raise_number",
    "move.last_number",
    "move.fill",
    "move.compare",
    "move.note_arrival",
    "move.note_copied",
    "move.note_end",
]


def run_move(path: Path, schema: str, kill_at: str) -> "subprocess.CompletedProcess[str]":
    """A move in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), f"sqlite:///{path}", store_url(schema),
         kill_at],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with jobs in every state, closed."""
    path = tmp_path_factory.mktemp("filled") / "app.db"
    clock = ManualClock()
    store = SqliteStore(path, clock)
    fill(World(store, clock, Direct(store), lambda sql: []))
    store.close()
    shutil.rmtree(path.with_name("app.db-run"))
    return path


@pytest.fixture(scope="module")
def calls(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls a move makes that nobody kills."""
    path, schema = tmp_path_factory.mktemp("whole") / "app.db", new_schema()
    shutil.copy(filled, path)
    done = run_move(path, schema, "never")
    drop_schema(schema)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("point", [*NAMED, *range(KILLS)])
def test_a_move_killed_at_any_moment_is_ended_by_a_second_run(
    point: str | int, filled: Path, calls: int, here: World, there: World, path: Path, schema: str
) -> None:
    shutil.copy(filled, path)
    here.move(hours=3)  # as much as `fill` did
    before = everything(here)
    here.store.close()
    at = point if isinstance(point, str) else str(random.Random(point).randint(1, calls))
    killed = run_move(path, schema, at)
    assert killed.returncode == -9, killed.stderr
    assert everything(here) == before

    report = move(here, there)

    assert everything(there) == before
    if isinstance(point, str):
        assert report.before == (point == "move.note_end")
    assert_conserved(query_there(schema))
    assert move(here, there).before, "a third run finds all done"
    with pytest.raises(StoreMoved):
        here.enqueue()


def test_moves_at_the_same_time_end_in_one(
    filled: Path, here: World, there: World, path: Path, schema: str
) -> None:
    shutil.copy(filled, path)
    here.move(hours=3)  # as much as `fill` did
    before = everything(here)
    here.store.close()
    order = [sys.executable, "-c", PROGRAM, f"sqlite:///{path}", store_url(schema), "never"]
    running = [subprocess.Popen(order, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [one.wait(100) for one in running] == [0, 0, 0]
    assert everything(there) == before
