"""`jobhost move`: what it says, what it exits with, and workers on both sides of it."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext

import pytest
from commands import GUARD_SECONDS, Call, Finished, Shop, environment, shown_on, until
from postgres_server import ask, drop_schema, new_schema, store_url
from sqlite_locks import stop_outside_the_store

from jobhost import JobHost


@pytest.fixture
def schema() -> Iterator[str]:
    name = new_schema()
    yield name
    drop_schema(name)


@pytest.fixture
def target(schema: str) -> str:
    return store_url(schema)


def assert_refused(done: Finished, code: int, sentence: str) -> None:
    assert done.code == code, done
    assert done.out.replace("shop was imported\n", "") == ""
    assert done.err.startswith("jobhost: ")
    assert done.err.count("\n") == 1
    assert sentence in done.err


def test_a_move_tells_what_it_moved_and_the_next_step(shop: Shop, call: Call, target: str) -> None:
    shop.dead("gone")
    waiting = shop.enqueue("add", "[1]")
    done = call("move", "--to", target)
    assert done.code == 0, done.err
    assert "job              2" in done.out
    assert f"Moved 2 jobs from {shop.url} to postgresql://" in done.out
    assert "Next: set JOBHOST_URL" in done.out
    again = call("move", "--to", target)
    assert again.code == 0
    assert again.out.startswith("All was moved before")
    late = call("enqueue", "shop:host", "add", "--args", "[1]")
    assert_refused(late, 3, "its jobs were moved to postgresql://")
    assert call("jobs", "show", waiting).code == 0, "the old store can be read"
    assert call("jobs", "show", waiting, "--url", target).code == 0


def test_a_worker_on_the_target_finishes_what_was_waiting(
    shop: Shop, call: Call, target: str
) -> None:
    jobs = {shop.enqueue("echo", json.dumps([text])): text for text in ("a", "b\\t\t", "ü")}
    assert call("move", "--to", target).code == 0
    done = shop.call("worker", "shop:host", "--burst", "--url", target)
    assert done.code == 0, done.err
    with JobHost(target) as host:
        assert {job_id: host.job(job_id).result() for job_id in jobs} == jobs


def test_a_worker_that_still_uses_the_old_address_ends_with_the_new_one(
    shop: Shop, call: Call, target: str
) -> None:
    shop.enqueue("add", "[1]")
    assert call("move", "--to", target).code == 0
    done = shop.call("worker", "shop:host", "--url", shop.url)
    assert done.code == 3
    assert "its jobs were moved to postgresql://" in done.err.splitlines()[-1]


def test_a_worker_that_sleeps_through_the_move_ends_when_it_wakes(
    shop: Shop, call: Call, target: str
) -> None:
    worker = shop.start("worker", "shop:host", "--url", shop.url, "--lease", "2s")
    until(lambda: "serves" in worker.err)
    stop_outside_the_store(worker.process.pid, shop.folder / "shop.db-run")
    try:
        until(lambda: call("move", "--to", target).code == 0)
    finally:
        worker.signal(signal.SIGCONT)
    done = worker.wait()
    assert done.code == 3
    assert "its jobs were moved to postgresql://" in done.err


def test_a_living_worker_is_named_and_nothing_is_changed(
    shop: Shop, call: Call, target: str
) -> None:
    worker = shop.start("worker", "shop:host", "--url", shop.url)
    until(lambda: "serves" in worker.err)
    assert_refused(call("move", "--to", target), 2, f":{worker.process.pid}): stop them with")
    survey = call("move", "--to", target, "--dry-run")
    assert survey.code == 0
    assert f":{worker.process.pid}." in survey.out.splitlines()[-1]
    shop.enqueue("add", "[1]")
    worker.signal(signal.SIGTERM)
    assert worker.wait().code == 0


def test_a_dry_run_counts_and_changes_nothing(
    shop: Shop, call: Call, target: str, schema: str
) -> None:
    shop.enqueue("add", "[1]")
    done = call("move", "--to", target, "--dry-run")
    assert done.code == 0
    assert f"1 job would be moved from {shop.url}" in done.out
    assert "schema would be made. Nothing was changed." in done.out
    assert ask(f"SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'") == []
    shop.enqueue("add", "[1]")


def test_json_has_stable_keys(shop: Shop, call: Call, target: str) -> None:
    shop.enqueue("add", "[1]")
    told = [
        json.loads(call("move", "--to", target, "--json", *option).out)
        for option in (["--dry-run"], [], [], ["--dry-run"])
    ]
    assert [one["state"] for one in told] == [
        "would be moved", "moved", "was moved", "was moved",
    ]  # fmt: skip
    assert set(told[0]) == {"state", "from", "to", "rows", "workers", "makes_schema"}
    assert set(told[1]) == {"state", "from", "to", "rows", "seconds"}
    assert set(told[2]) == {"state", "from", "to"}
    assert told[1]["rows"]["job"] == told[1]["rows"]["ready"] == 1


def test_a_freeze_is_taken_back(shop: Shop, call: Call, target: str) -> None:
    from jobhost.clock import SystemClock
    from jobhost.store.move import mover

    shop.enqueue("add", "[1]")
    with closing(mover.open_source(shop.url, SystemClock())) as source:
        source.freeze(mover.open_target(target, SystemClock()).url)
    assert_refused(call("enqueue", "shop:host", "add", "--args", "[1]"), 3, "were moved to")
    done = call("move", "--to", target, "--undo")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{shop.url} is in use again")
    shop.enqueue("add", "[1]")
    assert_refused(call("move", "--to", target, "--undo"), 2, "is not frozen")


def test_an_interrupted_move_says_how_to_go_on(
    shop: Shop, call: Call, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.enqueue("add", "[1]")

    def interrupt(phase: str, rows: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("jobhost.cli.move._progress", lambda source: nullcontext(interrupt))
        done = call("move", "--to", target)
    assert_refused(done, 130, "interrupted; sqlite:///")
    assert "stays frozen: run the same command again, or take it back with" in done.err
    assert "Moved 1 job " in call("move", "--to", target).out


def test_a_terminal_sees_how_far_it_is(shop: Shop, target: str) -> None:
    shop.enqueue("add", "[1]")
    here, there = pty.openpty()
    command = [sys.executable, "-m", "jobhost", "move", "--from", shop.url, "--to", target]
    environ = {**environment(), "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=there, env=environ)
    os.close(there)
    seen = shown_on(here)
    os.close(here)
    assert process.wait(GUARD_SECONDS) == 0
    for part in ("Copying", "Comparing", "2/2", "rows/s"):
        assert part in seen


WRONG = [
    ("", 2, "--to"),
    ("--to sqlite:///other.db", 2, "a store is moved to PostgreSQL only"),
    ("--from postgresql:///a --to postgresql:///b", 2, "a store is moved away from SQLite only"),
    ("--from sqlite:///none.db --to postgresql:///b", 3, "there is no store at"),
    ("--from bogus --to postgresql:///b", 2, "a store's address looks like"),
    ("--to bogus", 2, "a store's address looks like"),
    ("--to postgresql:///b?host=/nowhere", 3, "cannot be reached"),
    ("--to postgresql:///b?host=/nowhere --dry-run", 3, "cannot be reached"),
    ("--to postgresql:///b --dry-run --undo", 2, "exclude each other"),
    ("--to postgresql:///b --undo", 2, "there is nothing to take back"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), WRONG)
def test_what_is_wrong_is_told_in_one_sentence(
    shop: Shop, call: Call, line: str, code: int, sentence: str
) -> None:
    shop.host.migrate()
    assert_refused(call("move", *line.split()), code, sentence)


def test_a_target_with_jobs_is_refused(shop: Shop, call: Call, target: str) -> None:
    with JobHost(target) as other:
        other.migrate()
        assert call("enqueue", "shop:host", "add", "--args", "[1]", "--url", target).code == 0
    shop.host.migrate()
    for option in ([], ["--dry-run"]):
        assert_refused(call("move", "--to", target, *option), 2, "is not empty (job, ready)")


def test_a_target_of_a_newer_release_is_refused(
    shop: Shop, call: Call, target: str, schema: str
) -> None:
    with JobHost(target) as other:
        other.migrate()
    ask(f"INSERT INTO {schema}.migration VALUES (9999, '9999_future')")
    shop.host.migrate()
    for option in ([], ["--dry-run"]):
        assert_refused(call("move", "--to", target, *option), 3, "upgrade jobhost")


def test_a_file_of_another_program_is_refused(shop: Shop, call: Call, target: str) -> None:
    with closing(sqlite3.connect(shop.folder / "mine.db")) as raw:
        raw.execute("CREATE TABLE jobhost_job (x)")
    done = call("move", "--from", f"sqlite:///{shop.folder}/mine.db", "--to", target)
    assert_refused(done, 3, "does not belong to jobhost")


def test_the_help_shows_examples(call: Call) -> None:
    done = call("move", "--help")
    assert done.code == 0
    assert "jobhost move --from" in done.out.split("Examples:")[1]


def test_the_doctor_of_a_store_that_was_moved_sends_nobody_to_work_there(
    shop: Shop, call: Call, target: str
) -> None:
    shop.enqueue("add", "[1]")
    assert call("move", "--to", target).code == 0
    told = call("doctor")
    assert told.code == 7
    assert "the jobs of this store were moved to postgresql://" in told.out
    assert "start" not in told.out
