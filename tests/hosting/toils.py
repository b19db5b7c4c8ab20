"""Tasks for workers below a node, and how its processes are told what to do.

As a module it is what `jobhost worker toils:host` imports; the environment says where the store
is, which tasks there are and what goes wrong at import. Tests call `declare` with their own host.
"""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from jobhost import JobHost, Retry, current_job
from jobhost.store.plan import Plan

GUARD_SECONDS = 120

_DAEMON = """
import os, sys, time
os.setsid()
if os.fork():
    os._exit(0)
os.setsid()
open(sys.argv[1], "w").write(str(os.getpid()))
os.rename(sys.argv[1], sys.argv[2])
time.sleep(120)
"""


class Toils:
    """The tasks of one host.

    Args:
        host: Where to declare them.
        folder: Where the ledger is, and the files `go-<name>` that let a job go on.
    """

    def __init__(self, host: JobHost, folder: Path) -> None:
        self._folder = folder
        self._host = host
        task: Any = host.task
        self.note = task(name="note")(self._note)
        self.hold = task(name="hold")(self._hold)
        self.obey = task(name="obey")(self._obey)
        self.daemonize = task(name="daemonize")(self._daemonize)
        self.leave = task(name="leave")(self._leave)
        self.leave_with = task(name="leave_with")(self._leave_with)
        self.leave_when_told = task(name="leave_when_told")(self._leave_when_told)
        self.mumble = task(name="mumble")(self._mumble)
        self.orphan = task(name="orphan")(self._orphan)
        self.stand_still_in_a_write = task(name="stand_still_in_a_write")(
            self._stand_still_in_a_write
        )
        self.segfault = task(name="segfault")(self._segfault)
        self.kill_itself = task(name="kill_itself")(self._kill_itself)
        self.stop_worker = task(name="stop_worker")(self._stop_worker)
        self.stop_worker_from_shell = task(name="stop_worker_from_shell")(
            self._stop_worker_from_shell
        )
        self.hold_lock = task(name="hold_lock")(self._hold_lock)
        self.catastrophe = task(name="catastrophe")(self._catastrophe)
        self.block_loop = task(name="block_loop")(self._block_loop)
        self.deaf = task(name="deaf", timeout="500ms", retry=Retry(max_attempts=1))(self._deaf)
        self.bloat = task(name="bloat")(self._bloat)

    def write(self, event: str, name: str) -> None:
        """One line, whole whatever else is writing: event, name, delivery, pid."""
        line = f"{event} {name} {current_job().delivery} {os.getpid()}\n"
        handle = os.open(self._folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, line.encode())
        os.close(handle)

    def may_go(self, name: str) -> bool:
        """Whether the test lets this job go on."""
        return (self._folder / f"go-{name}").exists()

    async def _note(self, name: str) -> str:
        self.write("start", name)
        return name

    async def _hold(self, name: str) -> str:
        self.write("start", name)
        try:
            while not self.may_go(name):  # noqa: ASYNC110 - it is a file of another process
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.write("cancelled", name)
            raise
        self.write("end", name)
        return f"by {os.getpid()}"

    def _obey(self, name: str) -> str:
        self.write("start", name)
        token = current_job().cancel
        while not self.may_go(name):
            if token.wait(0.02):
                try:
                    token.raise_if_set()
                except Exception as error:
                    self.write(type(error).__name__, name)
                    raise
        self.write("end", name)
        return f"by {os.getpid()}"

    async def _daemonize(self, name: str) -> str:
        """Leaves a process in a session of its own behind, and holds. It starts only if nothing
        of an earlier delivery lives."""
        former = self._folder / f"daemon-{name}"
        lives = former.exists() and Path(f"/proc/{former.read_text()}").exists()
        self.write("haunted" if lives else "alone", name)
        words = [sys.executable, "-c", _DAEMON, str(former) + ".new", str(former)]
        await asyncio.to_thread(subprocess.run, words, check=True)
        return await self._hold(name)

    def _leave(self, name: str) -> None:
        self.write("start", name)
        os._exit(0)

    def _leave_with(self, name: str, code: int) -> None:
        """With an exit code that has a meaning between worker and node."""
        self.write("start", name)
        os._exit(code)

    async def _leave_when_told(self, name: str, code: int) -> None:
        await self._hold(name)
        os._exit(code)

    def _mumble(self, name: str) -> None:
        """As if it were frozen in the middle of saying something to its node; the next delivery
        ends well."""
        if current_job().delivery > 1:
            return
        link = int(sys.argv[sys.argv.index("--link") + 1])
        os.write(link, b"\0\0\1\0[")
        self.write("start", name)
        os.kill(os.getpid(), signal.SIGSTOP)

    async def _orphan(self, name: str, count: int) -> None:
        """Starts processes that lose their parent, and end a little later: when they can read no
        more. Beside them a child of the worker's own ends, whose exit status is read last."""
        own = subprocess.Popen([sys.executable, "-ISc", "raise SystemExit(7)"])  # noqa: ASYNC220
        os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
        for _ in range(count):
            self.write("orphaned", await asyncio.to_thread(_make_orphan))
        await self._hold(name)
        self.write(f"own-{own.wait()}", name)

    def _stand_still_in_a_write(self, name: str) -> None:
        """As if somebody had stopped this process just then; the next delivery ends well."""
        self.write("start", name)
        if current_job().delivery == 1:
            self._host.store.write(_stand_still)

    def _segfault(self, name: str) -> None:
        self.write("start", name)
        ctypes.string_at(0)

    def _kill_itself(self, name: str) -> None:
        """As if somebody else did: nobody can tell."""
        self.write("start", name)
        os.kill(os.getpid(), signal.SIGKILL)

    async def _stop_worker(self, name: str) -> None:
        """As an operator does who drains it; then it holds."""
        self.write("start", name)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(GUARD_SECONDS)

    def _stop_worker_from_shell(self, name: str) -> None:
        """The same to the whole process group, by a child, and deaf to what follows."""
        self.write("start", name)
        subprocess.run(["sh", "-c", "trap '' TERM; kill -TERM 0"], check=True)
        time.sleep(GUARD_SECONDS)

    def _hold_lock(self, name: str) -> None:
        """Native code that does not let go of the interpreter's lock."""
        self.write("start", name)
        ctypes.PyDLL(None).sleep(GUARD_SECONDS)

    def _catastrophe(self, name: str) -> None:
        self.write("start", name)
        re.match(r"(a+)+$", "a" * 60 + "b")

    async def _block_loop(self, name: str, seconds: float) -> None:
        self.write("start", name)
        time.sleep(seconds)  # noqa: ASYNC251 - that is the point
        self.write("end", name)

    def _deaf(self, name: str) -> None:
        self.write("start", name)
        time.sleep(GUARD_SECONDS)

    def _bloat(self, name: str) -> None:
        """Memory that stays."""
        self.write("start", name)
        _kept.append(bytearray(os.urandom(1024) * 30_000))


