"""Tasks for workers in processes of their own; what they do is written to a ledger."""

import asyncio
import ctypes
import os
import sys
import time
from pathlib import Path

from jobhost import JobHost, Retry, current_job


class Chores:
    """The tasks of one host.

    Args:
        host: Where to declare them.
        folder: Where the ledger is, and the files `go-<name>` that let a job go on.
    """

    def __init__(self, host: JobHost, folder: Path) -> None:
        self._folder = folder
        at_once = Retry(first_delay="0s")
        self.note = host.task(name="note")(self._note)
        self.hold = host.task(name="hold")(self._hold)
        self.hold_async = host.task(name="hold_async")(self._hold_async)
        self.obey = host.task(name="obey")(self._obey)
        self.stuck = host.task(name="stuck", retry=at_once)(self._stuck)
        self.stuck_async = host.task(name="stuck_async", retry=at_once)(self._stuck_async)
        self.exit = host.task(name="exit")(self._exit)
        self.segfault = host.task(name="segfault")(self._segfault)
        self.read_input = host.task(name="read_input")(self._read_input)
        self.stumble = host.task(name="stumble", retry=at_once)(self._stumble)
        self.delivery = host.task(name="delivery")(self._delivery)

    def write(self, event: str, name: str) -> None:
        """One line, whole whatever else is writing."""
        line = f"{event} {name} {current_job().delivery} {os.getpid()}\n"
        handle = os.open(self._folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, line.encode())
        os.close(handle)

    def may_go(self, name: str) -> bool:
        """Whether the test lets this job go on."""
        return (self._folder / f"go-{name}").exists()

    def _note(self, name: str) -> str:
        self.write("start", name)
        self.write("end", name)
        return name

    def _stumble(self, name: str) -> str:
        """Fails the first time that it runs to its end."""
        self.write("start", name)
        if current_job().failures == 0:
            raise ValueError(name)
        self.write("end", name)
        return name

    def _hold(self, name: str) -> str:
        """A thread that looks at nothing but its file."""
        self.write("start", name)
        while not self.may_go(name):
            time.sleep(0.01)
        self.write("end", name)
        return f"by {os.getpid()}"

    async def _hold_async(self, name: str) -> str:
        self.write("start", name)
        try:
            while not self.may_go(name):  # noqa: ASYNC110 - it is a file of another process
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.write("cancelled", name)
            raise
        self.write("end", name)
        return f"by {os.getpid()}"

    def _obey(self, name: str) -> str:
        """A thread that looks at its token."""
        self.write("start", name)
        token = current_job().cancel
        while not self.may_go(name):
            if token.wait(0.01):
                try:
                    token.raise_if_set()
                except Exception as error:
                    self.write(type(error).__name__, name)
                    raise
        self.write("end", name)
        return f"by {os.getpid()}"

    def _stuck(self, name: str) -> None:
        """A thread that nothing stops; its heart beats in a file."""
        self.write("start", name)
        while True:
            self.write("beat", name)
            time.sleep(0.05)

    async def _stuck_async(self, name: str) -> None:
        self.write("start", name)
        while True:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                self.write("ignored", name)

    def _exit(self, name: str) -> None:
        self.write("start", name)
        os._exit(0)

    def _segfault(self, name: str) -> None:
        self.write("start", name)
        ctypes.string_at(0)

    def _read_input(self, name: str) -> str:
        self.write("start", name)
        return sys.stdin.read()

    def _delivery(self, name: str) -> tuple[int, bool]:
        """Holds, too."""
        self._hold(name)
        return current_job().delivery, current_job().redelivered
