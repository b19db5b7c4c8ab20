"""How processes end, read from real ends, and how kills for want of memory are counted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobhost.hosting.exits import IN_ORDER, Death, OomWatch, read_death, signal_name
from jobhost.worker.exit_codes import WorkerExit

GUARD_SECONDS = 60.0
EAT_MEMORY = Path(__file__).parent / "eat_memory.py"
GROUP_FOR_TESTS = "JOBHOST_TEST_CGROUP"

MIDDLE = "in the middle of its work"
_FROM_OUTSIDE = [signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM]
_NO_CORE = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
_SLEEP = f"import time; time.sleep({GUARD_SECONDS})"


def _end_of(program: str, kill: signal.Signals | None = None) -> int:
    """The wait status of a Python program, killed by this signal if one is given.

    Whoever runs the tests may ignore some signals; the program does not take that over.
    """
    words = [sys.executable, "-ISc", _NO_CORE + program]
    pid = os.posix_spawn(words[0], words, {}, setsigdef=_FROM_OUTSIDE)
    if kill is not None:
        os.kill(pid, kill)
    return os.waitpid(pid, 0)[1]


def _exit(code: int) -> int:
    return _end_of(f"import os; os._exit({code})")


def test_an_exit_that_nobody_asked_for_is_the_process_s_own_doing():
    assert read_death(_exit(0)) == Death(cause=f"exited with 0 {MIDDLE}", own_doing=True)
    assert read_death(_exit(3)) == Death(cause=f"exited with 3 {MIDDLE}", own_doing=True)


def test_an_end_before_the_work_began_is_worded_as_such():
    death = read_death(_exit(65), ready=False)

    assert death == Death(cause="exited with 65 before it was ready", own_doing=True)


def test_who_was_asked_to_stop_and_did_is_no_death():
    assert read_death(_exit(0), goodbye=0, stopping=True) is None


@pytest.mark.parametrize("code", sorted(IN_ORDER))
@pytest.mark.parametrize("stopping", [False, True])
def test_who_retired_was_recycled_or_finished_ended_in_order_asked_or_not(code, stopping):
    assert read_death(_exit(code), goodbye=code, stopping=stopping) is None


@pytest.mark.parametrize("code", sorted({*IN_ORDER, WorkerExit.STOPPED}))
@pytest.mark.parametrize("goodbye", [None, WorkerExit.AT_ONCE])
def test_no_exit_is_in_order_before_the_worker_has_said_goodbye_with_that_code(code, goodbye):
    unasked = read_death(_exit(code), goodbye=goodbye)
    assert unasked == Death(cause=f"exited with {code} {MIDDLE}", own_doing=True)
    stopping = read_death(_exit(code), goodbye=goodbye, stopping=True)
    cause = f"exited with {code} instead of stopping in order"
    assert stopping == Death(cause=cause, own_doing=False)


def test_who_was_not_asked_to_stop_and_says_that_it_was_has_not_ended_in_order():
    unasked = "was asked to stop, but not by its node"

    assert read_death(_exit(0), goodbye=0) == Death(cause=unasked, own_doing=False)
    assert read_death(_exit(0), goodbye=0, alone=True) == Death(cause=unasked, own_doing=True)


def test_another_exit_of_who_was_asked_to_stop_proves_nothing():
    death = read_death(_exit(WorkerExit.AT_ONCE), stopping=True)

    assert death == Death(cause="exited with 70 instead of stopping in order", own_doing=False)


def test_a_worker_that_lost_its_link_to_a_living_node_brought_it_upon_itself():
    death = read_death(_exit(WorkerExit.ORPHANED))

    assert death == Death(cause="ended because its link to the node broke", own_doing=True)


def test_a_fault_in_native_code_is_its_own_doing():
    status = _end_of("import ctypes; ctypes.string_at(0)")

    death = Death(cause="was killed by SIGSEGV (a fault in native code)", own_doing=True)
    assert read_death(status) == death
    assert read_death(status, stopping=True, asked="it was slow", oom_kills=1) == death


def test_an_abort_is_its_own_doing():
    death = read_death(_end_of("import os; os.abort()"))

    assert death == Death(cause="was killed by SIGABRT (native code gave up)", own_doing=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, *_FROM_OUTSIDE])
def test_a_signal_from_outside_proves_nothing(number):
    death = read_death(_end_of(_SLEEP, kill=number))

    assert death == Death(cause=f"was killed by {number.name}", own_doing=False)


def test_a_kill_of_who_ran_one_suspect_is_its_own_doing_unless_it_was_to_stop():
    status = _end_of(_SLEEP, kill=signal.SIGKILL)

    assert read_death(status, alone=True) == Death(cause="was killed by SIGKILL", own_doing=True)
    stopped = read_death(status, alone=True, stopping=True)
    assert stopped == Death(cause="was killed by SIGKILL", own_doing=False)
    terminated = read_death(_end_of(_SLEEP, kill=signal.SIGTERM), alone=True)
    assert terminated == Death(cause="was killed by SIGTERM", own_doing=False)


def test_a_kill_while_the_kernel_counted_one_for_want_of_memory_is_ascribed_to_that():
    status = _end_of(_SLEEP, kill=signal.SIGKILL)

    death = Death(cause="was killed by the kernel for want of memory", own_doing=True)
    assert read_death(status, oom_kills=1) == death


def test_want_of_memory_elsewhere_does_not_explain_an_exit_or_another_signal():
    assert read_death(_exit(0), goodbye=0, stopping=True, oom_kills=1) is None
    terminated = read_death(_end_of(_SLEEP, kill=signal.SIGTERM), oom_kills=1)
    assert terminated == Death(cause="was killed by SIGTERM", own_doing=False)


def test_who_did_not_answer_is_killed_by_its_own_doing_and_who_was_to_stop_is_not():
    status = _end_of(_SLEEP, kill=signal.SIGKILL)

    silent = read_death(status, asked="it had not answered for 60s", oom_kills=1)
    assert silent == Death(cause="was killed: it had not answered for 60s", own_doing=True)
    late = read_death(status, asked="it had not stopped within 40s", stopping=True)
    assert late == Death(cause="was killed: it had not stopped within 40s", own_doing=False)


def test_who_ended_by_itself_before_the_node_s_kill_is_read_as_it_ended():
    asked = "it had not stopped within 40s"
    assert read_death(_exit(0), goodbye=0, asked=asked, stopping=True) is None
    death = read_death(_exit(3), asked="it had not answered for 60s")
    assert death == Death(cause=f"exited with 3 {MIDDLE}", own_doing=True)


def test_signals_without_a_name_have_a_number():
    assert signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert signal_name(200) == "signal 200"


class Kernel:
    """What the kernel tells of a process's control groups, in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.tree = folder / "tree"

    def says(self, groups: str, mounts: str) -> None:
        (self.proc / "cgroup").write_text(groups)
        place = str(self.tree).replace(" ", "\\040")
        (self.proc / "mountinfo").write_text(mounts.replace("TREE", place))

    def counts(self, file: str, text: str) -> None:
        path = self.tree / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Kernel(folder)


