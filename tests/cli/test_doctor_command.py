"""`jobhost doctor`: what it prints, what it exits with, and what it never shows."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from commands import Call, Shop, environment
from postgres_server import drop_schema, new_schema, store_url

from jobhost import JobHost
from jobhost.store.sqlite import checkup

LEVELS = ["ok", "note", "warning", "problem"]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests run: the file lies on a disk."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\n")
    monkeypatch.setattr(checkup, "MOUNTS", mounts)


@pytest.mark.usefixtures("disk")
def test_a_healthy_store_ends_with_0(call: Call) -> None:
    call("migrate")
    done = call("doctor")
    assert (done.code, done.err) == (0, "")
    head, first, *rest = done.out.splitlines()
    assert head.split() == ["check", "found", "next", "step"]
    assert first.split()[:2] == ["note", "workers"], "the worst comes first"
    assert all(line.startswith("ok ") for line in rest)


@pytest.mark.usefixtures("disk")
def test_a_problem_ends_with_7_and_its_next_step(call: Call, shop: Shop) -> None:
    call("migrate")
    with closing(sqlite3.connect(shop.folder / "shop.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    done = call("doctor")
    assert done.code == 7
    assert done.out.splitlines()[1].startswith("problem")
    assert "PRAGMA journal_mode = WAL" in done.out


@pytest.mark.usefixtures("disk")
def test_a_warning_ends_with_7(call: Call) -> None:
    call("enqueue", "shop:host", "add", "--args", "[1]")
    done = call("doctor")
    assert done.code == 7
    assert "start one with --queues default" in done.out


@pytest.mark.usefixtures("disk")
def test_json_has_stable_keys(call: Call, shop: Shop) -> None:
    call("migrate")
    told = json.loads(call("doctor", "--json").out)
    assert told.keys() == {"store", "level", "findings"}
    assert told["store"] == shop.url
    assert told["level"] == "note"
    for finding in told["findings"]:
        assert finding.keys() == {"check", "level", "sentence", "next_step"}
        assert finding["level"] in LEVELS
        assert (finding["next_step"] is None) is (finding["level"] == "ok")


def test_a_store_that_is_not_there_ends_with_3(call: Call, shop: Shop) -> None:
    done = call("doctor")
    assert (done.code, done.out) == (3, "")
    assert "there is no store" in done.err
    assert not (shop.folder / "shop.db").exists()


@pytest.mark.usefixtures("disk")
def test_a_store_that_cannot_be_used_is_diagnosed_all_the_same(call: Call, shop: Shop) -> None:
    call("migrate")
    (shop.folder / "shop.db-wal").mkdir()
    assert call("jobs", "list").code == 3
    done = call("doctor", "--json")
    assert (done.code, done.err) == (7, "")
    worst = json.loads(done.out)["findings"][-1]
    assert (worst["check"], worst["level"]) == ("file", "problem")
    assert "cannot be opened" in worst["sentence"]


@pytest.fixture
def schema() -> str:
    return new_schema()


def test_a_password_is_never_printed(call: Call, schema: str) -> None:
    address = f"{store_url(schema)}&password=hunter2"
    with JobHost(address) as host:
        host.migrate()
    try:
        for options in ([], ["--json"]):
            done = call("doctor", "--url", address, *options)
            assert done.code in (0, 7)
            assert "hunter2" not in done.out + done.err
            assert "autovacuum" in done.out
        unreachable = "postgresql://shop:hunter2@127.0.0.1:1/shop?connect_timeout=2"
        done = call("doctor", "--url", unreachable)
        assert done.code == 3
        assert "hunter2" not in done.out + done.err
    finally:
        drop_schema(schema)


def test_a_checkup_of_sqlite_does_not_load_the_driver_of_postgresql(shop: Shop) -> None:
    shop.host.migrate()
    code = (
        "import sys; from jobhost.cli.main import execute; "
        f"execute(['doctor', '--url', {shop.url!r}]); print('psycopg' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.splitlines()[-1] == "False"
