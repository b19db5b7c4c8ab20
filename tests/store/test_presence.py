"""Proof of life: the kernel frees a node's lock at its death, and not before."""

import os
import signal
import threading
from pathlib import Path

import pytest

from jobhost.store.presence import LockedFile, dead_nodes, forget

from .sqlite.programs import Program

LIVING = """
    from jobhost.store.presence import LockedFile
    held = LockedFile(Path(sys.argv[1]), sys.argv[2])
    say("living")
    hear()
"""


def test_a_killed_process_is_seen_dead_at_once(tmp_path: Path) -> None:
    with Program(LIVING, tmp_path, "one") as node:
        assert node.hear() == "living"
        assert dead_nodes(tmp_path) == []
        node.kill()
        assert dead_nodes(tmp_path) == ["one"]


def test_a_stopped_process_is_not_dead(tmp_path: Path) -> None:
    with Program(LIVING, tmp_path, "one") as node:
        assert node.hear() == "living"
        node.signal(signal.SIGSTOP)
        assert dead_nodes(tmp_path) == []


def test_only_the_dead_are_named_among_the_living(tmp_path: Path) -> None:
    with Program(LIVING, tmp_path, "one") as one, Program(LIVING, tmp_path, "two") as two:
        assert (one.hear(), two.hear()) == ("living", "living")
        one.kill()
        assert dead_nodes(tmp_path) == ["one"]


def test_a_forked_child_does_not_keep_its_dead_parent_alive(tmp_path: Path) -> None:
    program = """
        from jobhost.store.presence import LockedFile
        held = LockedFile(Path(sys.argv[1]), "parent")
        say(fork_idle())
        hear()
    """
    with Program(program, tmp_path) as parent:
        child = int(parent.hear())
        parent.kill()
        try:
            assert dead_nodes(tmp_path) == ["parent"]
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_lets_go_does_not_take_its_parents_proof_away(tmp_path: Path) -> None:
    program = """
        from jobhost.store.presence import LockedFile
        held = LockedFile(Path(sys.argv[1]), "parent")
        if os.fork() == 0:
            held.release()
            os._exit(0)
        os.wait()
        say("child is gone")
        hear()
    """
    with Program(program, tmp_path) as parent:
        assert parent.hear() == "child is gone"
        assert dead_nodes(tmp_path) == []
        parent.kill()
        assert dead_nodes(tmp_path) == ["parent"]


def test_a_missing_file_or_folder_proves_nothing(tmp_path: Path) -> None:
    held = LockedFile(tmp_path, "one")
    (tmp_path / "one.alive").unlink()
    assert dead_nodes(tmp_path) == []
    assert dead_nodes(tmp_path / "nowhere") == []
    held.release()


def test_a_node_that_let_go_leaves_nothing_behind(tmp_path: Path) -> None:
    held = LockedFile(tmp_path, "one")
    held.release()
    held.release()
    assert list(tmp_path.iterdir()) == []
    assert dead_nodes(tmp_path) == []


def test_a_node_id_is_attended_by_one_process_only(tmp_path: Path) -> None:
    held = LockedFile(tmp_path, "one")
    with pytest.raises(FileExistsError):
        LockedFile(tmp_path, "one")
    assert dead_nodes(tmp_path) == []
    held.release()


def test_a_node_is_never_seen_dead_while_it_is_being_born_or_leaves(tmp_path: Path) -> None:
    finished = threading.Event()
    seen: list[str] = []

    def watch() -> None:
        while not finished.is_set():
            seen.extend(dead_nodes(tmp_path))

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for number in range(1500):
            held = LockedFile(tmp_path, f"node{number}")
            assert (tmp_path / f"node{number}.alive").exists()
            held.release()
    finally:
        finished.set()
        for watcher in watchers:
            watcher.join()
    assert seen == []


def test_forgetting_a_node_removes_its_files_and_no_others(tmp_path: Path) -> None:
    for name in ("one.alive", "one.bell", "two.alive", "onetwo.alive", "gate"):
        (tmp_path / name).touch()
    forget(tmp_path, "one")
    forget(tmp_path, "one")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "gate", "onetwo.alive", "two.alive",
    ]  # fmt: skip


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    held = LockedFile(tmp_path, "one")
    assert (tmp_path / "one.alive").stat().st_mode & 0o777 == 0o600
    held.release()