V2 = "26 22 0:23 / TREE rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
V1 = "35 31 0:32 / TREE/memory rw,relatime - cgroup cgroup rw,memory\n"
V1_CPU = "32 31 0:29 / TREE/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
DISK = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n"


def _v2(kills: int) -> str:
    return f"low 0\nhigh 7\nmax 9\noom 5\noom_kill {kills}\noom_group_kill 4\n"


def _v1(kills: int) -> str:
    return f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"


@pytest.mark.parametrize(
    ("groups", "mounts", "file", "text"),
    [
        ("0::/my.slice/a b.service\n", DISK + V2, "my.slice/a b.service/memory.events", _v2),
        ("0::/\n", DISK + V2, "memory.events", _v2),
        (
            "0::/docker/abc/inner\n",
            V2.replace(" / TREE", " /docker/abc TREE"),
            "inner/memory.events",
            _v2,
        ),
        ("4:memory:/a/b\n0::/\n", V1_CPU + V1, "memory/a/b/memory.oom_control", _v1),
        (
            "9:memory,pids:/docker/abc\n",
            V1.replace(" / TREE", " /docker/abc TREE").replace("rw,memory", "rw,pids,memory"),
            "memory/memory.oom_control",
            _v1,
        ),
        ("1:cpu:/\n0::/a\n", V1_CPU + V2, "a/memory.events", _v2),
        (
            "4:memory:/a\n0::/b\n",
            V2.replace("TREE", "TREE/2") + V1,
            "memory/a/memory.oom_control",
            _v1,
        ),
    ],
    ids=[
        "version 2",
        "a container's root",
        "a part of the tree",
        "version 1",
        "version 1 in a container",
        "memory in version 2 beside others in 1",
        "memory in version 1 beside 2",
    ],
)
def test_kills_are_counted_from_one_look_to_the_next(kernel, groups, mounts, file, text):
    kernel.says(groups, mounts)
    kernel.counts(file, text(2))
    watch = OomWatch(kernel.proc)

    assert watch.kills_since_last_look() == 0, "what was before the watch is not its business"
    kernel.counts(file, text(5))
    assert watch.kills_since_last_look() == 3
    assert watch.kills_since_last_look() == 0


