"""An address for a process that works in another folder."""

from pathlib import Path

import pytest

from jobhost.clock import SystemClock
from jobhost.store.address import from_anywhere, open_store


@pytest.mark.parametrize("options", ["", "?synchronous=normal"])
@pytest.mark.parametrize("name", ["jobs.db", "a %3F b%23%25.db"])
def test_a_relative_file_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: str
):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    url = f"sqlite:///{name}{options}"
    store = open_store(url, SystemClock())

    monkeypatch.chdir(there)
    found = open_store(from_anywhere(url, store), SystemClock())
    assert found.url == store.url
    assert from_anywhere(url, store).endswith(options)


def test_the_address_of_a_server_keeps_its_secrets():
    url = "postgresql://me:secret@db.example/shop"
    assert from_anywhere(url, open_store(url, SystemClock())) == url
