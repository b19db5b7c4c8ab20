"""Provisioning of a tenant: all of it or nothing, also when a worker is killed on the way."""

import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobhost import State
from jobhost.clock import ManualClock

STEPS = ["make_folder", "make_database", "enter_address"]


@pytest.fixture
def example(load):
    return load("tenants")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tenants"
    folder.mkdir()
    return folder


def addresses(example) -> list[tuple[str, str]]:
    with closing(example.module.open_addresses()) as db:
        return db.execute("SELECT * FROM address ORDER BY name").fetchall()


def take_address(example, name: str, owner: str) -> None:
    with closing(example.module.open_addresses()) as db, db:
        db.execute("INSERT INTO address VALUES (?, ?)", (name, owner))


@pytest.mark.requirement("R-EVT-11")
def test_a_tenant_gets_all_that_it_needs(example, folder):
    job = example.module.provision.enqueue("acme")
    assert example.module.provision.enqueue("acme") == job
    example.work()
    assert job.result() == STEPS
    assert (folder / "acme" / "data.db").exists()
    assert addresses(example) == [("acme.example.org", "acme")]


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.parametrize("step", ["make_database", "enter_address"])
def test_a_worker_killed_between_two_steps_leaves_the_next_one_to_another(
    example, folder, until, step
):
    (folder / "acme").mkdir()
    database = folder / ("acme/data.db" if step == "make_database" else "addresses.db")
    job = example.module.provision.enqueue("acme")
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")  # the step waits here
        worker = example.start()
        until(worker, lambda: (told := job.status().progress) and told.message == step)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    example.work()
    assert job.result() == STEPS[STEPS.index(step) :]
    assert (folder / "acme" / "data.db").exists()
    assert addresses(example) == [("acme.example.org", "acme")]


def test_what_cannot_be_done_is_undone_and_the_dead_letter_says_why(example, folder):
    take_address(example, "acme.example.org", "Acme")
    job = example.module.provision.enqueue("acme")
    example.work()
    record = job.status()
    assert (record.state, record.deliveries) == (State.DEAD, 1)
    assert record.reason == (
        "acme was not provisioned, and nothing is left: acme.example.org belongs to Acme"
    )
    assert not (folder / "acme").exists()
    assert addresses(example) == [("acme.example.org", "Acme")]


def test_once_it_goes_back_it_goes_all_the_way_back(example, folder):
    clock = ManualClock(datetime.now(UTC))
    take_address(example, "acme.example.org", "Acme")
    (folder / "acme").mkdir()
    (folder / "acme" / "in the way").touch()
    with example.on_clock(clock) as host:
        job = host.tasks.get("provision").enqueue("acme")
        host.worker(burst=True).run()
        assert job.status().state is State.SCHEDULED  # the folder is not empty
        (folder / "acme" / "in the way").unlink()
        example.module.remove_address("Acme")  # too late
        clock.move(timedelta(hours=1))
        host.worker(burst=True).run()
        assert job.status().state is State.DEAD
    assert not (folder / "acme").exists()
    assert addresses(example) == []


def test_trouble_that_stays_is_waited_for_some_time_and_then_all_is_undone(example, folder):
    clock = ManualClock(datetime.now(UTC))
    (folder / "addresses.db").mkdir()  # no database can be there
    with example.on_clock(clock) as host:
        job = host.tasks.get("provision").enqueue("acme")
        for failures in range(1, example.module.ATTEMPTS + 1):
            host.worker(burst=True).run()
            assert (job.status().state, job.status().failures) == (State.SCHEDULED, failures)
            assert (folder / "acme" / "data.db").exists()
            clock.move(timedelta(hours=1))
        (folder / "addresses.db").rmdir()  # too late
        host.worker(burst=True).run()
        record = job.status()
    assert record.state is State.DEAD
    assert record.reason.endswith("nothing is left: unable to open database file")
    assert not (folder / "acme").exists()
    assert addresses(example) == []


@pytest.mark.parametrize("name", ["../acme", "a b"])
def test_a_name_that_leads_elsewhere_is_refused(example, name):
    job = example.module.provision.enqueue(name)
    example.host.worker(burst=True).run()
    assert job.status().reason == f"{name!r} is no name for a tenant"
