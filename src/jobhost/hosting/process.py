"""One worker process, as its node sees it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import psutil

from jobhost.settings import environment_of_children
from jobhost.worker import keeper
from jobhost.worker.wire import Goodbye, Hello, Message, Ping, Stop, Wire

STACKS: signal.Signals = signal.SIGUSR2
"""Has a worker write the stacks of all its threads to standard error, interpreter lock or not."""

_KEEPER: Final = Path(keeper.__file__)
_PID_BYTES: Final = 32
_STOPPED: Final = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)

_tickets = count(1)


@dataclass(slots=True)
class WorkerProcess:
    """Args:
        slot: Its place in the crew.
        lane: Whether it runs suspects.
        child: The child of the node: on Linux its keeper (`worker/keeper.py`), which reaps what its
            jobs leave, and ends as it has ended; elsewhere it itself.
        wire: The node's end.
        report: Where the keeper tells the worker's pid; None without a keeper.

    `ticket` names it for good; `hello` is what it said first, and `goodbye` last: the exit code of
    an end in order; `number` is the one it has in the store.
    `asked` is why the node has killed it. `pinged_at` is when it was asked for a sign of life that
    it has not given yet, in monotonic seconds. `rates` is what it told last of the jobs that it has
    started and ended.
    """

    slot: int
    lane: bool
    child: subprocess.Popen[bytes]
    wire: Wire
    report: int | None = None
    ticket: int = field(default_factory=lambda: next(_tickets))
    hello: Hello | None = None
    goodbye: int | None = None
    number: int | None = None
    ready: bool = False
    stopping: bool = False
    asked: str | None = None
    frozen: bool = False
    running: int = 0
    rates: Mapping[str, Any] = field(default_factory=dict)
    pinged_at: float | None = None
    warned: bool = False
    _pid: int | None = None

    @property
    def pid(self) -> int:
        """Its process id; that of its keeper until that has told it, which is before it imports
        anything. The node's own child is `child`."""
        return self._told_pid() or self.child.pid

    def messages(self) -> list[Message | None]:
        """What it has said since the last look, whole; a None comes last: there will be no more."""
        said = list(self.wire.heard())
        for message in said:
            if isinstance(message, Goodbye):
                self.goodbye = message.code
        return said

    def ping(self, now: float) -> None:
        """Ask for a sign of life, unless one is being waited for."""
        if self.pinged_at is None and self.hello is not None:
            self.pinged_at, self.warned = now, False
            self.wire.send(Ping())

    def silent_for(self, now: float) -> float:
        """Seconds since it was asked for a sign of life that it has not given."""
        return 0.0 if self.pinged_at is None else now - self.pinged_at

    def terminate(self) -> None:
        """Ask it to stop: SIGTERM, after the word that this one is the node's own."""
        self.stopping = True
        self.wire.send(Stop())
        self.send_signal(signal.SIGTERM)

    def kill(self, why: str) -> None:
        """SIGKILL it; `why` is for people."""
        self.asked, self.frozen = why, self.is_frozen()
        self.send_signal(signal.SIGKILL)
        self.wake_keeper()

    def is_frozen(self) -> bool:
        """Whether somebody has stopped it, with SIGSTOP or a debugger."""
        return is_stopped(self.pid)

    def is_unread(self) -> bool:
        """Whether it has ended, and its keeper has not told so yet."""
        return self.pid != self.child.pid and _state(self.pid) == psutil.STATUS_ZOMBIE

    def wake_keeper(self) -> None:
        """SIGCONT, as somebody may have stopped it; one that runs does not mind."""
        with suppress(ProcessLookupError):
            os.kill(self.child.pid, signal.SIGCONT)

    def kill_stopped_keeper(self) -> None:
        """SIGKILL it if it is stopped at this moment; how the worker has ended is lost then."""
        if is_stopped(self.child.pid):
            os.kill(self.child.pid, signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Unless it is gone. Only the node reaps it, so the pid means no other process.

        A keeper that has not told the pid yet passes SIGTERM on, and takes the worker with it when
        it is killed; if it tells the pid just now, it may not have heard.
        """
        with suppress(ProcessLookupError):
            if self._told_pid() is None:
                os.kill(self.child.pid, number)
            if (pid := self._told_pid()) is not None:
                os.kill(pid, number)

    def ended(self, code: int) -> None:
        """It was reaped, with this exit code."""
        self._told_pid()
        self.child.returncode = code  # Popen would wait for a child that is no more
        self.wire.close()
        if self.report is not None:
            os.close(self.report)
            self.report = None

    def _told_pid(self) -> int | None:
        if self._pid is None and self.report is None:
            self._pid = self.child.pid
        elif self._pid is None and self.report is not None:
            with suppress(BlockingIOError):
                self._pid = int(os.read(self.report, _PID_BYTES) or 0) or None
        return self._pid


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped this process, with SIGSTOP or a debugger."""
    return _state(pid) in _STOPPED


def _state(pid: int) -> str | None:
    """As psutil names it; None: there is no such process, or none to be seen."""
    try:
        return psutil.Process(pid).status()
    except psutil.Error:
        return None


def start(command: Sequence[str], slot: int, *, lane: bool) -> WorkerProcess:
    """Start a worker as a fresh interpreter.

    It has a session of its own, so that Ctrl-C in a terminal reaches the node alone, which passes
    it on in order.

    Args:
        command: Its command line after `python -m jobhost`, which begins with `worker`; `--link`
            follows on that word.
        slot: Its place in the crew.
        lane: Whether it runs suspects.

    Raises OSError where the system has no room for it.
    """
    ours, theirs = socket.socketpair()
    with theirs, ours:
        report, far_end = os.pipe()
        try:
            words = command_line(command, theirs.fileno(), lane=lane)
            child = subprocess.Popen(
                [*_kept(far_end, theirs.fileno()), *words],
                stdin=subprocess.DEVNULL,
                pass_fds=[far_end, theirs.fileno()],
                start_new_session=True,
                env=environment_of_children(),
            )
        except BaseException:
            os.close(report)
            raise
        finally:
            os.close(far_end)
        os.set_blocking(report, False)
        wire = Wire(ours.detach(), patient=False)
        if sys.platform != "linux":
            os.close(report)
            return WorkerProcess(slot, lane, child, wire)
        return WorkerProcess(slot, lane, child, wire, report)


def _kept(report: int, link: int) -> list[str]:
    """What stands before the command line of a worker: elsewhere than on Linux nothing, since
    orphans are out of reach there."""
    if sys.platform != "linux":
        return []
    arguments = [str(os.getpid()), str(report), "worker", str(link)]
    return [sys.executable, "-I", "-S", str(_KEEPER), *arguments]


def command_line(command: Sequence[str], link: int, *, lane: bool) -> list[str]:
    """Of a worker with this end of a wire; see `start`. What stands after `--` is no option."""
    after = command.index("worker") + 1
    options = ["--link", str(link), *(["--lane"] if lane else [])]
    return [sys.executable, "-m", "jobhost", *command[:after], *options, *command[after:]]
