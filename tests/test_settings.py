"""Where the address of the store comes from."""

from pathlib import Path

import pytest

from jobhost import InvalidOption, JobHost
from jobhost.settings import Settings


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOBHOST_URL", raising=False)


def test_without_any_word_the_store_is_a_file_in_the_working_directory(tmp_path: Path) -> None:
    assert Settings().url == "sqlite:///jobhost.db"
    with JobHost() as host:
        assert host.store.url == f"sqlite:///{tmp_path / 'jobhost.db'}"


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBHOST_URL", "sqlite:///from-outside.db")
    with JobHost() as host:
        assert host.store.url == f"sqlite:///{tmp_path / 'from-outside.db'}"


def test_an_address_in_the_code_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBHOST_URL", "sqlite:///from-outside.db")
    with JobHost("sqlite:///from-code.db") as host:
        assert host.store.url == f"sqlite:///{tmp_path / 'from-code.db'}"


def test_the_environment_is_read_at_the_first_use_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JobHost() as host:
        monkeypatch.setenv("JOBHOST_URL", "sqlite:///first.db")
        first = host.store.url
        monkeypatch.setenv("JOBHOST_URL", "sqlite:///second.db")
        host.close()
        assert host.store.url == first == f"sqlite:///{tmp_path / 'first.db'}"


def test_a_wrong_address_in_the_environment_is_shown_in_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOBHOST_URL", "jobs.db")
    with pytest.raises(InvalidOption, match=r"got 'jobs\.db'"):
        _ = JobHost().store


def test_other_variables_of_that_prefix_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBHOST_COLOUR", "red")
    assert Settings().url == "sqlite:///jobhost.db"
