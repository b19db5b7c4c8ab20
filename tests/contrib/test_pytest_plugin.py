"""The plugin for pytest, in runs of pytest of its own."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

APP = """
from jobhost import JobHost

host = JobHost("sqlite:////nowhere/real.db")
sent = []

@host.task
def send_mail(to: str) -> None:
    sent.append(to)
"""

TESTS = """
import asyncio
import pytest
import app

@pytest.mark.parametrize("to", ["ann", "bob", "eve"])
def test_mail(jobs, to):
    app.send_mail.enqueue(to)
    jobs.assert_enqueued(app.send_mail, to=to)
    assert jobs.drain().attempts == 1
    assert jobs.one().state == "succeeded"

def test_a_new_store_for_each_test(jobs):
    jobs.assert_not_enqueued()

def test_async(jobs):
    async def play():
        await app.send_mail.aenqueue("ann")
        assert (await jobs.adrain()).attempts == 1
    asyncio.run(play())
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs pytest in a folder with the program, and these files."""

    def run(*options: str, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in {"app": APP, **files}.items():
            (tmp_path / f"{name}.py").write_text(text, "utf-8")
        plugin = ["-p", "jobhost.contrib.pytest_plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "pytest", "-q", *plugin, *options],
            cwd=tmp_path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    return run


def test_the_entry_point_leads_to_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module = project["entry-points"]["pytest11"]["jobhost"]
    assert callable(import_module(module).jobs)


def test_a_setting_names_the_host(run: Run) -> None:
    done = run("-o", "jobhost=app:host", test_app=TESTS)
    assert "5 passed" in done.stdout, done.stdout


def test_a_conftest_of_three_lines_names_the_host(run: Run) -> None:
    conftest = "import app, pytest\n@pytest.fixture\ndef jobhost_host(): return app.host\n"
    done = run(conftest=conftest, test_app=TESTS)
    assert "5 passed" in done.stdout, done.stdout


def test_the_processes_of_xdist_do_not_meet(run: Run) -> None:
    done = run("-p", "xdist", "-n", "2", "-o", "jobhost=app:host", test_app=TESTS)
    assert "5 passed" in done.stdout, done.stdout


def test_the_address_of_the_store_can_be_given(run: Run) -> None:
    conftest = """
import pytest

@pytest.fixture
def jobhost_url(tmp_path):
    return f"sqlite:///{tmp_path}/app.db"
"""
    tests = """
import app

def test_address(jobs, tmp_path):
    assert app.host.store.url == f"sqlite:///{tmp_path}/app.db"
"""
    done = run("-o", "jobhost=app:host", conftest=conftest, test_app=tests)
    assert "1 passed" in done.stdout, done.stdout


def test_nothing_of_the_kit_is_loaded_for_tests_that_do_not_ask(run: Run) -> None:
    tests = """
import sys

def test_nothing():
    loaded = {"jobhost.testing", "jobhost.worker", "jobhost.store", "pydantic", "app"}
    assert not loaded & set(sys.modules)
"""
    done = run("-o", "jobhost=app:host", test_app=tests)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", "which host is under test"),
        ("app", "got 'app'"),
        ("app:sent", "app:sent is no JobHost"),
    ],
)
def test_a_host_that_is_not_named_well_is_told(run: Run, place: str, words: str) -> None:
    done = run("-o", f"jobhost={place}", test_app="def test_mail(jobs): ...")
    assert words in done.stdout
    assert "1 error" in done.stdout


def test_a_failure_shows_the_jobs_and_not_the_kit(run: Run) -> None:
    tests = """
import app

def test_mail(jobs):
    app.send_mail.enqueue("bob")
    jobs.assert_enqueued(app.send_mail, to="ann")
"""
    done = run("-o", "jobhost=app:host", test_app=tests)
    assert "<- to is 'bob'" in done.stdout
    assert "kit.py" not in done.stdout, done.stdout
