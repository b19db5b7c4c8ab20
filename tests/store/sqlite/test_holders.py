"""Who is in the turnstile is seen from another process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobhost.clock import SystemClock
from jobhost.store.sqlite.holders import is_in_turnstile
from jobhost.store.sqlite.patience import Wait
from jobhost.store.sqlite.store import SqliteStore
from jobhost.store.sqlite.turnstile import Turnstile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "jobs.db-run"
    made.mkdir()
    return made


def test_only_who_is_in_it_holds_up_others(folder: Path, tmp_path: Path):
    store = SqliteStore(tmp_path / "jobs.db", SystemClock())
    turnstile = Turnstile(folder)
    assert not store.is_held_up_by(os.getpid())

    turnstile.enter(Wait(60.0))
    assert store.is_held_up_by(os.getpid())
    assert not store.is_held_up_by(os.getppid())

    turnstile.leave()
    assert not store.is_held_up_by(os.getpid()), "the files stay open"
    turnstile.close()


def test_the_turnstile_of_another_store_is_none_of_ours(folder: Path, tmp_path: Path):
    other = tmp_path / "other.db-run"
    other.mkdir()
    turnstile = Turnstile(other)
    turnstile.enter(Wait(60.0))

    assert not is_in_turnstile(os.getpid(), folder)
    Turnstile(folder)
    assert not is_in_turnstile(os.getpid(), folder)
    turnstile.close()


def test_a_process_that_is_gone_holds_nothing(folder: Path):
    gone = subprocess.Popen([sys.executable, "-ISc", ""])
    gone.wait()

    assert not is_in_turnstile(gone.pid, folder)
