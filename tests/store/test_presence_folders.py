"""The folders of proofs that all users could make: a stranger's is refused, and no proof."""

import os
import threading
from pathlib import Path

import pytest

from jobhost.errors import StoreUnavailable
from jobhost.store.presence import attend_in, dead_nodes, is_private, users_folder

ROOT = os.geteuid() == 0
STRANGER = 65_534


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, and no other."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_in_the_place_for_temporary_files_is_for_this_user_alone(temporary: Path) -> None:
    folder = users_folder()
    assert folder == temporary / f"jobhost-{os.geteuid()}"
    held = attend_in(folder / "store", "one")
    for made in (folder, folder / "store"):
        assert made.stat().st_mode & 0o777 == 0o700
    held.release()


def test_the_users_own_folder_is_preferred(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = temporary / "run"
    own.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    assert users_folder() == own / "jobhost"


@pytest.mark.parametrize("given", ["", "relative", "/nowhere/at/all"])
def test_a_folder_that_is_none_is_not_used(
    given: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    assert users_folder().parent == temporary


def test_a_folder_that_others_may_write_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_all = temporary / "run"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(open_to_all))
    assert users_folder().parent == temporary


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_folder_in_which_others_can_write_is_refused(level: int, mode: int) -> None:
    folder = users_folder() / "store"
    folder.mkdir(parents=True, mode=0o700)
    wrong = (folder.parent, folder)[level]
    wrong.chmod(mode)
    with pytest.raises(StoreUnavailable, match="remove it, or set TMPDIR") as caught:
        attend_in(folder, "one")
    assert str(caught.value).startswith(f"{wrong} is no folder of this user alone")


@pytest.mark.parametrize("level", [0, 1])
def test_a_link_in_place_of_a_folder_is_refused(level: int, temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder = users_folder() / "store"
    if level:
        folder.parent.mkdir(mode=0o700)
    (folder.parent, folder)[level].symlink_to(elsewhere)
    with pytest.raises(StoreUnavailable, match="forged proof"):
        attend_in(folder, "one")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.skipif(not ROOT, reason="only root can make a stranger's folder")
def test_a_strangers_folder_is_refused(level: int) -> None:
    folder = users_folder() / "store"
    folder.mkdir(parents=True, mode=0o700)
    os.chown((folder.parent, folder)[level], STRANGER, STRANGER)
    with pytest.raises(StoreUnavailable, match="forged proof"):
        attend_in(folder, "one")
    assert is_private(folder) is (level == 0)


def test_a_place_where_nothing_can_be_made_is_named(temporary: Path) -> None:
    (temporary / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"cannot be made .*: set TMPDIR"):
        attend_in(temporary / "file" / "user" / "store", "one")


@pytest.mark.skipif(not ROOT, reason="only root can make a stranger's file")
def test_a_strangers_file_proves_no_death(temporary: Path) -> None:
    forged = temporary / "victim.alive"
    forged.write_text("1\n")
    assert dead_nodes(temporary) == ["victim"], "it would be one if it were this user's"
    os.chown(forged, STRANGER, STRANGER)
    assert dead_nodes(temporary) == []


def test_a_link_or_a_pipe_proves_no_death(temporary: Path) -> None:
    (temporary / "own").write_text("1\n")
    (temporary / "linked.alive").symlink_to(temporary / "own")
    os.mkfifo(temporary / "pipe.alive")
    assert dead_nodes(temporary) == []


def test_the_last_one_to_leave_removes_the_folder_and_no_one_else() -> None:
    folder = users_folder() / "store"
    first, second = attend_in(folder, "one"), attend_in(folder, "two")
    first.release()
    assert [file.name for file in folder.iterdir()] == ["two.alive"]
    second.release()
    assert not folder.exists()


def test_who_comes_while_others_leave_has_a_folder() -> None:
    folder, errors = users_folder() / "store", []

    def come_and_go(name: str) -> None:
        try:
            for number in range(200):
                attend_in(folder, f"{name}{number}").release()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert not folder.exists()
