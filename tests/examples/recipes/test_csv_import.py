"""The import of a large CSV file: each row once, whatever happens in between."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

ROWS = 20_000
HELD_AT = 11_000

ENDLESS = f"""
    CREATE TRIGGER endless BEFORE INSERT ON place WHEN NEW.row = {HELD_AT} BEGIN
        SELECT count(*) FROM (
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n
        );
    END
"""
"""Holds an import in the middle of a transaction: it never comes to this place."""


@pytest.fixture
def example(load):
    return load("csv_import")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


def ask(shop: Path, sql: str) -> list:
    with closing(sqlite3.connect(shop, timeout=60)) as db, db:
        return db.execute(sql).fetchall()


def place(shop: Path) -> int:
    """How many rows are in for good."""
    [(row,)] = ask(shop, "SELECT coalesce(max(row), 0) FROM place")
    return row


def large_file(folder: Path) -> Path:
    """Articles with a number each; some of the names take two lines."""
    file = folder / "prices.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("article,price\n")
        for number in range(ROWS):
            name = f'"thing\n{number}"' if number % 7 == 0 else f"thing {number}"
            out.write(f"{name},{number / 100:.2f}\n")
    return file


@pytest.mark.requirement("R-RESIL-2")
@pytest.mark.stores("sqlite", "postgres")
def test_an_import_killed_half_way_goes_on_from_its_last_place_and_each_row_is_there_once(
    example, shop, tmp_path, until
):
    job = example.module.import_prices.enqueue(large_file(tmp_path))
    example.module.connect().close()
    ask(shop, ENDLESS)
    worker = example.start()
    until(worker, lambda: place(shop) == HELD_AT - 1000)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    ask(shop, "DROP TRIGGER endless")
    assert ask(shop, "SELECT count(*) FROM price") == [(HELD_AT - 1000,)]

    example.work()
    assert job.result() == {"rows": ROWS, "refused": 0}
    assert [attempt.outcome for attempt in job.attempts()] == ["crashed", "succeeded"]
    found = ask(shop, "SELECT replace(article, char(10), ' '), cents FROM price")
    assert sorted(found) == sorted((f"thing {number}", number) for number in range(ROWS))


def test_bad_rows_are_kept_apart_with_their_numbers(example, shop, tmp_path):
    file = tmp_path / "prices.csv"
    file.write_bytes(b"article,price\r\na,1.10\r\nb\r\nc,dear\r\n\xff,2\r\nd,inf\r\n")
    job = example.module.import_prices.enqueue(file)
    example.work()
    assert job.result() == {"rows": 5, "refused": 3}
    prices = ask(shop, "SELECT article, cents FROM price")
    assert prices == [("a", 110), ("\N{REPLACEMENT CHARACTER}", 200)]
    assert [row for (row,) in ask(shop, "SELECT row FROM refused ORDER BY row")] == [2, 3, 5]


@pytest.mark.parametrize("text", ["", "article,price\n"], ids=["empty", "a header only"])
def test_a_file_without_rows_imports_none(example, tmp_path, text):
    file = tmp_path / "prices.csv"
    file.write_text(text)
    job = example.module.import_prices.enqueue(file)
    example.work()
    assert job.result() == {"rows": 0, "refused": 0}


def test_the_same_file_in_another_job_is_another_import(example, shop, tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("article,price\na,1\n")
    example.module.import_prices.enqueue_many([(file,), (file,)])
    example.work()
    assert ask(shop, "SELECT article, cents FROM price") == [("a", 100), ("a", 100)]
