"""A move that cannot be made says why, and changes nothing or leaves all as it can go on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_server import ask, new_schema, store_url

from jobhost.clock import ManualClock
from jobhost.errors import StoreBusy, StoreError, StoreUnavailable, UsageError
from jobhost.store.move import mover
from jobhost.store.move.source import Source
from jobhost.store.move.target import Target
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.seam import Store
from jobhost.store.sqlite.store import SqliteStore

from ..conftest import Direct
from ..world import World
from .stores import everything, move, rows_there


def test_a_target_with_jobs_is_refused_and_the_source_stays_in_use(
    here: World, there: World
) -> None:
    here.enqueue()
    there.store.migrate()
    there.enqueue()
    with pytest.raises(UsageError, match=r"is not empty \(job, ready\).*\?schema=NAME"):
        move(here, there)
    here.enqueue()


def test_a_second_source_is_refused(
    here: World, there: World, tmp_path: Path, worlds: Callable[[Store], World]
) -> None:
    here.enqueue()
    move(here, there)
    other = worlds(SqliteStore(tmp_path / "other.db", here.clock))
    other.enqueue()
    with pytest.raises(UsageError, match="is not empty"):
        move(other, there)
    other.enqueue()


def test_a_frozen_source_moves_to_no_other_address(
    here: World, there: World, clock: ManualClock, worlds: Callable[[Store], World]
) -> None:
    here.enqueue()
    move(here, there)
    elsewhere = worlds(PostgresStore(store_url(new_schema()), clock))
    with pytest.raises(UsageError, match="is frozen for its move to"):
        move(here, elsewhere)


def test_a_source_without_its_folder_of_locks_moves_all_the_same(
    here: World, there: World, path: Path
) -> None:
    here.enqueue()
    here.store.close()
    shutil.rmtree(path.with_name("app.db-run"))
    assert move(here, there).rows["job"] == 1


def test_a_source_that_is_not_there_is_not_made(here: World, there: World, path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no store at"):
        move(here, there)
    assert not path.exists()


def test_a_target_that_cannot_be_reached_leaves_the_source_in_use(
    here: World, clock: ManualClock, worlds: Callable[[Store], World]
) -> None:
    here.enqueue()
    nowhere = worlds(PostgresStore("postgresql:///db?host=/nowhere", clock))
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        move(here, nowhere)
    here.enqueue()


def test_what_comes_back_otherwise_than_it_was_sent_is_not_committed(
    here: World, there: World, schema: str
) -> None:
    here.enqueue(3)
    there.store.migrate()
    ask(
        f"CREATE FUNCTION {schema}.spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.payload := '[]'; RETURN NEW; END$$; "
        f"CREATE TRIGGER spoil BEFORE INSERT ON {schema}.job FOR EACH ROW "
        f"EXECUTE FUNCTION {schema}.spoil()"
    )
    with pytest.raises(StoreError, match=r"3 rows of job .* nothing was moved.*stays frozen: run"):
        move(here, there)
    assert set(rows_there(schema).values()) == {0}
    ask(f"DROP TRIGGER spoil ON {schema}.job")
    assert move(here, there).rows["job"] == 3


def test_a_connection_that_the_server_ends_in_the_middle_leaves_nothing_behind(
    here: World, there: World, schema: str
) -> None:
    here.enqueue(3)
    before = everything(here)

    def end_it(phase: str, rows: int) -> None:
        if phase == "compare":
            ask(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                f"WHERE relation = '{schema}.job'::regclass AND mode = 'ExclusiveLock'"
            )

    with pytest.raises(StoreUnavailable, match="stays frozen: run the same command again"):
        mover.move(Source(here.store), Target(there.store), end_it)
    assert set(rows_there(schema).values()) == {0}
    move(here, there)
    assert everything(there) == before


def test_whoever_comes_to_the_target_too_early_is_kept_out_until_the_end(
    here: World, there: World, schema: str
) -> None:
    here.enqueue(3)
    there.store.migrate()
    early = PostgresStore(store_url(schema) + "&options=-clock_timeout=50ms", here.clock)
    world = World(early, here.clock, Direct(early), lambda sql: [])
    refused: list[StoreError] = []

    def come_early(phase: str, rows: int) -> None:
        for write in (world.enqueue, world.node):
            with pytest.raises(StoreBusy) as caught:
                write()
            refused.append(caught.value)

    mover.move(Source(here.store), Target(there.store), come_early)
    assert refused
    world.enqueue()
    assert len(there.list_jobs().jobs) == 4
    early.close()
