"""Keeps one process of a job and all that it starts: a program of its own, in isolation.

    keeper.py WORKER REPORT child LINK        a process that runs one job after the other
    keeper.py WORKER REPORT run PROGRAM ...   a command

The worker starts it as a fresh interpreter. It forks before anything else was imported, and has
no threads: the child becomes the job's process, in a session of its own, and the parent watches
it. As a subreaper it is the parent of every orphan below it, whatever session that has, and of
nothing else: so what the job leaves is known for certain, and killed. Then it writes to REPORT
how the process ended, and exits.

Signals to the keeper: USR1 asks the job's process group to end (SIGTERM), USR2 kills everything.
The kernel sends USR2 when the worker dies. SIGTERM and SIGINT, which may go to all processes of
a service or a terminal, are for the worker to judge.

It imports nothing of jobhost, so that it starts in milliseconds and stays small.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_ASK: Final = signal.SIGUSR1
_KILL: Final = signal.SIGUSR2
_HEARD: Final = (
    signal.SIGCHLD,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    _ASK,
    _KILL,
)
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)

_LOOK_SECONDS: Final = 1.0
"""Pause between looks whether the worker lives, where the kernel does not tell."""

_NOT_STARTED: Final = 127
"""Exit code of a command that could not be started, as shells have it."""


def main() -> None:
    """Start the process, watch it, clear away what it leaves, and report."""
    worker, report = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(report, False)  # noqa: FBT003 - as it is
    for number in _HEARD:
        signal.signal(number, _nothing)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, _KILL)
    if os.getppid() != worker:
        return
    keeper = os.getpid()
    kept = os.fork()
    if kept == 0:
        _begin(keeper)
        if sys.argv[3] == "child":
            _serve(int(sys.argv[4]), report)
        else:
            _run(sys.argv[4:], report)
        return
    if sys.argv[3] == "child":
        os.close(int(sys.argv[4]))
    status = _clear_away(kept, _watch(kept, worker))
    code = "" if status is None else os.waitstatus_to_exitcode(status)
    os.write(report, f"ended {code}\n".encode())


def _watch(kept: int, worker: int) -> int | None:
    """Until the process has ended: its wait status. None: it is to be killed."""
    if sys.platform != "linux":
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    while True:
        number = signal.sigwait(_HEARD)
        if number == _KILL or os.getppid() != worker:
            return None
        if number == _ASK:
            _kill(os.killpg, kept, signal.SIGTERM)
        elif number == signal.SIGCHLD and (status := _reap(kept)) is not None:
            return status


def _reap(kept: int) -> int | None:
    """Reap what has ended; the wait status of the kept process if it is among that."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == kept:
                found = ended[1]
    return found


def _clear_away(kept: int, status: int | None) -> int | None:
    """Kill everything below, until nothing is left; the kept process's wait status.

    Whoever loses its parent becomes a child of this process before that parent can be reaped: so
    nothing is below once there are no children.
    """
    _kill(os.killpg, kept, signal.SIGKILL)
    while True:
        below = _children() if sys.platform == "linux" else [kept]
        killed = [pid for pid in below if _kill(os.kill, pid, signal.SIGKILL)]
        if below and not killed:  # they run as another user
            return status
        try:
            pid, ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if pid == kept:
            status = ended


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123 - small
        return [int(pid) for pid in file.read().split()]


def _kill(send: Callable[[int, int], None], pid: int, number: int) -> bool:
    """Whether there was somebody to take it."""
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _begin(keeper: int) -> None:
    """In the child: a session of its own, signals as a program expects them, and an end with its
    keeper."""
    os.setsid()
    for number in (*_HEARD, *_IGNORED_BY_PYTHON):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(_NOT_STARTED)


def _run(command: list[str], report: int) -> None:
    """Become the program; if that cannot be, report why."""
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(report, f"refused {error.errno}\n".encode())
    os._exit(_NOT_STARTED)


def _serve(link: int, report: int) -> None:
    """Run jobs as they come. From here on the worker's packages are found as it finds them."""
    os.close(report)
    os.set_inheritable(link, False)  # noqa: FBT003
    import json  # noqa: PLC0415 - the keeper, which has forked by now, stays small
    from multiprocessing.connection import Connection  # noqa: PLC0415

    connection = Connection(link)
    sys.path[:], sys.argv[:] = json.loads(connection.recv_bytes())
    from jobhost.worker.child import serve  # noqa: PLC0415

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    serve(connection)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, *(ctypes.c_ulong(flag) for flag in (value, 0, 0, 0)))


def _nothing(number: int, frame: object) -> None:
    """In place of the default action."""


if __name__ == "__main__":
    main()
