"""Whatever is in a store arrives in the other: jobs in every state, history, counts and order."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from postgres_server import ask

from jobhost.clock import ManualClock
from jobhost.errors import UsageError
from jobhost.jobs.states import State
from jobhost.store import presence
from jobhost.store.move import lines, mover, source
from jobhost.store.move.source import Source
from jobhost.store.move.tables import LEFT_OUT, LEFT_OUT_COLUMNS, TABLES
from jobhost.store.move.target import Target
from jobhost.store.plans.look_nodes import list_nodes
from jobhost.store.seam import Store
from jobhost.store.sqlite.store import SqliteStore

from ..conservation import assert_conserved
from ..world import World
from .stores import ODD, everything, fill, move, query_there, rows_there


def test_every_table_and_column_of_sqlite_moves_or_is_left_out_for_a_reason(
    here: World, path: Path
) -> None:
    here.store.migrate()
    known = {table.name: set(table.columns) for table in TABLES}
    with closing(sqlite3.connect(path)) as raw:
        names = raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        tables = {name for (name,) in names if not name.startswith("sqlite_")}
        assert tables == {f"jobhost_{name}" for name in [*known, *LEFT_OUT]}
        for name, columns in known.items():
            found = raw.execute(f"SELECT name FROM pragma_table_info('jobhost_{name}')").fetchall()
            assert {column for (column,) in found} == columns, name


def test_every_table_and_column_of_postgres_is_filled_or_left_out_for_a_reason(
    there: World, schema: str
) -> None:
    there.store.migrate()
    known = {table.name: set(table.columns) for table in TABLES}
    found = ask(
        "SELECT table_name, column_name FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) "
        f"WHERE table_schema = '{schema}' AND table_type = 'BASE TABLE'"
    )
    assert {table for table, _ in found} == {*known, *LEFT_OUT} - {"sequence"}
    for name, columns in known.items():
        there_are = {column for table, column in found if table == name}
        left = {column for table, column in LEFT_OUT_COLUMNS if table == name}
        assert there_are == columns | left, name


def test_the_freeze_covers_every_table_that_moves_and_the_sequence() -> None:
    assert set(source.FROZEN) == {"sequence", *(table.name for table in TABLES)}


def test_jobs_in_every_state_arrive_with_history_counts_and_order(
    here: World, there: World, schema: str
) -> None:
    fill(here)
    before = everything(here)
    assert {job.state for job, _ in before} == set(State) - {State.SUSPENDED}
    report = move(here, there)
    assert everything(there) == before
    assert everything(here) == before, "the source can still be read"
    assert report.rows == rows_there(schema)
    assert_conserved(query_there(schema))


def test_jobs_are_claimed_in_the_order_in_which_the_source_would_have(
    here: World, there: World, path: Path, tmp_path: Path, worlds: Callable[[Store], World]
) -> None:
    fill(here)
    with closing(sqlite3.connect(path)) as raw, closing(sqlite3.connect(tmp_path / "b.db")) as to:
        raw.backup(to)
    copy = worlds(SqliteStore(tmp_path / "b.db", here.clock))
    move(here, there)
    queues = ["default", "other", ODD]
    claims = [world.claim(world.node(), queues=queues) for world in (copy, there)]
    assert claims[0] == claims[1]
    assert len(claims[0]) > 10


def test_suspects_arrive_as_suspects_and_nodes_with_what_was_told_of_them(
    here: World, there: World
) -> None:
    fill(here)
    before = here.read(lambda: list_nodes(gone=True))
    move(here, there)
    assert there.read(lambda: list_nodes(gone=True)) == before
    (node,) = [one for one in before if one.kind == "node"]
    assert (node.state, node.vitals.memory_bytes) == ("lapsed", 1)
    assert node.drain_requested_at is not None
    assert node.number in {one.supervisor for one in before if one.state == "ended"}
    lane = there.node("kills")
    first, second = there.claim_suspect(lane, "kills"), there.claim_suspect(lane, "kills")
    assert first is not None
    assert second is not None
    assert first.job > second.job


def test_numbers_go_on_above_all_that_were_drawn(here: World, there: World) -> None:
    fill(here)
    last = Source(here.store).last_number()
    move(here, there)
    (new,) = there.enqueue()
    assert there.list_jobs(limit=1).jobs[0].id.bytes == new, "the newest has the highest number"
    assert there.node() > last


def test_jobs_of_a_dead_worker_are_taken_over_at_once_in_the_new_store(
    here: World, there: World, clock: ManualClock
) -> None:
    node = here.node(name="a", lease=timedelta(hours=8))
    with_proof = presence.LockedFile(here.store.target.folder, "a")
    job, _ = here.running(node)
    with pytest.raises(UsageError, match=r"1 worker of .* may still run jobs \(here:1\): stop"):
        move(here, there)
    with_proof.drop()
    move(here, there)
    there.move(seconds=1)
    rescuer = there.node()
    there.rescue(node, rescuer, died=False)
    assert there.state(job) is State.READY


def test_a_text_that_postgres_cannot_keep_arrives_as_readable(here: World, there: World) -> None:
    (job,) = here.enqueue()
    here.cancel(job, "a\0b")
    move(here, there)
    assert there.show(job).reason == "a\\0b"


def test_an_empty_store_moves(here: World, there: World) -> None:
    here.store.migrate()
    assert set(move(here, there).rows.values()) == {0}
    there.enqueue()


def test_rows_are_read_and_sent_in_blocks_of_bounded_size(
    here: World, there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_CHARS", 1000)
    for _ in range(3):
        here.enqueue(400)
    told: list[tuple[str, int]] = []
    before = everything(here)
    mover.move(Source(here.store), Target(there.store), lambda phase, n: told.append((phase, n)))
    assert max(count for phase, count in told if phase == "copy") < 50
    total = sum(rows for phase, rows in told if phase == "copy")
    assert total == 2400 == sum(rows for phase, rows in told if phase == "compare")
    assert everything(there) == before
