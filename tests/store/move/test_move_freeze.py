"""Nobody writes to a store that moves, until that is taken back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jobhost.clock import ManualClock
from jobhost.errors import StoreBusy, StoreMoved, UsageError
from jobhost.jobs.states import State
from jobhost.store.move import mover, source
from jobhost.store.move.source import Source
from jobhost.store.move.target import Target
from jobhost.store.plans import look, operate
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.sqlite.store import SqliteStore

from ..conftest import Direct
from ..world import World
from .stores import move, rows_there, undo


def test_a_writer_that_was_there_before_the_freeze_gets_the_new_address(
    here: World, there: World, path: Path
) -> None:
    (job,) = here.enqueue()
    older = SqliteStore(path, here.clock)
    program = World(older, here.clock, Direct(older), lambda sql: [])
    program.enqueue()
    move(here, there)
    for write in (
        program.enqueue,
        program.node,
        lambda: program.cancel(job),
        lambda: program.enqueue(delay_us=1),
    ):
        with pytest.raises(StoreMoved, match="set JOBHOST_URL to that address") as caught:
            write()
        assert there.store.url in str(caught.value)
    assert program.state(job) is State.READY
    assert older.read(look.tally).states[State.READY] == 2
    assert older.migrate() == []
    older.close()


def test_the_address_in_the_freeze_has_no_password(
    here: World, there: World, path: Path, clock: ManualClock
) -> None:
    here.store.migrate()
    secret = PostgresStore("postgresql://o'hara:geheim@nowhere/db", clock)
    Source(here.store).freeze(secret.url)
    with closing(sqlite3.connect(path)) as raw:
        dump = "\n".join(raw.iterdump())
    assert "geheim" not in dump
    with pytest.raises(StoreMoved, match="o%27hara@nowhere/db"):
        here.enqueue()


def test_no_other_program_writes_to_a_frozen_store_either(
    here: World, there: World, path: Path
) -> None:
    here.enqueue()
    move(here, there)
    with closing(sqlite3.connect(path)) as raw:
        for order in (
            "DELETE FROM jobhost_job",
            "UPDATE jobhost_ready SET lane = 0",
            "INSERT OR REPLACE INTO jobhost_sequence VALUES (1, 0)",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="jobhost moved to postgresql://"):
                raw.execute(order)


def test_a_freeze_without_a_copy_is_taken_back(here: World, there: World) -> None:
    (job,) = here.enqueue()
    Source(here.store).freeze(there.store.url)
    with pytest.raises(StoreMoved):
        here.enqueue()
    undo(here, there)
    here.enqueue()
    assert here.cancel(job) is operate.CancelResult.CANCELLED
    with pytest.raises(UsageError, match="is not frozen"):
        undo(here, there)
    assert move(here, there).rows["job"] == 2


@pytest.mark.parametrize("committed", [False, True])
def test_a_move_that_may_have_arrived_is_taken_back_only_if_it_has_not(
    here: World, there: World, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.enqueue()
    point = "note_end" if committed else "note_copied"
    real = getattr(Source, point)

    def breaks(self: Source, moved: source.Moved) -> None:
        if not committed:
            real(self, moved)
        raise StoreBusy("a test broke it off here")

    with monkeypatch.context() as patched:
        patched.setattr(Source, point, breaks)
        with pytest.raises(StoreBusy, match="stays frozen"):
            move(here, there)
    if committed:
        with pytest.raises(UsageError, match="have arrived at"):
            undo(here, there)
        assert move(here, there).before
    else:
        undo(here, there)
        here.enqueue()


def test_a_freeze_taken_back_in_the_middle_keeps_the_copy_from_being_committed(
    here: World, there: World, schema: str
) -> None:
    here.enqueue()

    def take_back(phase: str, rows: int) -> None:
        if Source(here.store).moved():
            undo(here, there)

    with pytest.raises(StoreBusy, match="was taken back meanwhile"):
        mover.move(Source(here.store), Target(there.store), take_back)
    assert set(rows_there(schema).values()) == {0}
    here.enqueue()
