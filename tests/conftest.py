"""Fixtures of all tests, and two checks of the suite itself: that the requirements which tests
name exist, and that no process outlives the tests that started it."""

import os
import signal
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import postgres_server
import psutil
import pytest
from hypothesis import settings

from jobhost import JobHost
from jobhost.clock import ManualClock

REQUIREMENTS = Path(__file__).parent.parent / "docs" / "requirements.toml"
LAST_BREATH_SECONDS = 60.0
"""Processes that are just ending are given this long; reached only when one does not end."""

# Whoever runs the tests may have asked for colours, here or in continuous integration; the
# tests read plain text.
for _name in ("CLICOLOR_FORCE", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
    os.environ.pop(_name, None)

# A shell starts what it runs in the background without Ctrl-C, and programs pass that on to those
# that they start; the tests interrupt programs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a slow machine is not a wrong answer.
settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


CHAOS = (
    "bench/test_*.py",
    "examples/recipes/test_*.py",
    "examples/test_demo_on_a_folder.py",
    "docs/test_*.py",
    "cli/test_init_command.py",
    "cli/test_log_stream.py",
    "cli/test_move_command.py",
    "cli/test_nodes_command.py",
    "cli/test_run_command.py",
    "cli/test_worker_command.py",
    "host/test_host_processes.py",
    "host/test_pickling.py",
    "hosting/test_node_*.py",
    "hosting/test_process_*.py",
    "hosting/test_descendants.py",
    "worker/test_embedded_processes.py",
    "worker/test_kills_of_a_mixed_load.py",
    "worker/test_ledger.py",
    "worker/test_other_runtimes.py",
    "worker/test_process_jobs.py",
    "worker/test_releases_side_by_side.py",
    "worker/test_stopping.py",
    "worker/test_upkeep_of_processes.py",
    "worker/test_web_and_workers.py",
)
"""Tests that start, kill and freeze whole programs, those of the pages included: `make check` runs
them, so that `make test` is done within minutes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of `CHAOS` their mark."""
    folder = Path(__file__).parent
    for item in items:
        if any(item.path.relative_to(folder).match(pattern) for pattern in CHAOS):
            item.add_marker("chaos")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse, while tests are collected, a requirement that docs/requirements.toml has not."""
    for mark in metafunc.definition.iter_markers("requirement"):
        if len(mark.args) != 1 or mark.args[0] not in _requirements():
            pytest.fail(
                f"{metafunc.definition.nodeid} is marked requirement{mark.args!r}: expected the "
                f"number of one entry in {REQUIREMENTS.name}",
                pytrace=False,
            )


@cache
def _requirements() -> frozenset[str]:
    return frozenset(tomllib.loads(REQUIREMENTS.read_text("utf-8")))


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left_behind() -> Iterator[None]:
    """Under xdist each worker looks after its own children; the controller has no tests."""
    yield
    postgres_server.stop()
    children = [
        child
        for child in psutil.Process().children(recursive=True)
        if not any("resource_tracker" in word for word in _command(child))
    ]
    _, left = psutil.wait_procs(children, timeout=LAST_BREATH_SECONDS)
    assert not left, f"tests left processes behind: {[_command(child) for child in left]}"


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a store of the test's own, not yet made."""
    return f"sqlite:///{tmp_path / 'jobhost.db'}"


@pytest.fixture
def host(url: str) -> Iterator[JobHost]:
    """A host without tasks on that store."""
    with JobHost(url) as host:
        yield host


@pytest.fixture
def postgres_url() -> str:
    """The address of a PostgreSQL store with a schema and nothing in it."""
    return postgres_server.store_url(postgres_server.empty_schema())


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until it is moved; for `JobHost(url, clock=clock)`."""
    return ManualClock()
