"""One worker process, as its node sees it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import psutil

from jobhost.settings import environment_of_children
from jobhost.worker.wire import Hello, Message, Ping, Wire

STACKS: signal.Signals = signal.SIGUSR2
"""Has a worker write the stacks of all its threads to standard error, interpreter lock or not."""

_tickets = count(1)


@dataclass(slots=True)
class WorkerProcess:
    """Args:
        slot: Its place in the crew.
        lane: Whether it runs suspects.
        child: The process.
        wire: The node's end.

    `ticket` names it for good; `hello` is what it said first; `number` the one it has in the store.
    `asked` is why the node has killed it. `pinged_at` is when it was asked for a sign of life that
    it has not given yet, in monotonic seconds.
    """

    slot: int
    lane: bool
    child: subprocess.Popen[bytes]
    wire: Wire
    ticket: int = field(default_factory=lambda: next(_tickets))
    hello: Hello | None = None
    number: int | None = None
    ready: bool = False
    stopping: bool = False
    asked: str | None = None
    frozen: bool = False
    running: int = 0
    pinged_at: float | None = None
    warned: bool = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    def messages(self) -> list[Message | None]:
        """What it has said since the last look; a None comes last: it has closed its end."""
        said: list[Message | None] = []
        while self.wire.waits():
            said.append(self.wire.receive())
            if said[-1] is None:
                break
        return said

    def ping(self, now: float) -> None:
        """Ask for a sign of life, unless one is being waited for."""
        if self.pinged_at is None and self.hello is not None:
            self.pinged_at, self.warned = now, False
            self.wire.send(Ping())

    def silent_for(self, now: float) -> float:
        """Seconds since it was asked for a sign of life that it has not given."""
        return 0.0 if self.pinged_at is None else now - self.pinged_at

    def kill(self, why: str) -> None:
        """SIGKILL it; `why` is for people."""
        self.asked, self.frozen = why, self.is_frozen()
        self.send_signal(signal.SIGKILL)

    def is_frozen(self) -> bool:
        """Whether somebody has stopped it, with SIGSTOP or a debugger."""
        with suppress(psutil.Error):
            return psutil.Process(self.pid).status() in (
                psutil.STATUS_STOPPED,
                psutil.STATUS_TRACING_STOP,
            )
        return False

    def send_signal(self, number: signal.Signals) -> None:
        """Unless it is gone. Only the node reaps it, so the pid means no other process."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, code: int) -> None:
        """It was reaped, with this exit code."""
        self.child.returncode = code  # Popen would wait for a child that is no more
        self.wire.close()


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
        child = subprocess.Popen(
            command_line(command, theirs.fileno(), lane=lane),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env=environment_of_children(),
        )
        return WorkerProcess(slot, lane, child, Wire(ours.detach()))


def command_line(command: Sequence[str], link: int, *, lane: bool) -> list[str]:
    """Of a worker with this end of a wire; see `start`. What stands after `--` is no option."""
    after = command.index("worker") + 1
    options = ["--link", str(link), *(["--lane"] if lane else [])]
    return [sys.executable, "-m", "jobhost", *command[:after], *options, *command[after:]]
