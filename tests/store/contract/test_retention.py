"""Jobs that were kept long enough are deleted with all that belongs to them; no others are."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from postgres_server import ask

from jobhost.jobs.expiry import Expiry
from jobhost.jobs.outcomes import DeadLettered
from jobhost.jobs.states import State
from jobhost.store.plans.look import show
from jobhost.store.plans.retention import PRUNE_SLICE, PruneReport, Slice, first_worker, prune
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.sqlite.store import SqliteStore

from ..world import FAILED, World, ended

WEEK = timedelta(days=7)
DEAD = DeadLettered(reason="no")


def sweep(
    world: World, state: State = State.SUCCEEDED, after: int = 0, *, dry_run: bool = False
) -> PruneReport:
    """One slice."""
    place = Slice(state=state, keep_us=WEEK // timedelta(microseconds=1), after=after)
    return world.write(lambda: prune(place, dry_run=dry_run))


def run(world: World, count: int = 1, **options: object) -> list[bytes]:
    """Jobs that succeed now."""
    jobs = world.enqueue(count, **options)
    node = world.node()
    world.cycle(node, *[ended(one) for one in world.claim(node, slots=count)])
    return jobs


def change(world: World, sql: str) -> None:
    """Write beside the store; tables are called as on SQLite."""
    if isinstance(world.store, SqliteStore):
        with closing(sqlite3.connect(world.store.target.path)) as raw, raw:
            raw.execute(sql)
    else:
        assert isinstance(world.store, PostgresStore)
        ask(sql.replace("jobhost_", f"{world.store.target.schema}."))


def is_there(world: World, job: bytes) -> bool:
    return world.read(lambda: show(job)) is not None


@pytest.mark.requirement("R-RES-7")
def test_a_success_is_deleted_when_its_time_is_over_and_not_before(world: World) -> None:
    (job,) = run(world)
    world.move(days=7, microseconds=-1)
    assert sweep(world).pruned == 0
    world.move(microseconds=1)
    assert sweep(world).pruned == 1
    assert not is_there(world, job)
    assert sweep(world).pruned == 0


@pytest.mark.requirement("R-RES-7")
def test_no_live_job_is_ever_deleted_however_old_it_is(world: World) -> None:
    node = world.node()
    (failed,) = world.enqueue()
    (delivery,) = world.claim(node)
    world.cycle(node, ended(delivery, FAILED))
    (running,) = world.enqueue(priority=9)
    world.claim(node)
    (ready,) = world.enqueue()
    (blocked,) = world.enqueue(task="nobody's")
    world.stage()
    (later,) = world.enqueue(delay_us=1)
    world.move(days=4000)
    for state in (State.SUCCEEDED, State.CANCELLED, State.DEAD):
        assert sweep(world, state) == PruneReport(pruned=0, after=0, over=True)
    jobs = [failed, running, ready, blocked, later]
    assert [world.state(job) for job in jobs] == [
        State.SCHEDULED, State.RUNNING, State.READY, State.BLOCKED, State.SCHEDULED,
    ]  # fmt: skip


@pytest.mark.requirement("R-RES-7")
def test_each_state_has_a_time_of_its_own(world: World) -> None:
    (good,) = run(world)
    (bad, dropped) = world.enqueue(2)
    node = world.node()
    (delivery, _) = world.claim(node)
    world.cycle(node, ended(delivery, DEAD))
    (cancelled,) = world.enqueue()
    world.cancel(cancelled)
    world.move(days=8)

    assert sweep(world, State.CANCELLED).pruned == 1
    assert [is_there(world, job) for job in (good, bad, cancelled)] == [True, True, False]
    assert sweep(world, State.DEAD).pruned == 1
    assert [is_there(world, job) for job in (good, bad, dropped)] == [True, False, True]
    assert sweep(world, State.SUCCEEDED).pruned == 1
    assert not is_there(world, good)


def test_all_that_belongs_to_a_job_goes_with_it_and_nothing_else(world: World) -> None:
    node = world.node()
    jobs = world.enqueue(2, expiry=Expiry(after_us=10**15))
    first, second = world.claim(node)
    world.cycle(node, ended(first, FAILED), ended(second, FAILED))
    world.move(days=1)
    node = world.node()
    world.stage()
    first, second = world.claim(node)
    world.cycle(node, ended(first))
    numbers = [first.job, second.job]
    for number in numbers:
        for table, columns, values in (
            ("progress", "job, epoch, done, told_at", "1, 0.5, 0"),
            ("checkpoint", "job, epoch, state, saved_at", "1, '{}', 0"),
            ("log", "job, epoch, line, written_at, level, source, message", "1, 1, 0, '', '', ''"),
            ("log", "job, epoch, line, written_at, level, source, message", "1, 2, 0, '', '', ''"),
            ("revision", "job, number, payload, reason, replaced_at", "1, '[]', '', 0"),
        ):
            change(world, f"INSERT INTO jobhost_{table} ({columns}) VALUES ({number}, {values})")
    world.move(days=8)

    assert sweep(world).pruned == 1
    left = {
        table: [job for (job,) in world.query(f"SELECT job FROM jobhost_{table}")]
        for table in ("attempt", "expiry", "progress", "checkpoint", "log", "revision", "done")
    }
    only = [second.job]
    assert left == {
        "attempt": only, "expiry": only, "progress": only, "checkpoint": only,
        "log": only * 2, "revision": only, "done": [],
    }  # fmt: skip
    assert [is_there(world, job) for job in jobs] == [False, True]


def test_a_walk_goes_by_slices_and_ends_at_jobs_that_are_too_young(world: World) -> None:
    run(world, PRUNE_SLICE + 2)
    world.move(days=7)
    young = run(world)

    first = sweep(world)
    assert (first.pruned, first.over) == (PRUNE_SLICE, False)
    second = sweep(world, after=first.after)
    assert (second.pruned, second.over) == (2, True)
    assert is_there(world, young[0])


def test_what_a_walk_leaves_in_place_does_not_hold_up_the_next_slice(world: World) -> None:
    jobs = world.enqueue(PRUNE_SLICE + 1)
    for at in range(PRUNE_SLICE // 100):  # dead letters stand before the success
        node = world.node()
        world.cycle(node, *[ended(one, DEAD) for one in world.claim(node, slots=100)])
        assert at < PRUNE_SLICE
    node = world.node()
    world.cycle(node, *[ended(one) for one in world.claim(node)])
    world.move(days=8)

    first = sweep(world)
    assert (first.pruned, first.over) == (0, False)
    assert sweep(world, after=first.after).pruned == 1
    assert is_there(world, jobs[0])


def test_a_dry_run_tells_the_count_and_deletes_nothing(world: World) -> None:
    jobs = run(world, 3)
    world.move(days=8)
    assert sweep(world, dry_run=True).pruned == 3
    assert all(is_there(world, job) for job in jobs)


def test_a_job_that_was_redriven_is_kept(world: World) -> None:
    (job,) = world.enqueue()
    world.cancel(job)
    world.move(days=8)
    world.redrive(job)
    assert sweep(world, State.CANCELLED).pruned == 0
    assert world.state(job) is State.READY


def test_a_number_is_never_given_twice_when_the_newest_job_was_deleted(world: World) -> None:
    run(world)
    (before,) = [number for (number,) in world.query("SELECT number FROM jobhost_job")]
    world.move(days=8)
    assert sweep(world).pruned == 1
    world.enqueue()
    assert world.query("SELECT number FROM jobhost_job")[0][0] > before


def test_the_first_of_the_live_workers_prunes(world: World) -> None:
    assert world.read(first_worker) is None
    first = world.node()
    world.node()
    assert world.read(first_worker) == first
    world.move(minutes=1)
    third = world.node()
    assert world.read(first_worker) == third
