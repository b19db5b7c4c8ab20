"""An example with a store and a folder of its own, and workers of it as a user starts them."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobhost import JobHost, Options
from jobhost.clock import ManualClock
from jobhost.host.command import CommandTask
from jobhost.jobs.options import UNSET

RECIPES = Path(__file__).resolve().parents[3] / "examples" / "recipes"
GUARD_SECONDS = 120.0
"""Longer than anything here takes on a busy machine; reached only when something hangs."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each of the stores of its mark; without one on SQLite."""
    marked = metafunc.definition.get_closest_marker("stores")
    if marked and "store_kind" in metafunc.fixturenames:
        metafunc.parametrize("store_kind", marked.args)


@pytest.fixture
def store_kind() -> str:
    """The store of a test that is not marked."""
    return "sqlite"


@pytest.fixture
def url(request: pytest.FixtureRequest, store_kind: str, tmp_path: Path) -> str:
    """The address of an empty store."""
    if store_kind == "postgres":
        address: str = request.getfixturevalue("postgres_url")
        return address
    return f"sqlite:///{tmp_path}/jobhost.db"


Until = Callable[["subprocess.Popen[str]", Callable[[], Any]], None]


@pytest.fixture
def until() -> Until:
    """Waits until a condition holds, as long as this worker lives."""

    def wait(worker: "subprocess.Popen[str]", condition: Callable[[], Any]) -> None:
        end = time.monotonic() + GUARD_SECONDS
        while not condition():
            assert worker.poll() is None, "the worker has ended before that"
            assert time.monotonic() < end, "still not so"
            time.sleep(0.01)

    return wait


class Example:
    """One of the modules, imported here, and its processes."""

    def __init__(self, name: str) -> None:
        self.module: ModuleType = importlib.import_module(name)
        self.host: JobHost = self.module.host
        self.host.migrate()
        self._place = f"{name}:host"
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """A worker in a process and a session of its own, which ends when nothing is left."""
        worker = ["worker", self._place, "--burst", "--log-level", "error", *options]
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "jobhost", *worker],
            cwd=RECIPES,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self._started.append(process)
        return process

    def work(self) -> None:
        """Start a worker and wait for its end."""
        assert self.start().wait(GUARD_SECONDS) == 0

    def type(self, line: str, programs: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Type a line at a shell, in the folder of the examples; these programs come first."""
        folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
        path = os.pathsep.join([*([] if programs is None else [str(programs)]), *folders])
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=RECIPES,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
        )

    def on_clock(self, clock: ManualClock) -> JobHost:
        """The same tasks on the same store, by another clock."""
        other = JobHost(self.host.address, clock=clock)
        for task in self.host.tasks:
            if isinstance(task, CommandTask):
                other.tasks.add(task)
            else:
                other.task(name=task.name, **_given(task.options))(task.function)
        return other

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.host.close()


def _given(options: Options) -> dict[str, Any]:
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    return {name: value for name, value in values.items() if value is not UNSET}


@pytest.fixture
def load(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Example]]:
    """Imports an example, fresh, with a store and a folder of its own."""
    monkeypatch.setenv("JOBHOST_URL", url)
    for variable, name in (
        ("UPLOADS", "uploads"),
        ("SHOP_DB", "shop.db"),
        ("REPORTS", "reports"),
        ("TENANTS", "tenants"),
    ):
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.syspath_prepend(str(RECIPES))
    loaded: list[Example] = []

    def make(name: str) -> Example:
        loaded.append(Example(name))
        return loaded[-1]

    yield make
    for example in loaded:
        example.close()
        del sys.modules[example.module.__name__]
