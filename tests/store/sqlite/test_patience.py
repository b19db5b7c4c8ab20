"""Waits for others end when the patience is over, and can be cut short from another thread."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from jobhost.clock import ManualClock
from jobhost.errors import StoreBusy
from jobhost.store.plans import look
from jobhost.store.sqlite import store as store_module
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.store import SqliteStore

from .locks import wait_for_abandoned_queues, wait_until_held

HOURS = 3600.0 * 5


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    handle = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield
    os.close(handle)


@contextmanager
def _stranger(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield


BLOCKS: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "the gate": lambda path: _lock(path.with_name("jobs.db-run") / "gate"),
    "the floor": lambda path: _lock(path.with_name("jobs.db-run") / "floor"),
    "the file": _stranger,
}
"""What another process may hold, in the order in which a writer comes by."""


@pytest.mark.parametrize("block", BLOCKS)
def test_a_wait_that_is_going_on_is_cut_short_from_another_thread(
    path: Path, monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    monkeypatch.setattr(store_module, "BUSY_SECONDS", HOURS)
    store = SqliteStore(path, ManualClock())
    store.migrate()
    session = store.session()
    found: list[StoreBusy] = []

    def write() -> None:
        try:
            session.write(look.tally)
        except StoreBusy as error:
            found.append(error)

    run = path.with_name("jobs.db-run")
    with BLOCKS[block](path):
        writer = threading.Thread(target=write)
        writer.start()
        # The writer holds what comes before; in front of the gate there is nothing.
        wait_until_held(run / ("gate" if block != "the file" else "floor"))
        session.hurry(0.0)
        writer.join()
        assert len(found) == 1
        with pytest.raises(StoreBusy):
            session.write(look.tally)
    wait_for_abandoned_queues()
    session.write(look.tally)
    session.close()
    store.close()


def test_patience_only_becomes_shorter() -> None:
    patience = Patience(HOURS)
    wait = patience.wait()
    assert 0 < wait.left <= HOURS
    patience.shorten(0.0)
    patience.shorten(HOURS)
    assert wait.left == patience.wait().left == 0
