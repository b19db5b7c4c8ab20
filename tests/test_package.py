"""What `import jobhost` gives, and what it does not load."""

import os
import subprocess
import sys

import pytest

import jobhost


def test_the_list_of_names_is_sorted_and_complete() -> None:
    assert jobhost.__all__ == sorted(jobhost.__all__)
    assert len(set(jobhost.__all__)) == len(jobhost.__all__)
    for name in jobhost.__all__:
        assert getattr(jobhost, name).__name__ == name


def test_a_star_import_gives_every_name() -> None:
    names: dict[str, object] = {}
    exec("from jobhost import *", names)
    assert set(jobhost.__all__) <= names.keys()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'jobhost' has no attribute 'Jobb'"):
        _ = jobhost.Jobb  # type: ignore[attr-defined]


def test_importing_jobhost_loads_nothing_heavy() -> None:
    heavy = ["asyncio", "click", "psycopg", "pydantic", "pydantic_core", "rich", "sqlite3", "typer"]
    code = f"import sys, jobhost; print(*sorted(sys.modules.keys() & set({heavy!r})))"
    # Measuring coverage loads some of them itself.
    environment = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert (loaded.stdout.strip(), loaded.stderr) == ("", "")


def test_windows_is_refused_in_one_sentence() -> None:
    from jobhost.app import _refuse_windows

    _refuse_windows("posix")
    with pytest.raises(jobhost.UsageError, match=r"runs on Linux.*use WSL on Windows"):
        _refuse_windows("nt")