def test_a_counter_that_begins_anew_is_no_negative_number(kernel):
    kernel.says("0::/\n", V2)
    kernel.counts("memory.events", _v2(5))
    watch = OomWatch(kernel.proc)

    kernel.counts("memory.events", _v2(1))
    assert watch.kills_since_last_look() == 0
    kernel.counts("memory.events", _v2(2))
    assert watch.kills_since_last_look() == 1


def test_where_the_kernel_does_not_count_there_are_no_kills(kernel, tmp_path):
    assert OomWatch(tmp_path / "nowhere").kills_since_last_look() == 0
    kernel.says("0::/\n", DISK)
    assert OomWatch(kernel.proc).kills_since_last_look() == 0
    kernel.counts("memory.events", _v2(1))
    for groups in ("0::/../other\n", "0::/docker/other\n"):
        kernel.says(groups, V2.replace(" / TREE", " /docker/abc TREE"))
        assert OomWatch(kernel.proc)._counter is None, "that of another group"
    kernel.says("4:memory:/\n", V1)
    kernel.counts("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")
    assert OomWatch(kernel.proc).kills_since_last_look() == 0


def test_a_file_that_is_gone_has_no_kills(kernel):
    kernel.says("0::/\n", V2)
    kernel.counts("memory.events", _v2(1))
    watch = OomWatch(kernel.proc)

    (kernel.tree / "memory.events").unlink()
    assert watch.kills_since_last_look() == 0


def test_the_kernel_of_this_machine_can_be_asked():
    assert OomWatch().kills_since_last_look() >= 0


@contextmanager
def _small_group() -> Iterator[Path]:
    """A control group with little memory, in the one that this machine has for tests."""
    parent = os.environ.get(GROUP_FOR_TESTS)
    if not parent:
        pytest.skip(
            f"{GROUP_FOR_TESTS} must name the folder of a control group in which groups with a "
            "limit of memory may be made"
        )
    group = Path(parent, f"jobhost-test-{os.getpid()}")
    group.mkdir()
    try:
        for file in ("memory.max", "memory.limit_in_bytes"):
            if (group / file).exists():
                (group / file).write_text(str(64 * 1024 * 1024))
        yield group
    finally:
        group.rmdir()


def test_the_kernel_s_kill_for_want_of_memory_is_seen_as_that():
    with _small_group() as group:
        done = subprocess.run(
            [sys.executable, EAT_MEMORY, group],
            capture_output=True,
            check=True,
            text=True,
            timeout=GUARD_SECONDS,
        )

    cause = "was killed by the kernel for want of memory"
    assert json.loads(done.stdout) == {"cause": cause, "own_doing": True}
