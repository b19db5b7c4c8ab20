"""A fair way in for writers of different processes."""

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobhost.errors import StoreBusy
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.turnstile import Turnstile

from .locks import wait_for_abandoned_queues, wait_until_held, wait_until_queued
from .programs import Program

PATIENCE = Patience(30.0)


@pytest.fixture
def turnstile(tmp_path: Path) -> Iterator[Turnstile]:
    turnstile = Turnstile(tmp_path)
    yield turnstile
    turnstile.leave()
    turnstile.close()


COUNTING = """
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    turnstile = Turnstile(folder)
    say("ready")
    hear()
    for _ in range(rounds):
        turnstile.enter(Patience(60).wait())
        inside = folder / "inside"
        inside.mkdir()
        count = int((folder / "count").read_text())
        (folder / "count").write_text(str(count + 1))
        inside.rmdir()
        turnstile.leave()
    turnstile.close()
"""


def test_only_one_process_is_inside_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    programs = [Program(COUNTING, tmp_path, 150) for _ in range(3)]
    for program in programs:
        assert program.hear() == "ready"
    for program in programs:
        program.say()
    for program in programs:
        program.rest()
    assert (tmp_path / "count").read_text() == "450"


def test_a_lone_writer_gets_its_turn_before_a_busy_one_comes_back(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    order: list[str] = []
    lone = """
        turnstile = Turnstile(Path(sys.argv[1]))
        while hear():
            turnstile.enter(Patience(60).wait())
            with open(sys.argv[2], "a") as log:
                log.write("lone ")
            turnstile.leave()
            say("done")
    """
    log = tmp_path / "log"
    with Program(lone, tmp_path, log) as program:
        for _ in range(20):
            turnstile.enter(PATIENCE.wait())
            program.say()
            wait_until_held(tmp_path / "gate")
            turnstile.leave()
            turnstile.enter(PATIENCE.wait())
            with log.open("a") as entry:
                entry.write("busy ")
            turnstile.leave()
            order.append(program.hear())
    assert log.read_text().split() == ["lone", "busy"] * 20


@pytest.mark.parametrize("name", ["floor", "gate"])
def test_a_wait_that_takes_too_long_names_the_file_that_is_locked(
    tmp_path: Path, name: str
) -> None:
    holder = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    impatient = Turnstile(tmp_path)
    with pytest.raises(StoreBusy, match=str(tmp_path / name)):
        impatient.enter(Patience(0.05).wait())
    os.close(holder)
    impatient.close()


@pytest.mark.parametrize("name", ["floor", "gate"])
def test_a_waiter_that_gave_up_keeps_nothing_locked(
    tmp_path: Path, name: str, turnstile: Turnstile
) -> None:
    holder = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    impatient = Turnstile(tmp_path)
    with pytest.raises(StoreBusy):
        impatient.enter(Patience(0.05).wait())
    os.close(holder)
    for _ in range(3):
        turnstile.enter(PATIENCE.wait())
        turnstile.leave()
    wait_for_abandoned_queues()
    impatient.enter(PATIENCE.wait())
    impatient.leave()
    impatient.close()


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the kernel does not tell who waits")
def test_an_interrupted_waiter_keeps_nothing_locked(tmp_path: Path) -> None:
    program = """
        turnstile = Turnstile(Path(sys.argv[1]))
        say("asking")
        try:
            turnstile.enter(Patience(60).wait())
        except KeyboardInterrupt:
            say("interrupted")
        while threading.active_count() > 1:
            os.sched_yield()
        say("nobody waits any more")
        hear()
    """
    holder = os.open(tmp_path / "gate", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with Program(program, tmp_path) as waiter:
        assert waiter.hear() == "asking"
        wait_until_queued(waiter.pid)
        waiter.signal(signal.SIGINT)
        assert waiter.hear() == "interrupted"
        os.close(holder)
        assert waiter.hear() == "nobody waits any more"
        impatient = Turnstile(tmp_path)
        impatient.enter(PATIENCE.wait())
        impatient.leave()
        impatient.close()


@pytest.mark.parametrize("stage", ["inside", "waiting at the gate", "next in line"])
def test_a_killed_process_frees_what_it_held(
    tmp_path: Path, turnstile: Turnstile, stage: str
) -> None:
    program = """
        turnstile = Turnstile(Path(sys.argv[1]))
        say("asking")
        turnstile.enter(Patience(60).wait())
        say("inside")
        hear()
    """
    with Program(program, tmp_path) as victim:
        if stage == "inside":
            assert [victim.hear(), victim.hear()] == ["asking", "inside"]
            victim.kill()
        else:
            name = "floor" if stage == "next in line" else "gate"
            holder = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
            fcntl.flock(holder, fcntl.LOCK_EX)
            assert victim.hear() == "asking"
            if stage == "next in line":
                wait_until_held(tmp_path / "gate")
            victim.kill()
            os.close(holder)
        turnstile.enter(PATIENCE.wait())


def test_a_forked_child_does_not_keep_what_its_killed_parent_held(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    program = """
        turnstile = Turnstile(Path(sys.argv[1]))
        turnstile.enter(Patience(60).wait())
        say(fork_idle())
        hear()
    """
    with Program(program, tmp_path) as parent:
        child = int(parent.hear())
        try:
            impatient = Turnstile(tmp_path)
            with pytest.raises(StoreBusy):
                impatient.enter(Patience(0.05).wait())
            impatient.close()
            parent.kill()
            turnstile.enter(PATIENCE.wait())
        finally:
            os.kill(child, signal.SIGKILL)


def test_leaving_twice_and_closing_twice_do_no_harm(tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path)
    turnstile.leave()
    turnstile.enter(PATIENCE.wait())
    turnstile.leave()
    turnstile.leave()
    turnstile.close()
    turnstile.close()
