"""Wake-up between processes: a hint that may get lost without harm."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobhost.store.sqlite.bell import Ringer, SocketBell

from .programs import Program

NEVER = 60.0
"""Seconds that a test would sleep if nobody rang; the ring comes long before."""

LISTENING = """
    from jobhost.store.sqlite.bell import SocketBell
    bell = SocketBell(Path(sys.argv[1]), sys.argv[2])
    say("listening")
    while hear():
        say(bool(bell.wait(60)))
    bell.close()
"""


@pytest.fixture
def ringer(tmp_path: Path) -> Iterator[Ringer]:
    ringer = Ringer(tmp_path)
    yield ringer
    ringer.close()


def test_a_ring_wakes_the_sleepers_of_all_other_processes(tmp_path: Path, ringer: Ringer) -> None:
    with Program(LISTENING, tmp_path, "one") as one, Program(LISTENING, tmp_path, "two") as two:
        for program in (one, two):
            assert program.hear() == "listening"
            program.say()
        ringer.ring_all()
        assert (one.hear(), two.hear()) == ("True", "True")


def test_a_ring_before_the_sleep_is_not_lost(tmp_path: Path, ringer: Ringer) -> None:
    bell = SocketBell(tmp_path, "one")
    ringer.ring_all()
    assert bell.wait(NEVER)
    assert not bell.wait(0)
    bell.close()


def test_many_rings_are_one_waking(tmp_path: Path, ringer: Ringer) -> None:
    bell = SocketBell(tmp_path, "one")
    for _ in range(5000):
        ringer.ring_all()
    assert bell.wait(NEVER)
    assert not bell.wait(0)
    bell.close()


def test_a_ring_of_the_own_process_wakes_but_is_told_apart(tmp_path: Path) -> None:
    bell = SocketBell(tmp_path, "one")
    striker = threading.Thread(target=bell.ring)
    striker.start()
    assert not bell.wait(NEVER)
    striker.join()
    for _ in range(5000):
        bell.ring()
    assert not bell.wait(NEVER)
    bell.close()


@pytest.mark.parametrize("letters", [60, 108, 250])
def test_a_folder_with_a_long_name_works_as_any_other(tmp_path: Path, letters: int) -> None:
    folder = tmp_path / ("x" * letters) / ("ü" * 20)
    folder.mkdir(parents=True)
    assert len(str(folder / f"{'0' * 32}.bell")) > 108
    ringer = Ringer(folder)
    with Program(LISTENING, folder, "0" * 32) as program:
        assert program.hear() == "listening"
        program.say()
        ringer.ring_all()
        assert program.hear() == "True"
    ringer.close()


def test_a_dead_listener_a_stray_file_and_a_full_buffer_stop_nobody_else(
    tmp_path: Path, ringer: Ringer
) -> None:
    (tmp_path / "astray.bell").touch()
    deaf = SocketBell(tmp_path, "deaf")
    with Program(LISTENING, tmp_path, "dead") as program:
        assert program.hear() == "listening"
        program.kill()
    assert (tmp_path / "dead.bell").exists()
    for _ in range(2000):
        ringer.ring_all()
    bell = SocketBell(tmp_path, "zlast")
    ringer.ring_all()
    assert bell.wait(NEVER)
    bell.close()
    deaf.close()


def test_ringing_in_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    ringer = Ringer(tmp_path / "nowhere")
    ringer.ring_all()
    ringer.close()
    ringer.close()


def test_a_closed_bell_leaves_no_socket_behind(tmp_path: Path) -> None:
    bell = SocketBell(tmp_path, "one")
    assert (tmp_path / "one.bell").is_socket()
    bell.close()
    bell.close()
    assert list(tmp_path.iterdir()) == []


def test_a_ringer_opens_again_after_it_was_closed(tmp_path: Path, ringer: Ringer) -> None:
    bell = SocketBell(tmp_path, "one")
    ringer.ring_all()
    ringer.close()
    ringer.ring_all()
    assert bell.wait(NEVER)
    bell.close()


def test_whatever_a_stranger_sends_is_only_a_ring(tmp_path: Path) -> None:
    bell = SocketBell(tmp_path, "one")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"x" * 10_000, str(tmp_path / "one.bell"))
    assert bell.wait(NEVER)
    assert not bell.wait(0)
    bell.close()


def test_a_bell_is_heard_that_was_hung_up_long_after_the_ringer_had_looked(
    tmp_path: Path, ringer: Ringer
) -> None:
    early = SocketBell(tmp_path, "early")
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    for _ in range(2):
        ringer.ring_all()
        assert early.wait(NEVER)
    late = SocketBell(tmp_path, "late")
    ringer.ring_all()
    assert late.wait(NEVER)
    early.close()
    late.close()
