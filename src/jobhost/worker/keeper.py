"""Keeps one process and all that it starts: a program of its own, in isolation.

    keeper.py WORKER REPORT child LINK                a process that runs one job after the other
    keeper.py WORKER REPORT run PROGRAM ...           a command
    keeper.py NODE REPORT worker LINK PROGRAM ...     a worker

Worker or node start it as a fresh interpreter. It forks before anything else was imported, and has
no threads: the child becomes the kept process, in a session of its own, and the parent watches
it. As a subreaper it is the parent of every orphan below it, whatever session that has, and of
nothing else: so what a job leaves is known for certain, and killed. Then it writes to REPORT
how the process ended, and exits.

With a worker it is there to reap the orphans that its jobs make as long as it lives: the worker
itself could not tell them from children whose end some code of the user's still waits for. It
writes the worker's pid to REPORT, and ends as the worker has ended; what is left then is for the
node to find, or killed here if the node is dead. See there for signals to it (`_keep_worker`).

Signals to the keeper of a job: USR1 asks the job's process group to end (SIGTERM), USR2 kills
everything. SIGTERM and SIGINT, which may go to all processes of a service or a terminal, are for
the worker to judge. When the starter of a keeper dies, the kernel sends CONT, which wakes also a
keeper that somebody has stopped.

It imports nothing of jobhost, and little else, so that it starts in milliseconds and stays small:
`typing` and `contextlib` alone would make it half as large again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36

_ASK: Final = signal.SIGUSR1
_KILL: Final = signal.SIGUSR2
_STARTER_DIED: Final = signal.SIGCONT
_HEARD: Final = (
    signal.SIGCHLD,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    _ASK,
    _KILL,
    _STARTER_DIED,
)
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)

_LOOK_SECONDS: Final = 1.0
"""Pause between looks whether the worker lives, where the kernel does not tell."""

_ORPHANED: Final = 72
"""`WorkerExit.ORPHANED`: the worker has lost its node."""

_NOT_STARTED: Final = 127
"""Exit code of a command that could not be started, as shells have it."""


def main() -> None:
    """Start the process, watch it, clear away what it leaves, and report."""
    starter, report = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(report, False)  # noqa: FBT003 - as it is
    for number in _HEARD:
        signal.signal(number, _nothing)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, _STARTER_DIED)
    if os.getppid() != starter:
        return
    if signal.SIGTERM in signal.sigpending() and sys.argv[3] == "worker":
        _end_by(signal.SIGTERM)
    keeper = os.getpid()
    kept = os.fork()
    if kept == 0:
        _begin(keeper)
        if sys.argv[3] == "child":
            _serve(int(sys.argv[4]), report)
        else:
            _run(sys.argv[4 if sys.argv[3] == "run" else 5 :], report)
        return
    if sys.argv[3] != "run":
        os.close(int(sys.argv[4]))
    if sys.argv[3] == "worker":
        _keep_worker(kept, starter, report)
        return
    status = _clear_away(kept, _watch(kept, starter))
    code = "" if status is None else os.waitstatus_to_exitcode(status)
    _report(report, f"ended {code}\n")


def _watch(kept: int, starter: int) -> int | None:
    """Until the process has ended: its wait status. None: it is to be killed."""
    if sys.platform != "linux":
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    while True:
        number = signal.sigwait(_HEARD)
        if number == _KILL or os.getppid() != starter:
            return None
        if number == _ASK:
            _kill(os.killpg, kept, signal.SIGTERM)
        elif number == signal.SIGCHLD and (status := _reap(kept)) is not None:
            return status


def _keep_worker(kept: int, node: int, report: int) -> None:
    """Until the worker has ended, or the node.

    SIGTERM is for a worker whose pid the node does not know yet: it is passed on. Once the node
    knows that, it sends signals there; so the worker is not reaped here: as long as the node has
    not read this end, its pid means no other process.
    """
    _report(report, f"{kept}\n")
    if signal.SIGTERM in signal.sigpending():
        _kill(os.kill, kept, signal.SIGTERM)
    while True:
        signal.sigwait(_HEARD)
        if os.getppid() != node:
            _clear_away(kept, None)
            return
        if (ended := _reap_orphans(kept)) is None:
            continue
        if ended.si_code == os.CLD_EXITED:
            if ended.si_status == _ORPHANED:  # it may see the node's end a moment before this does
                _clear_away(kept, None)
            os._exit(ended.si_status)
        _end_by(ended.si_status)


def _reap_orphans(kept: int) -> os.waitid_result | None:
    """Reap what has ended, but for the kept process; how that has ended, if it has."""
    look = os.WEXITED | os.WNOHANG
    if ended := os.waitid(os.P_PID, kept, look | os.WNOWAIT):
        return ended
    while (ended := os.waitid(os.P_ALL, 0, look | os.WNOWAIT)) and ended.si_pid != kept:
        os.waitid(os.P_PID, ended.si_pid, look)
    return ended


def _end_by(number: int) -> None:
    """End by this signal, as another process has, and leave no second image of memory behind."""
    _prctl(_PR_SET_DUMPABLE, 0)
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)


def _reap(kept: int) -> int | None:
    """Reap what has ended; the wait status of the kept process if it is among that."""
    found = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == kept:
                found = ended[1]
    except ChildProcessError:
        pass  # there are none left
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


def _report(report: int, line: str) -> None:
    """Write it for the starter."""
    try:  # noqa: SIM105 - contextlib is not imported
        os.write(report, line.encode())
    except BrokenPipeError:
        pass  # that is dead: nobody asks any more


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
        _report(report, f"refused {error.errno}\n")
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
