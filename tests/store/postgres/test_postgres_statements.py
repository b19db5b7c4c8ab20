"""Statements and plans belong together: each file is used, each name has a file."""

import pytest

from jobhost.store.postgres import catalogue
from jobhost.store.postgres.catalogue import statements
from jobhost.store.sqlite.catalogue import statements as statements_of_sqlite

from ..sqlite.test_statements import STORE, called, texts

SOURCES = [
    *sorted((STORE / "plans").glob("*.py")),
    *sorted((STORE / "postgres").glob("*.py")),
    *sorted((STORE / "move").glob("*.py")),
]
OF_SQLITE = set(statements_of_sqlite())
"""This dialect has others for some of them; see `hot.py`."""


def own() -> set[str]:
    return set(statements("jobhost", server_time=True))


def test_every_statement_that_a_plan_names_has_a_file() -> None:
    named = {name for file in SOURCES for name in called(file)}
    assert len(named) > 30
    assert named - own() <= OF_SQLITE


def test_every_file_is_used_by_a_plan() -> None:
    mentioned = {text for file in SOURCES for text in texts(file)}
    assert own() <= mentioned


@pytest.mark.parametrize("file", sorted(catalogue._FOLDER.iterdir()), ids=lambda file: file.name)
def test_a_statements_file_begins_with_a_comment_and_holds_one_statement(file) -> None:
    text = file.read_text(encoding="utf-8")
    assert file.suffix == ".sql"
    assert text.startswith("-- ")
    assert ";" not in "".join(line for line in text.splitlines() if not line.startswith("--"))


@pytest.mark.parametrize("file", sorted(catalogue._FOLDER.iterdir()), ids=lambda file: file.name)
def test_a_statement_names_the_schema_of_each_table(file) -> None:
    """Nothing depends on the search path, which a pooler hands from one client to the next."""
    text = statements("elsewhere", server_time=True)[file.stem].text.decode()
    assert "jobhost." not in text
