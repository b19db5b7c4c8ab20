"""How the node's main thread sleeps: until a signal, a worker, another thread or the time wakes it.

A signal handler only counts; the interpreter writes to the waker by itself, so that no signal
comes between a last look and the sleep.
"""

import select
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from jobhost.hosting.early import STOP_SIGNALS, Noted


class Readable(Protocol):
    """Anything that `select.poll` takes."""

    def fileno(self) -> int:
        """Its file descriptor."""
        ...


class Wake:
    """Counts the signals that ask for a stop, and wakes the main thread.

    `stops` counts them. `hung_up`: the terminal has closed. That is told more than once, by the
    kernel and by the shell, so it counts once and means no haste.
    """

    def __init__(self) -> None:
        self.stops = 0
        self.hung_up = False
        self._end, self._waker = socket.socketpair()
        for end in (self._end, self._waker):
            end.settimeout(0.0)

    def up(self) -> None:
        """Wake the main thread. From any thread; without effect once the node has ended."""
        with suppress(OSError):
            self._waker.send(b"\0")

    def wait(self, seconds: float, others: Iterable[Readable]) -> None:
        """Until something happens, or this time is over."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        for other in others:
            poll.register(other, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
        with suppress(BlockingIOError):
            self._end.recv(4096)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the block runs, signals are counted and end the wait. Only in the main thread.

        Those that were noted before (`early.py`) count too. A node that was started with SIGHUP
        ignored, as by `nohup`, goes on ignoring it.
        """

        def stop(number: int, frame: object) -> None:
            self.stops += 1

        def hang_up(number: int, frame: object) -> None:
            self.hung_up = True

        before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
        for number, handler in before.items():
            if isinstance(handler, Noted):  # it counts no more: the new one is in its place
                self.stops += handler.times if number in STOP_SIGNALS else 0
                self.hung_up |= number == signal.SIGHUP and handler.times > 0
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        fd_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._end.close()
            self._waker.close()


class Naps:
    """Notices that this process was itself asleep, stopped or without a processor.

    Args:
        longest_seconds: No turn takes longer while it is awake.
    """

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
        self._last = time.monotonic()

    def overslept(self, now: float) -> float:
        """Seconds since the last call, beyond what a turn may take."""
        late = max(0.0, now - self._last - self._longest)
        self._last = now
        return late