_kept: list[bytearray] = []


def _make_orphan() -> str:
    """The pid of a process whose parent is gone, and which has been let go since."""
    words = ["sh", "-c", "cat <&0 >/dev/null & echo $!"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        said = shell.stdout.read()  # type: ignore[union-attr]
        shell.wait()
    return said.decode().strip()


def _stand_still() -> Plan[None]:
    # To this thread: sent to the process it would come to another one, and a moment late.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    yield from ()


def _extra(host: JobHost, folder: Path) -> None:
    """What this process's code is: the test may change it under a running node."""
    given = folder / "extra"
    names = os.environ.get("TOILS_EXTRA") or (given.read_text() if given.exists() else "")
    for name in names.split():

        def run(word: str, name: str = name) -> str:
            return f"{name} {word}"

        host.task(name=name)(run)


if "TOILS_URL" in os.environ:
    _folder = Path(os.environ["TOILS_FOLDER"])
    if (_folder / "raise-at-import").exists():
        raise RuntimeError("the shop is closed")
    if (_folder / "die-at-import").exists():
        (_folder / f"died-{os.getpid()}").touch()
        os._exit(9)
    if (_folder / "hang-at-import").exists():
        (_folder / "hangs").touch()
        time.sleep(GUARD_SECONDS)
    if (_folder / "chdir-at-import").exists():
        os.chdir(_folder)
    if (_folder / "url").exists():
        os.environ["TOILS_URL"] = (_folder / "url").read_text()
    host = JobHost(os.environ["TOILS_URL"])
    _toils = Toils(host, _folder)
    _extra(host, _folder)

    @host.task(executor="process", retry=Retry(max_attempts=1))
    def stand_still_outside(name: str) -> None:
        """As `stand_still_in_a_write`, in a process of the job's own."""
        _toils._stand_still_in_a_write(name)

    @host.task(executor="process")
    def daemonize_outside(name: str) -> None:
        """As `daemonize`, in a process of the job's own; it never ends."""
        former = _folder / f"daemon-{name}"
        subprocess.run([sys.executable, "-c", _DAEMON, f"{former}.new", str(former)], check=True)
        _toils.write("start", name)
        time.sleep(GUARD_SECONDS)
