"""What people see: the commands with a real terminal at stdout and stderr."""

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest
from commands import GUARD_SECONDS, Shop, environment, shown_on

ROWS, COLUMNS = 24, 70


class Terminal:
    """The far end of a pseudo-terminal on which commands run."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, (ROWS, COLUMNS))

    def run(self, *arguments: str) -> str:
        """Run a command; everything that it showed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "jobhost", *arguments],
            cwd=self._shop.folder,
            env={**environment(), "TERM": "xterm-256color", "JOBHOST_URL": self._shop.url},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
        )
        os.close(self._theirs)
        shown = shown_on(self._ours)
        assert process.wait(GUARD_SECONDS) == 0
        return shown.replace("\r\n", "\n")

    def close(self) -> None:
        """Hang up."""
        os.close(self._ours)


@pytest.fixture
def terminal(shop: Shop) -> Iterator[Terminal]:
    terminal = Terminal(shop)
    yield terminal
    terminal.close()


def test_a_listing_fits_the_terminal_and_keeps_ids_whole(shop: Shop, terminal: Terminal) -> None:
    job_id = shop.enqueue("add", "[1]")
    shown = terminal.run("jobs", "list")
    assert job_id in shown
    assert "\x1b[1m" in shown, "the head is bold"


def test_one_job_is_shown_without_what_its_text_would_do(shop: Shop, terminal: Terminal) -> None:
    job_id = shop.dead("\x1b]0;owned\x07[blink]now[/blink]")
    shown = terminal.run("jobs", "show", job_id)
    assert "\x1b]0" not in shown
    assert "\x07" not in shown
    assert "[blink]now[/blink]" in shown


def test_json_is_indented_for_people(shop: Shop, terminal: Terminal) -> None:
    shop.enqueue("add", "[1]")
    shown = terminal.run("jobs", "list", "--json")
    assert shown.startswith('{\n  "jobs": [\n')
    assert json.loads(shown)["next"] is None


def test_the_log_is_for_people_too(shop: Shop, terminal: Terminal) -> None:
    shop.enqueue("boom", json.dumps(["\x1b]0;owned\x07 [blink]now[/blink]"]))
    shown = terminal.run("worker", "shop:host", "--burst")
    assert "WARNING" in shown
    assert "\x1b]0" not in shown
    assert "[blink]now[/blink]" in "".join(shown.split())
