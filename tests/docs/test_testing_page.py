"""The files that docs/testing.md shows are a program with tests, and these pass."""

import os
import subprocess
import sys
from pathlib import Path

from pages import DOCS, blocks


def test_the_tests_that_the_page_shows_pass(tmp_path: Path) -> None:
    for block in blocks(DOCS / "testing.md"):
        if block.file_name is not None:
            (tmp_path / block.file_name).write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "jobhost.contrib.pytest_plugin"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_message_that_the_page_shows_is_the_one_that_comes(tmp_path: Path) -> None:
    page = blocks(DOCS / "testing.md")
    (program,) = [block.text for block in page if block.file_name == "shop.py"]
    (shown,) = [block.text for block in page if block.text.startswith("expected a job")]
    (tmp_path / "shop.py").write_text(program, encoding="utf-8")
    code = """
from shop import host, send_mail
with host.testing() as jobs:
    send_mail.enqueue("bob@example.org", "Hello")
    try:
        jobs.assert_enqueued(send_mail, to="ann@example.org", queue="mail")
    except AssertionError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == shown
