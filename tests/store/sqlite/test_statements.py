"""Statements and plans belong together: each file is used, each name has a file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobhost.store import plans
from jobhost.store.sqlite import catalogue
from jobhost.store.sqlite.catalogue import statements

STORE = Path(next(iter(plans.__path__))).parent
SOURCES = [
    *sorted((STORE / "plans").glob("*.py")),
    *sorted((STORE / "sqlite").glob("*.py")),
    STORE / "move" / "source.py",
]


def texts(file: Path) -> Iterator[str]:
    """All string constants of a module."""
    for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            yield found.value


def called(file: Path) -> Iterator[str]:
    """First arguments of the `Statement("…")` calls of a module."""
    for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if (
            isinstance(found, ast.Call)
            and isinstance(found.func, ast.Name)
            and found.func.id == "Statement"
            and isinstance(found.args[0], ast.Constant)
        ):
            yield found.args[0].value


def test_every_statement_that_a_plan_names_has_a_file() -> None:
    named = {name for file in SOURCES for name in called(file)}
    assert len(named) > 30
    assert named <= statements().keys()


def test_every_file_is_used_by_a_plan() -> None:
    mentioned = {text for file in SOURCES for text in texts(file)}
    assert statements().keys() <= mentioned


@pytest.mark.parametrize("file", sorted(catalogue._FOLDER.iterdir()), ids=lambda file: file.name)
def test_a_statements_file_begins_with_a_comment_and_holds_one_statement(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert file.suffix == ".sql"
    assert text.startswith("-- ")
    assert ";" not in "".join(line for line in text.splitlines() if not line.startswith("--"))
