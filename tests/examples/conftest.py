"""The example's module with a store and an index of its own."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "index_files"


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example's module, fresh, with a store and an index of its own."""
    monkeypatch.setenv("JOBHOST_URL", f"sqlite:///{tmp_path}/jobhost.db")
    monkeypatch.setenv("INDEX_PATH", str(tmp_path / "index.db"))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    module = importlib.import_module("tasks")
    yield module
    module.host.close()
    module.index.close()
    for name in ("tasks", "index"):
        del sys.modules[name]


@pytest.fixture
def run(tasks: ModuleType) -> Callable[..., Any]:
    """Run a job for each file and give the results."""

    def run_jobs(*files: Path) -> list[Any]:
        jobs = tasks.index_file.enqueue_many([(file,) for file in files])
        tasks.host.worker(burst=True, concurrency=2).run()
        return [job.result("10s") for job in jobs]

    return run_jobs
