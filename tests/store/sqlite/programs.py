"""Small programs run as processes of their own, spoken to line by line."""

import os
import signal
import subprocess
import sys
import textwrap
from types import TracebackType
from typing import Self

_PROLOGUE = """
import fcntl, os, signal, sys, threading
from contextlib import suppress
from pathlib import Path
from jobhost.clock import SystemClock
from jobhost.errors import StoreError
from jobhost.ids import new_ids
from jobhost.store.plans import enqueue, look
from jobhost.store.plans.enqueue import Batch, NewJob
from jobhost.store.sqlite import schema
from jobhost.store.sqlite.connection import SqliteConnection
from jobhost.store.sqlite.patience import Patience
from jobhost.store.sqlite.store import SqliteStore
from jobhost.store.sqlite.turnstile import Turnstile

def say(*words):
    print(*words, flush=True)

def hear():
    return sys.stdin.readline().strip()

def fork_idle():
    # A child that does nothing until it is killed; its process id, once it runs.
    ears, mouth = os.pipe()
    child = os.fork()
    if not child:
        os.write(mouth, b"forked")
        signal.pause()
    os.read(ears, 6)
    return child

def accept(store, count=1):
    ids = new_ids(count)
    jobs = [NewJob(one, "[]", None) for one in ids]
    batch = Batch(task="work", queue="default", priority=0, jobs=jobs)
    store.write(lambda: enqueue.enqueue(batch))
    return ids
"""


class Program:
    """A running Python program: `hear` reads a line that it said, `say` sends it one."""

    def __init__(self, text: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROLOGUE + textwrap.dedent(text), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def hear(self) -> str:
        """The next line that it says; empty when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def say(self, line: str = "go") -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)

    def rest(self) -> list[str]:
        """Wait for its end, which must be a good one; the lines that it had still to say."""
        said, _ = self._process.communicate()
        assert self._process.returncode == 0, f"the program failed after {said!r}"
        return said.splitlines()

    def kill(self) -> None:
        """End it without warning, wait until it is gone, close the pipes. Idempotent."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
