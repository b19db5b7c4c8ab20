"""What the README of the examples shows at a shell works as it stands, and all files are named."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[3] / "examples" / "recipes"
PAGES = [RECIPES / "README.md", RECIPES.parents[1] / "docs" / "examples.md"]


def test_its_lines_import_a_file(load, tmp_path):
    text = PAGES[0].read_text(encoding="utf-8")
    [lines] = re.findall(r"```sh\ncd examples/recipes\n(.*?)```", text, re.DOTALL)
    ran = load("csv_import").type(lines.replace("/tmp/", f"{tmp_path}/"))
    assert ran.returncode == 0, ran.stderr
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        prices = db.execute("SELECT article, cents FROM price").fetchall()
    assert prices == [("tea", 350), ("cup", 900)]


def test_the_examples_that_share_a_shop_have_different_tables():
    sources = [PAGES[0], RECIPES / "orders.py", RECIPES / "csv_import.py"]
    made = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")
    names = [name for file in sources for name in made.findall(file.read_text(encoding="utf-8"))]
    assert len(names) == len(set(names)) == 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_example_is_named(page):
    text = page.read_text(encoding="utf-8")
    for file in RECIPES.glob("*.py"):
        assert file.name in text


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.py")), ids=lambda file: file.name)
def test_an_example_is_short_enough_to_copy(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 120
