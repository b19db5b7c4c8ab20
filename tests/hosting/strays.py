"""Programs for tests of what processes leave behind: `strays.py PROGRAM`.

Each program clears away for itself, in a process of its own, and prints one line of JSON.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from jobhost.events import Events
from jobhost.hosting.morgue import Morgue
from jobhost.worker.descendants import become_subreaper, clear_away, kill_all_below

GUARD_SECONDS = 60
"""Nothing that is started here lives longer, whatever a test did."""

_PR_SET_PTRACER = 0x59616D61
_PTRACE_SEIZE = 0x4206


class Witness:
    """A pipe that all strays inherit: each writes a byte when it has started, and the pipe ends
    when, and only when, all of them are gone."""

    def __init__(self) -> None:
        self._reads, self._writes = os.pipe()

    def say(self, word: bytes = b"x") -> None:
        os.write(self._writes, word)

    def hear(self, count: int = 1) -> bytes:
        """Wait until so many bytes were said."""
        return b"".join(os.read(self._reads, 1) for _ in range(count))

    def all_gone(self) -> bool:
        """Whether nobody but this process holds the pipe any more. Ask once, at the end."""
        os.close(self._writes)
        os.set_blocking(self._reads, False)
        try:
            while os.read(self._reads, 4096):
                pass
        except BlockingIOError:
            return False
        return True


def fork(child: Callable[[], object]) -> int:
    """Start a child that does this and no more."""
    if pid := os.fork():
        return pid
    try:
        signal.alarm(GUARD_SECONDS)
        child()
    finally:
        os._exit(0)


def sleep() -> None:
    time.sleep(GUARD_SECONDS)


def deaf(witness: Witness) -> None:
    """In a session of its own, deaf to whatever can be asked of it."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    witness.say()
    sleep()


def daemon(witness: Witness) -> None:
    """A deaf process whose parent has left it."""
    os.waitpid(fork(lambda: fork(lambda: deaf(witness))), 0)


def family(witness: Witness) -> None:
    """What a worker is: it keeps its orphans. It has a child and a daemon."""
    become_subreaper()
    daemon(witness)
    fork(lambda: deaf(witness))
    witness.say()
    sleep()


def one_daemon() -> dict[str, object]:
    witness = Witness()
    daemon(witness)
    witness.hear()
    done = clear_away(frozenset(), GUARD_SECONDS)
    return {**asdict(done), "gone": witness.all_gone()}


def one_daemon_below_a_child() -> dict[str, object]:
    """The child keeps its orphans until it dies itself."""
    witness = Witness()
    fork(lambda: family(witness))
    witness.hear(3)
    done = clear_away(frozenset(), GUARD_SECONDS)
    return {**asdict(done), "gone": witness.all_gone()}


def two_families() -> dict[str, object]:
    """One is spared first, and killed in the end."""
    staying = Witness()
    kept = fork(lambda: family(staying))
    staying.hear(3)
    going = Witness()
    fork(lambda: family(going))
    going.hear(3)
    first = clear_away({kept}, GUARD_SECONDS)
    second = kill_all_below(GUARD_SECONDS)
    return {
        "first": asdict(first),
        "second": asdict(second),
        "gone": [going.all_gone(), staying.all_gone()],
    }


def ended_children() -> dict[str, object]:
    """One ended child is spared, and its exit status can still be read; the other is reaped."""
    kept, other = fork(lambda: os._exit(7)), fork(lambda: os._exit(8))
    for pid in (kept, other):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    done = clear_away({kept}, GUARD_SECONDS)
    status = os.waitstatus_to_exitcode(os.waitpid(kept, 0)[1])
    try:
        os.waitpid(other, 0)
    except ChildProcessError:
        return {**asdict(done), "kept": status, "other": None}
    return {**asdict(done), "kept": status, "other": "was not reaped"}


def generations() -> dict[str, object]:
    """Each generation starts the next in a session of its own; every second one leaves."""
    witness = Witness()

    def generation(left: int) -> None:
        os.setsid()
        if left:
            fork(lambda: generation(left - 1))
        witness.say()
        if left % 2:
            sleep()

    fork(lambda: generation(50))
    witness.hear()
    done = clear_away(frozenset(), GUARD_SECONDS)
    return {**asdict(done), "gone": witness.all_gone()}


def one_that_stays() -> dict[str, object]:
    """A killed process is not gone before its tracer lets go of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    witness = Witness()

    def traced() -> None:
        libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), *[ctypes.c_ulong(0)] * 3)
        witness.say()
        sleep()

    def tracer() -> None:
        refused = libc.ptrace(_PTRACE_SEIZE, stays, None, None)
        witness.say(b"-" if refused else b"+")
        sleep()

    stays = fork(traced)
    witness.hear()
    holder = fork(tracer)
    allowed = witness.hear() == b"+"
    first = clear_away({holder}, 0.1)
    second = kill_all_below(GUARD_SECONDS)
    return {
        "allowed": allowed,
        "stays": stays,
        "first": asdict(first),
        "second": asdict(second),
        "gone": witness.all_gone(),
    }


def one_that_stays_for_the_morgue() -> dict[str, object]:
    """At the second death what stayed after the first is waited for no more."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    witness = Witness()
    morgue = Morgue(Events())

    def traced() -> None:
        libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), *[ctypes.c_ulong(0)] * 3)
        witness.say()
        sleep()

    def tracer() -> None:
        refused = libc.ptrace(_PTRACE_SEIZE, stays, None, None)
        witness.say(b"-" if refused else b"+")
        sleep()

    stays = fork(traced)
    witness.hear()
    holder = fork(tracer)
    allowed = witness.hear() == b"+"
    first = morgue.clear({holder})
    fork(lambda: deaf(witness))
    witness.hear()
    second = morgue.clear({holder})
    kill_all_below(GUARD_SECONDS)
    return {
        "allowed": allowed,
        "stays": stays,
        "first": asdict(first),
        "second": asdict(second),
        "gone": witness.all_gone(),
    }


if __name__ == "__main__":
    assert become_subreaper()
    print(json.dumps(globals()[sys.argv[1]]()))
