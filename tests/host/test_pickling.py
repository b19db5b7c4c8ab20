"""A task can go wherever a function can: into a pickle, into another process, into a copy."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from jobhost import JobHost, UsageError

host = JobHost("sqlite:///never-opened.db")


@host.task
def add(one: int, other: int = 1) -> int:
    return one + other


class Shelf:
    @host.task(name="shelf.double")
    async def double(number: int) -> int:
        return 2 * number


def plain(number: int) -> int:
    return number


renamed = host.task(plain)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_the_name_of_a_task(protocol: int) -> None:
    for task in (add, Shelf.double):
        written = pickle.dumps(task, protocol)
        assert pickle.loads(written) is task
        assert len(written) < 100


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_task_is_the_task(copied, host: JobHost) -> None:
    local = host.task(lambda: None)
    for task in (add, renamed, local):
        assert copied(task) is task
    assert copied({"task": add})["task"] is add


def test_a_task_made_in_a_function_cannot_be_pickled(host: JobHost) -> None:
    @host.task
    def inner() -> None: ...

    with pytest.raises(UsageError, match=r"task 'inner' cannot be pickled.*<locals>\.inner") as no:
        pickle.dumps(inner)
    assert "declare it at the top of a module" in str(no.value)


def test_a_task_that_does_not_stand_under_its_function_s_name_cannot_be_pickled() -> None:
    with pytest.raises(UsageError, match=rf"task 'plain' cannot be pickled.* {__name__}\.plain,"):
        pickle.dumps(renamed)
    assert pickle.loads(pickle.dumps(plain)) is plain


PROGRAM = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from jobhost import JobHost

host = JobHost("sqlite:///never-opened.db")

@host.task
def add(one: int, other: int = 1) -> int:
    return one + other

if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        print(*pool.map(add, [1, 2], [3, 4]), pool.submit(add, 5).result())
        print(pool.submit(type(add).__repr__, add).result() == repr(add))
"""


def test_a_pool_of_processes_calls_a_task_as_it_calls_a_function(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "4 6 6\nTrue\n"), done.stderr
    assert list(tmp_path.iterdir()) == [program]
