"""How a process ended, for people, and whether that was its own doing.

Whether a death was the process's own doing decides about the jobs that ran in it: only then do
they become suspects at once.
"""

import os
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from jobhost.worker.exit_codes import WorkerExit as WorkerExit

IN_ORDER: Final = frozenset(
    {WorkerExit.RETIRED, WorkerExit.RECYCLED, WorkerExit.FINISHED, WorkerExit.IDLE}
)
"""With these a worker may end unasked, if it has said so before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """An end that was not in order.

    `cause` is for people and goes on after "the worker": "was killed by SIGKILL". `own_doing` is
    False where the cause came from outside, which proves nothing against the jobs that ran.
    """

    cause: str
    own_doing: bool


_FAULTS: Final = {
    "SIGSEGV": "a fault in native code",
    "SIGBUS": "a fault in native code",
    "SIGFPE": "a fault in native code",
    "SIGILL": "a fault in native code",
    "SIGTRAP": "a fault in native code",
    "SIGABRT": "native code gave up",
    "SIGSYS": "a system call that is not allowed here",
    "SIGXCPU": "its limit of processor time",
    "SIGXFSZ": "its limit of the size of a file",
    "SIGPIPE": "it wrote where nobody reads",
    "SIGALRM": "a timer of its own",
    "SIGVTALRM": "a timer of its own",
    "SIGPROF": "a timer of its own",
}
"""Signals that a process brings upon itself, and what they mean."""


def read_death(
    wait_status: int,
    *,
    goodbye: int | None = None,
    asked: str | None = None,
    oom_kills: int = 0,
    stopping: bool = False,
    ready: bool = True,
    alone: bool = False,
) -> Death | None:
    """What this end was; None if it was in order.

    Args:
        wait_status: As `os.waitpid` gives it.
        goodbye: With which exit code it has said that it would end. Without that no exit is in
            order: a job may use any code.
        asked: Why the node killed it, such as "it had not answered for 60s", if it did. That
            counts as the process's own doing unless it was stopping anyway.
        oom_kills: How many processes the kernel has killed for want of memory since
            `OomWatch` was last asked.
        stopping: Whether it had been asked to stop. An exit is never its own doing then.
        ready: Whether it had begun to work; only worded.
        alone: Whether it ran one suspect, and nothing beside. SIGKILL counts as its own doing then
            unless it was stopping: where the kernel's kills for want of memory cannot be counted,
            they look no different, and such a job would be tried for ever. So does a stop in order
            that the node did not ask for: a job may send its worker SIGTERM.
    """
    code = os.waitstatus_to_exitcode(wait_status)
    if stopping and not ready and code == -signal.SIGTERM:
        return None  # it was asked before it could listen
    if code < 0:
        return _killed(-code, asked, oom_kills=oom_kills, stopping=stopping, alone=alone)
    if code == goodbye and (code in IN_ORDER or (stopping and code == WorkerExit.STOPPED)):
        return None
    if code == goodbye == WorkerExit.STOPPED:
        return Death(cause="was asked to stop, but not by its node", own_doing=alone)
    return Death(cause=_exited(code, stopping=stopping, ready=ready), own_doing=not stopping)


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11; a number without a name is `signal 42`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _killed(
    number: int, asked: str | None, *, oom_kills: int, stopping: bool, alone: bool
) -> Death:
    if number == signal.SIGKILL and asked is not None:
        return Death(cause=f"was killed: {asked}", own_doing=not stopping)
    if number == signal.SIGKILL and oom_kills:
        return Death(cause="was killed by the kernel for want of memory", own_doing=True)
    name = signal_name(number)
    if meaning := _FAULTS.get(name):
        return Death(cause=f"was killed by {name} ({meaning})", own_doing=True)
    proven = number == signal.SIGKILL and alone and not stopping
    return Death(cause=f"was killed by {name}", own_doing=proven)


def _exited(code: int, *, stopping: bool, ready: bool) -> str:
    if code == WorkerExit.ORPHANED:
        return "ended because its link to the node broke"
    if stopping:
        return f"exited with {code} instead of stopping in order"
    when = "in the middle of its work" if ready else "before it was ready"
    return f"exited with {code} {when}"


_OOM_KILLS: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(slots=True)
class OomWatch:
    """Counts the kernel's kills for want of memory in the control group of this process.

    Children are in the same group unless somebody moved them. A kill is counted before its
    victim ends, so whoever was told of the end finds it here. Ask now and then also without a
    death, or the old kill of a job's subprocess is blamed for a later death from outside.

    `proc` is where the kernel tells of this process. Where it does not count (elsewhere than on
    Linux, without control groups, in the root group of version 2), there are no kills.
    """

    proc: Path = Path("/proc/self")
    _counter: Path | None = field(init=False)
    _seen: int = field(init=False)

    def __post_init__(self) -> None:
        self._counter = _find_counter(self.proc)
        self._seen = self._read()

    def kills_since_last_look(self) -> int:
        """How many since this was last asked, or since the watch began: 0 or more."""
        count = self._read()
        kills = max(0, count - self._seen)
        self._seen = count
        return kills

    def _read(self) -> int:
        if self._counter is None:
            return 0
        found = _OOM_KILLS.search(_text(self._counter))
        return int(found[1]) if found else 0


def _find_counter(proc: Path) -> Path | None:
    """The file with this process's count: of version 1 if memory is counted there, else of 2."""
    groups: dict[str, PurePosixPath] = {}
    for line in _text(proc / "cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), PurePosixPath(group)))
    mounts = _text(proc / "mountinfo").splitlines()
    for controller, name in (("memory", "memory.oom_control"), ("", "memory.events")):
        for folder in _folders(mounts, controller, groups.get(controller)):
            if _OOM_KILLS.search(_text(folder / name)):
                return folder / name
    return None


def _folders(mounts: list[str], controller: str, group: PurePosixPath | None) -> list[Path]:
    """Where a group's files may be. A container often sees only a part of the tree of groups:
    then the root of the mount stands for the beginning of the group's name. Groups that it cannot
    see have none."""
    if group is None:
        return []
    folders = []
    for line in mounts:
        place, _, source = line.partition(" - ")
        root, point = (_plain(word) for word in place.split(" ")[3:5])
        kind, _, options = source.split(" ", 2)
        if kind != ("cgroup" if controller else "cgroup2"):
            continue
        counts = not controller or controller in options.split(",")
        if counts and group.is_relative_to(root) and ".." not in group.parts:
            folders.append(Path(point, group.relative_to(root)))
    return folders


def _plain(word: str) -> str:
    """A path as mountinfo writes it, with spaces as `\\040`."""
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), word)


def _text(path: Path) -> str:
    """What the file says; nothing where there is none that can be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
