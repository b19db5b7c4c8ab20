"""Programs that fork while they have the file open."""

from pathlib import Path

import pytest

from ..conservation import Query, assert_conserved, numbers
from .programs import Program


def test_what_a_child_commits_stays_when_its_parent_closes(path: Path, query: Query) -> None:
    """The last connection that closes removes the log; whoever writes to it must hold a lock."""
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        accept(store)
        ears, mouth = os.pipe()
        child = os.fork()
        if child == 0:
            accept(store)
            say("one")
            os.read(ears, 1)
            accept(store, 2)
            say("two")
            os._exit(0)
        assert hear() == "close"
        store.close()
        os.write(mouth, b"!")
        os.waitpid(child, 0)
    """
    with Program(program, path) as parent:
        assert parent.hear() == "one"
        parent.say("close")
        assert parent.rest() == ["two"]
    assert len(numbers(query)) == 4
    assert query("PRAGMA integrity_check") == [("ok",)]


def test_a_fork_waits_for_the_write_of_another_thread(path: Path, query: Query) -> None:
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        inside, leave = threading.Event(), threading.Event()
        def slow():
            inside.set()
            leave.wait()
            return (yield from look.tally())
        accept(store)
        os.register_at_fork(before=leave.set)  # comes before those that were registered earlier
        writer = threading.Thread(target=store.write, args=[slow])
        writer.start()
        inside.wait()
        child = os.fork()
        if child == 0:
            accept(store)
            say(sum(store.read(look.tally).states.values()))
            os._exit(0)
        os.waitpid(child, 0)
        writer.join()
        accept(store)
        store.close()
    """
    with Program(program, path) as parent:
        assert parent.rest() == ["2"]
    assert len(numbers(query)) == 3


def test_a_child_forked_in_the_middle_of_a_long_write_is_refused_and_the_parent_goes_on(
    path: Path, query: Query
) -> None:
    program = """
        from jobhost.store.sqlite import forks
        forks.PATIENCE_SECONDS = 0.05
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        inside, leave = threading.Event(), threading.Event()
        def slow():
            inside.set()
            leave.wait()
            return (yield from look.tally())
        accept(store)
        writer = threading.Thread(target=store.write, args=[slow])
        writer.start()
        inside.wait()
        child = os.fork()
        if child == 0:
            for use in (lambda: accept(store), lambda: store.read(look.tally)):
                try:
                    use()
                except StoreError as error:
                    say(error)
            os._exit(0)
        os.waitpid(child, 0)
        leave.set()
        writer.join()
        accept(store)
        say(sum(store.read(look.tally).states.values()))
        store.close()
    """
    with Program(program, path) as parent:
        *refused, left = parent.rest()
    assert len(refused) == 2
    for line in refused:
        assert "forked in the middle of a transaction" in line
        assert "'spawn'" in line
    assert left == "2"


def test_a_fork_in_the_middle_of_its_own_thread_s_transaction_does_not_wait(
    path: Path, query: Query
) -> None:
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        def forking():
            child = os.fork()
            if child == 0:
                try:
                    accept(store)
                except StoreError as error:
                    say(error)
                os._exit(0)
            os.waitpid(child, 0)
            return (yield from look.tally())
        store.write(forking)
        accept(store)
        store.close()
    """
    with Program(program, path) as parent:
        [refused] = parent.rest()
    assert "forked in the middle of a transaction" in refused
    assert len(numbers(query)) == 1


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs a kernel that lists its locks")
def test_a_child_is_refused_when_its_parent_had_another_connection_to_the_file_open(
    path: Path, query: Query
) -> None:
    program = """
        import sqlite3
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        accept(store)
        other = sqlite3.connect(sys.argv[1])
        other.execute("SELECT * FROM jobhost_job").fetchall()
        for wanted in ("refused", "taken"):
            child = os.fork()
            if child == 0:
                try:
                    accept(store)
                    say("taken")
                except StoreError as error:
                    say(error)
                os._exit(0)
            os.waitpid(child, 0)
            other.close()
        store.close()
    """
    with Program(program, path) as parent:
        refused, taken = parent.rest()
    assert "a connection to" in refused
    assert "that is not jobhost's" in refused
    assert taken == "taken"
    assert len(numbers(query)) == 2


def test_children_and_the_threads_of_their_parent_all_write_at_once(
    path: Path, query: Query
) -> None:
    program = """
        import multiprocessing
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        def write(times):
            for _ in range(times):
                accept(store)
        def read():
            while not over.is_set():
                store.read(look.tally)
        over = threading.Event()
        threads = [threading.Thread(target=write, args=[60]) for _ in range(3)]
        threads += [threading.Thread(target=read)]
        accept(store)
        for thread in threads:
            thread.start()
        forking = multiprocessing.get_context("fork")
        children = [forking.Process(target=write, args=[20]) for _ in range(6)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            say(child.exitcode)
        over.set()
        for thread in threads:
            thread.join()
        store.close()
    """
    with Program(program, path) as parent:
        assert parent.rest() == ["0"] * 6
    assert len(numbers(query)) == 1 + 3 * 60 + 6 * 20
    assert_conserved(query)


def test_a_closed_connection_stays_closed_after_a_fork(path: Path) -> None:
    program = """
        store = SqliteStore(Path(sys.argv[1]), SystemClock())
        accept(store)
        connection = SqliteConnection(store.target, writes=False)
        connection.close()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        try:
            connection.begin()
        except StoreError as error:
            say("closed")
        store.close()
    """
    with Program(program, path) as parent:
        assert parent.rest() == ["closed"]
