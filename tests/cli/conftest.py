"""The shop whose jobs the commands are tried on, and commands called in this process."""

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import PROJECT, Call, Finished, Shop

from jobhost.cli.main import execute


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shutil.copy(PROJECT / "shop.py", tmp_path)
    shop = Shop(tmp_path)
    yield shop
    shop.host.close()
    for running in shop.started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


@pytest.fixture
def call(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    monkeypatch.chdir(shop.folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("JOBHOST_URL", shop.url)
    before = set(sys.modules)

    def call(*arguments: str) -> Finished:
        code = execute(arguments)
        said = capsys.readouterr()
        return Finished(code=code, out=said.out, err=said.err)

    yield call
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(shop.folder) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


@pytest.fixture
def _quiet_logs() -> Iterator[None]:
    """Takes back what a command does to the log of this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    own = logging.getLogger("jobhost.worker")
    filters = list(own.filters)
    yield
    root.handlers[:], own.filters[:] = handlers, filters
    root.setLevel(level)
