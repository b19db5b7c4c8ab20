"""What a process leaves behind is found, killed and seen gone, wherever it moved to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobhost.worker import descendants

STRAYS = Path(__file__).parent / "strays.py"
GUARD_SECONDS = 90.0

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")


def _run(program: str) -> Any:
    """What the program of strays.py printed; its strays are its own children and end with it."""
    done = subprocess.run(
        [sys.executable, STRAYS, program],
        capture_output=True,
        check=False,
        text=True,
        timeout=GUARD_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@linux
def test_a_daemon_in_its_own_session_that_ignores_all_signals_is_killed():
    assert _run("one_daemon") == {"killed": 1, "left": [], "gone": True}


@linux
def test_what_a_child_kept_for_itself_is_killed_with_it():
    assert _run("one_daemon_below_a_child") == {"killed": 3, "left": [], "gone": True}


@linux
def test_a_spared_child_keeps_its_own_children_and_daemons():
    done = _run("two_families")

    assert done["first"] == {"killed": 3, "left": []}
    assert done["second"] == {"killed": 3, "left": []}, "all of the spared family lived"
    assert done["gone"] == [True, True]


@linux
def test_who_forks_on_while_being_killed_is_cleared_away_to_the_last_generation():
    done = _run("generations")

    assert done["left"] == []
    assert done["gone"]


@linux
def test_the_end_of_a_spared_child_can_still_be_read_and_others_are_reaped():
    assert _run("ended_children") == {"killed": 0, "left": [], "kept": 7, "other": None}


@linux
def test_a_process_that_is_killed_and_does_not_go_is_named_and_not_waited_for():
    done = _run("one_that_stays")
    if not done["allowed"]:
        pytest.skip("a process that outlives its kill needs the right to trace (ptrace)")

    assert done["first"] == {"killed": 1, "left": [done["stays"]]}
    assert done["second"]["left"] == []
    assert done["gone"]


@linux
def test_what_stays_after_one_death_holds_up_the_node_at_no_other():
    done = _run("one_that_stays_for_the_morgue")
    if not done["allowed"]:
        pytest.skip("a process that outlives its kill needs the right to trace (ptrace)")

    assert done["first"] == {"killed": 1, "left": [done["stays"]]}
    assert done["second"] == {"killed": 1, "left": []}
    assert done["gone"]


def test_elsewhere_than_on_linux_there_are_no_subreapers(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")

    assert descendants.become_subreaper() is False
