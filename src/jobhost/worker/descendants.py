"""What a process leaves behind: seen, killed and reaped, whatever session it moved to.

Whoever is a subreaper gets the orphans of its children as children of its own. So a worker can
end all that its jobs started, and the node all that a dead worker left.
"""

import ctypes
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

CLEAR_SECONDS: Final = 5.0
"""How long killed processes may take to be gone. The kernel frees a killed process in
milliseconds; one that waits for a device that does not answer may never be gone."""

_PR_SET_CHILD_SUBREAPER: Final = 36
_FIRST_PAUSE_SECONDS: Final = 0.0005
_LONGEST_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """What came of clearing away.

    `killed` counts the processes that were killed; `left` has the pids of those that were not
    gone in time, or may not be killed by this user, in rising order.
    """

    killed: int
    left: tuple[int, ...]


def become_subreaper() -> bool:
    """From now on orphaned descendants become children of this process; repeating is harmless.

    Children do not inherit it. Returns False where the system has no subreapers (only Linux has)
    or refuses: then what leaves the tree of processes is out of reach.
    """
    if sys.platform != "linux":
        return False
    prctl = ctypes.CDLL(None).prctl
    flags = [ctypes.c_ulong(flag) for flag in (1, 0, 0, 0)]
    return int(prctl(_PR_SET_CHILD_SUBREAPER, *flags)) == 0


def clear_away(spare: Collection[int], within_seconds: float = CLEAR_SECONDS) -> Clearing:
    """SIGKILL every child that is not spared, with all its descendants, until none is left.

    What is forked meanwhile is killed too. Children that have ended are reaped, so their exit
    statuses are lost: spare also those whose end is still to be read. No other thread may start
    a child meanwhile, unless what it starts is spared.

    Args:
        spare: Pids of children that stay, with all their descendants.
        within_seconds: The longest this may take.
    """
    this = psutil.Process()
    end = time.monotonic() + within_seconds
    killed: set[psutil.Process] = set()
    pause = _FIRST_PAUSE_SECONDS
    while strays := _strays(this, spare):
        alive = [stray for stray in strays if not _reaped(stray.pid)]
        fresh = [stray for stray in alive if stray not in killed and _killed(stray)]
        killed.update(fresh)
        if time.monotonic() >= end:
            left = sorted(stray.pid for stray in alive if not _reaped(stray.pid))
            return Clearing(killed=len(killed), left=tuple(left))
        if not fresh:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    return Clearing(killed=len(killed), left=())


def kill_all_below(within_seconds: float = CLEAR_SECONDS) -> Clearing:
    """SIGKILL all descendants of this process: the last thing it does before its own end."""
    return clear_away(frozenset(), within_seconds)


def _strays(this: psutil.Process, spare: Collection[int]) -> list[psutil.Process]:
    """All descendants but the spared and those below them; parents come before children, so
    that who would start a killed child anew is killed first."""
    below = this.children(recursive=True)
    if not spare:
        return below
    parents = dict(_parents(below))
    kept = set(spare)
    for process in below:
        if parents.get(process.pid) in kept:
            kept.add(process.pid)
    return [process for process in below if process.pid not in kept]


def _parents(processes: list[psutil.Process]) -> Iterator[tuple[int, int]]:
    for process in processes:
        with suppress(psutil.Error):
            yield process.pid, process.ppid()


def _killed(stray: psutil.Process) -> bool:
    """Whether it was there to be killed; what this user may not kill is tried again.

    The state is that of its first thread: others may run on, so it is killed in any state.
    """
    try:
        ended = stray.status() == psutil.STATUS_ZOMBIE
        stray.kill()
    except psutil.Error:
        return False
    return not ended


def _reaped(pid: int) -> bool:
    """Whether this was a child that has ended; its place in the table of processes is free now.

    One that has ended and is no child of this process is reaped by its parent, or here, once
    that is gone too.
    """
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False
