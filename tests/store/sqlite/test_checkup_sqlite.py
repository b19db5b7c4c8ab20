"""A checkup of a SQLite store tells each cause, with the next step, and changes nothing."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobhost.clock import ManualClock
from jobhost.errors import StoreDamaged, StoreUnavailable
from jobhost.ids import new_ids
from jobhost.store.checkup import (
    Finding,
    Level,
    judge_schema,
    judge_waiting,
    name_some,
    note,
    ok,
    problem,
    warning,
    worst,
)
from jobhost.store.plans import enqueue, nodes, stage
from jobhost.store.sqlite import checkup as judge
from jobhost.store.sqlite.store import SqliteStore

Accept = Callable[..., list[bytes]]
GIB = 1024**3


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    mounts = path.with_name("mounts")
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\n")
    monkeypatch.setattr(judge, "MOUNTS", mounts)
    store = SqliteStore(path, clock)
    store.migrate()
    return store


def look(store: SqliteStore, check: str) -> list[Finding]:
    return [found for found in store.checkup() if found.check == check]


def one(found: list[Finding]) -> Finding:
    [finding] = found
    return finding


def join(store: SqliteStore, *, lease_us: int = 60_000_000) -> int:
    new = nodes.NewNode(
        id=new_ids(1)[0].hex(), host="here", pid=4711, version="1", slots=1, queues=["default"],
        tasks=["work"], lease_us=lease_us,
    )  # fmt: skip
    return store.write(lambda: nodes.register(new))


def accept_one(store: SqliteStore, task: str = "work", **options: Any) -> None:
    jobs = [enqueue.NewJob(bytes(new_ids(1)[0]), "[]", None)]
    given = {"queue": "default", "priority": 0, **options}
    store.write(lambda: enqueue.enqueue(enqueue.Batch(task=task, jobs=jobs, **given)))


def test_a_healthy_store_has_nothing_worse_than_ok(store: SqliteStore, accept: Accept) -> None:
    join(store)
    accept(store, 3)
    found = store.checkup()
    assert worst(found) is Level.OK, found
    assert {finding.next_step for finding in found} == {None}


def test_a_checkup_changes_nothing(store: SqliteStore, path: Path) -> None:
    store.close()
    before = path.read_bytes()
    os.utime(path, (1, 1))
    names = sorted(path.parent.iterdir())
    store.checkup()
    assert path.read_bytes() == before
    assert path.stat().st_mtime == 1
    assert sorted(path.parent.iterdir()) == names


def test_a_missing_file_is_no_store_and_is_not_made(path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no store"):
        SqliteStore(path, ManualClock()).checkup()
    assert not path.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_store(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(StoreDamaged, match="is no file that can hold a store"):
        SqliteStore(path, ManualClock()).checkup()


def test_a_file_that_cannot_be_used_is_told_beside_what_is_known_of_its_place(
    store: SqliteStore, path: Path
) -> None:
    store.close()
    in_the_way = path.with_name(f"{path.name}-wal")
    in_the_way.mkdir()
    found = {finding.check: finding for finding in store.checkup()}
    assert found.keys() == {"sqlite", "file system", "rights", "space", "durability", "file"}
    assert found["file"].level is Level.PROBLEM
    assert found["file"].sentence == f"{path} cannot be opened"
    assert "check the path and its rights" in str(found["file"].next_step)
    in_the_way.rmdir()
    assert "file" not in {finding.check for finding in store.checkup()}


def test_a_file_that_is_no_database_is_no_store(path: Path) -> None:
    path.write_text("no database at all " * 100)
    with pytest.raises(StoreDamaged, match="is not an SQLite database"):
        SqliteStore(path, ManualClock()).checkup()


def test_a_journal_that_is_no_write_ahead_log_is_a_problem(store: SqliteStore, path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    found = one(look(store, "journal"))
    assert found.level is Level.PROBLEM
    assert "journal mode is delete" in found.sentence


def test_less_durability_is_worth_a_note(path: Path) -> None:
    store = SqliteStore(path, ManualClock(), synchronous="NORMAL")
    store.migrate()
    assert one(look(store, "durability")).level is Level.NOTE


def test_a_file_that_others_may_read_is_a_warning(store: SqliteStore, path: Path) -> None:
    path.chmod(0o644)
    found = one(look(store, "rights"))
    assert found.level is Level.WARNING
    assert found.next_step == f"chmod o-rwx {path}"


def test_a_file_that_this_user_may_not_write_is_a_problem(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:  # whom nothing is closed to: let the system answer for another
        access = os.access
        monkeypatch.setattr(
            os, "access", lambda file, mode: access(file, mode) and file != path.parent
        )
        closed = path.parent
    else:
        closed = path
        path.chmod(0o400)
    found = one(look(store, "rights"))
    assert found.level is Level.PROBLEM
    assert str(closed) in found.sentence


@pytest.mark.parametrize(
    ("mounts", "level", "part"),
    [
        ("/dev/sda1 / ext4 rw 0 0", Level.OK, "ext4"),
        ("/dev/sda1 / ext4 rw 0 0\nnas:/x /srv/data nfs4 rw 0 0", Level.PROBLEM, "nfs4"),
        ("/dev/sda1 / ext4 rw 0 0\n//nas/x /srv/data cifs rw 0 0", Level.PROBLEM, "cifs"),
        ("nas:/x /srv nfs rw 0 0\n/dev/sdb /srv/data xfs rw 0 0", Level.OK, "xfs"),
        ("/dev/sda1 / ext4 rw 0 0\nnas:/x /srv/dat nfs rw 0 0", Level.OK, "ext4"),
        ("nas:/x /srv/data nfs rw 0 0\n/dev/sdb /srv/data xfs rw 0 0", Level.OK, "xfs"),
        ("tmpfs /srv tmpfs rw 0 0", Level.WARNING, "in memory"),
        ("overlay / overlay rw 0 0", Level.NOTE, "container"),
        ("host /srv/data fuse.sshfs rw 0 0", Level.PROBLEM, "fuse.sshfs"),
    ],
)
def test_the_file_system_is_judged(mounts: str, level: Level, part: str) -> None:
    found = one(judge.judge_place(Path("/srv/data/jobs.db"), mounts))
    assert found.level is level
    assert part in found.sentence


def test_a_mount_point_with_a_blank_is_read() -> None:
    mounts = "/dev/sda1 / ext4 rw 0 0\nnas:/x /srv/my\\040data nfs rw 0 0\n\nbroken"
    assert one(judge.judge_place(Path("/srv/my data/jobs.db"), mounts)).level is Level.PROBLEM


def test_where_mounts_are_not_known_nothing_is_said_of_them(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "MOUNTS", Path("/nowhere/mounts"))
    assert look(store, "file system") == []


@pytest.mark.parametrize(
    ("free", "level"),
    [(GIB, Level.OK), (GIB // 4, Level.WARNING), (GIB // 100, Level.PROBLEM)],
)
def test_free_space_is_judged(free: int, level: Level) -> None:
    assert judge.judge_space(free).level is level


def test_a_clock_that_was_set_back_is_a_warning(
    store: SqliteStore, accept: Accept, clock: ManualClock
) -> None:
    accept(store)
    assert one(look(store, "clock")).level is Level.OK
    clock.move(timedelta(minutes=-10))
    found = one(look(store, "clock"))
    assert found.level is Level.WARNING
    assert "10m later" in found.sentence


def test_a_file_without_a_schema_is_a_problem(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    store = SqliteStore(path, ManualClock())
    found = one(look(store, "schema"))
    assert found.level is Level.PROBLEM
    assert "jobhost migrate" in str(found.next_step)
    assert look(store, "journal") == [], "the first use sees to that"
    store.migrate()
    assert one(look(store, "journal")).level is Level.OK


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("INSERT INTO jobhost_migration VALUES (9999, 'x')", "schema 9999"),
        ("DELETE FROM jobhost_migration", "does not belong to jobhost"),
    ],
)
def test_a_schema_that_is_not_ours_is_a_problem(
    store: SqliteStore, path: Path, statement: str, part: str
) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    found = one(look(store, "schema"))
    assert found.level is Level.PROBLEM
    assert part in found.sentence
    assert found.next_step


def test_the_schema_is_judged_by_its_last_migration() -> None:
    assert judge_schema([1, 2], 2, "migrate").level is Level.OK
    for applied in ([], [1], [1, 2, 3]):
        assert judge_schema(applied, 2, "migrate").level is Level.PROBLEM
    assert judge_schema([1], 2, "migrate").next_step == "migrate"


def test_no_worker_is_worth_a_note(store: SqliteStore) -> None:
    assert one(look(store, "workers")).level is Level.NOTE


def test_a_lapsed_lease_is_a_warning_when_nobody_is_left(
    store: SqliteStore, clock: ManualClock
) -> None:
    join(store)
    clock.move(timedelta(minutes=2))
    assert one(look(store, "workers")).level is Level.WARNING
    join(store)
    live, lapsed = look(store, "workers")
    assert (live.level, lapsed.level) == (Level.OK, Level.NOTE)


def test_a_queue_that_nobody_serves_is_a_warning(store: SqliteStore) -> None:
    join(store)
    for queue in ("default", "mail", "mail", "zeta"):
        accept_one(store, queue=queue)
    mail, zeta = look(store, "queues")
    assert mail.level is Level.WARNING
    assert (mail.next_step, zeta.next_step) == (
        "start one with --queues mail",
        "start one with --queues zeta",
    )


def test_a_task_that_nobody_knows_is_a_warning(store: SqliteStore) -> None:
    join(store)
    accept_one(store, "forgotten")
    store.write(lambda: stage.stage(["default"]))
    found = one(look(store, "tasks"))
    assert found.level is Level.WARNING
    assert "1 job of task 'forgotten'" in found.sentence


def test_a_due_job_that_nobody_makes_ready_is_a_warning(
    store: SqliteStore, clock: ManualClock
) -> None:
    accept_one(store, delay_us=1)
    assert look(store, "scheduled") == []
    clock.move(timedelta(minutes=10))
    assert "due for 10m" in one(look(store, "scheduled")).sentence


MIB = 1024**2


@pytest.mark.parametrize(
    ("file", "free", "shortens", "level", "part"),
    [
        (MIB, MIB // 2, True, Level.OK, "takes 1.0 MiB"),
        (1024 * MIB, 100 * MIB, False, Level.OK, "takes 1,024.0 MiB"),
        (200 * MIB, 150 * MIB, True, Level.NOTE, "of which 150.0 MiB are free"),
        (200 * MIB, 150 * MIB, False, Level.NOTE, "cannot shorten it"),
    ],
)
def test_room_within_the_file_is_judged(
    file: int, free: int, shortens: bool, level: Level, part: str
) -> None:
    found = judge.judge_size(file, free, shortens=shortens)
    assert found.level is level
    assert part in found.sentence
    assert ("VACUUM" in str(found.next_step)) is (level is Level.NOTE and not shortens)


def test_a_file_that_deleted_rows_have_left_is_told_with_the_way_to_shorten_it(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert one(look(store, "size")).level is Level.OK
    monkeypatch.setattr(judge, "FREE_LARGE", 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE much AS SELECT randomblob(4000000) AS bytes")
        connection.execute("DROP TABLE much")
        connection.commit()
    found = one(look(store, "size"))
    assert found.level is Level.NOTE
    assert "are free" in found.sentence
    assert "worker" in str(found.next_step), "the store has made it so that it can be shortened"


def test_an_older_library_is_told_what_it_lacks() -> None:
    assert judge.judge_version((3, 51, 3)).sentence == "SQLite 3.51.3"
    older = judge.judge_version((3, 40, 1))
    assert older.level is Level.OK
    assert older.sentence.startswith("SQLite 3.40.1; before 3.51.3 ")


# --- findings ----------------------------------------------------------------------------------


def test_the_worst_level_counts() -> None:
    all_of = [ok("a", "x"), problem("b", "x", "y"), note("c", "x"), warning("d", "x", "y")]
    assert worst(all_of) is Level.PROBLEM
    assert worst(all_of[2:]) is Level.WARNING
    assert worst([]) is Level.OK


def test_what_is_named_is_bounded() -> None:
    assert name_some(["a", "b"]) == "a, b"
    assert name_some([str(number) for number in range(1200)]).endswith("9 and 1,190 more")
    many = judge_waiting([f"q{number:02}" for number in range(50)], frozenset(), [])
    assert len(many) == 10
