"""What may be wrong with a store in a SQLite file: the file, its place, the jobs in it.

Facts are read, never changed; pure functions judge them.
"""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import Final, TypeVar

from jobhost.durations import format_seconds
from jobhost.errors import SchemaMismatch, StoreDamaged, StoreError, StoreGone
from jobhost.store.backlog import CHECKS
from jobhost.store.checkup import (
    Finding,
    judge_due,
    judge_nodes,
    judge_schema,
    judge_suspects,
    judge_waiting,
    note,
    ok,
    problem,
    warning,
)
from jobhost.store.plan import Plan, Statement, run
from jobhost.store.plans import checkup as plans
from jobhost.store.plans.look import served_queues
from jobhost.store.plans.nodes import live_nodes
from jobhost.store.sqlite import schema
from jobhost.store.sqlite.connection import SqliteConnection, Target
from jobhost.store.sqlite.room import SHORTENS

T = TypeVar("T")

MOUNTS: Final = Path("/proc/mounts")

SKEW_SECONDS: Final = 5.0
"""How far the store may be ahead of the clock: a worker's write that waited is not."""

SPACE_SMALL: Final = 512 * 1024**2
"""Bytes that one busy day may well fill."""

SPACE_TINY: Final = 64 * 1024**2
"""Two write-ahead logs at their usual largest."""

FREE_LARGE: Final = 64 * 1024**2
"""Free bytes within the file that are worth a word."""

FREE_SHARE: Final = 0.5
"""Of the file: workers leave a tenth, and a large prune needs some hours."""

MENDED: Final = (3, 51, 3)
"""The first SQLite in which no checkpoint can damage a file, whoever writes beside it."""

_NETWORK: Final = frozenset(
    {
        "9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "fuse.cephfs", "fuse.glusterfs",
        "fuse.s3fs", "fuse.sshfs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3",
        "smbfs", "virtiofs",
    }
)  # fmt: skip
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def checkup(target: Target) -> list[Finding]:
    """All checks of a file that is there; of one that cannot be used, those of its place, and what
    is wrong. Raises StoreDamaged for what is no store, StoreGone when it is not there any more.
    """
    found = [
        judge_version(sqlite3.sqlite_version_info),
        *judge_place(target.path, _mounts()),
        *_rights(target),
        judge_space(shutil.disk_usage(target.path.parent).free),
        judge_durability(target.synchronous),
    ]
    try:
        connection = SqliteConnection(target, writes=False)
        try:
            found.extend(_inside(connection, target))
        finally:
            connection.close()
    except (StoreDamaged, StoreGone):
        raise
    except StoreError as error:
        what, _, step = str(error).partition("; ")
        found.append(problem("file", what, step or "mend that, and ask again"))
    return found


def _inside(connection: SqliteConnection, target: Target) -> Iterator[Finding]:
    def ask(make: Callable[[], Plan[T]]) -> T:
        return run(connection, make)

    try:
        applied = schema.applied(connection)
    except (StoreDamaged, SchemaMismatch) as error:
        what, _, step = str(error).partition(": ")
        yield problem("schema", what, step)
        return
    if applied:  # the first use of a file sets its journal, and makes the schema
        yield judge_journal(str(ask(_first("journal_mode"))))
    current = judge_schema(applied, schema.newest(), "run 'jobhost migrate', or let a worker do it")
    yield current
    if not applied:
        return
    if (moved_to := ask(_moved_to)) is not None:
        yield warning(
            "moved",
            f"the jobs of this store were moved to {moved_to}, and it can only be read",
            "set JOBHOST_URL, or the address in the program, to that one",
        )
        return  # nobody is to work here any more
    yield judge_clock(ask(plans.ahead_us))
    yield from judge_nodes(ask(live_nodes), ask(plans.crash_loops))
    queues, served = ask(plans.waiting_queues), ask(served_queues)
    yield from judge_waiting(queues, served, ask(plans.blocked_tasks))
    yield from judge_suspects(ask(plans.blocked_suspects), ask(plans.served_tasks))
    yield from judge_due(ask(plans.next_due))
    for _, look in CHECKS:
        yield from look(ask)
    file_bytes, free_bytes, shortens = ask(_size)
    yield judge_size(file_bytes, free_bytes, shortens=shortens)


def _first(name: str) -> Callable[[], Plan[int]]:
    def plan() -> Plan[int]:
        value: int = (yield Statement(name)).rows[0][0]
        return value

    return plan


def _size() -> Plan[tuple[int, int, bool]]:
    """Bytes of the file, how many of them are free, and whether it can be shortened in steps."""
    free, pages, kind = (yield Statement("free_pages")).rows[0]
    page_bytes: int = (yield Statement("page_size")).rows[0][0]
    return pages * page_bytes, free * page_bytes, kind == SHORTENS


def _moved_to() -> Plan[str | None]:
    moved = (yield Statement("moved")).first
    return None if moved is None else str(moved[2])


def _mounts() -> str:
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:  # only Linux has it
        return ""


def judge_place(path: Path, mounts: str) -> list[Finding]:
    """The file system that holds the file.

    Args:
        path: The file.
        mounts: What is mounted, as /proc/mounts has it; empty where that is not known.
    """
    kind = _file_system(path.resolve(), mounts.splitlines())
    if kind is None:
        return []
    if kind in _NETWORK:
        return [
            problem(
                "file system",
                f"the file lies on {kind}, whose locks and shared memory do not hold between "
                "machines: it will be damaged",
                "move it to a local disk, or use PostgreSQL",
            )
        ]
    if kind in _MEMORY:
        return [
            warning(
                "file system",
                f"the file lies on {kind}, in memory: all jobs are gone when the machine restarts",
                "move it to a disk",
            )
        ]
    if kind == "overlay":
        return [
            note(
                "file system",
                "the file lies in a container's own layer, and goes when the container does",
                "put it on a volume",
            )
        ]
    return [ok("file system", f"a local one: {kind}")]


def _file_system(path: Path, mounts: Iterable[str]) -> str | None:
    """Its type: that of the longest mount point above the file, the last one if several are."""
    best: tuple[int, str] | None = None
    for line in mounts:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].encode().decode("unicode_escape"))
        depth = len(point.parts)
        if path.is_relative_to(point) and (best is None or depth >= best[0]):
            best = depth, fields[2]
    return None if best is None else best[1]


def _rights(target: Target) -> Iterator[Finding]:
    """Who may use the file: this user must, others must not."""
    path = target.path
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    needed = [path, path.parent, *(file for file in (*beside, target.folder) if file.exists())]
    closed = [str(file) for file in needed if not os.access(file, os.R_OK | os.W_OK)]
    if closed:
        yield problem(
            "rights",
            f"this user may not read and write {', '.join(closed)}",
            "run all programs of the store as the file's owner, or mend its mode or mount",
        )
    elif path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield warning(
            "rights",
            f"{path} is open to every user of this machine",
            f"chmod o-rwx {quote(str(path))}",
        )
    else:
        yield ok("rights", "this user may read and write the file and its folder")


def judge_space(free_bytes: int) -> Finding:
    """What is left on the disk."""
    free = f"{free_bytes / 1024**2:,.0f} MiB are free on its disk"
    step = "free some: when it is full, nothing is accepted and nothing recorded"
    if free_bytes < SPACE_TINY:
        return problem("space", f"only {free}", step)
    if free_bytes < SPACE_SMALL:
        return warning("space", f"only {free}", step)
    return ok("space", free)


def judge_size(file_bytes: int, free_bytes: int, *, shortens: bool) -> Finding:
    """How much of the file is room that deleted jobs have left.

    Args:
        file_bytes: All of it.
        free_bytes: The free part.
        shortens: Whether workers can give that back in small steps.
    """
    mib = 1024**2
    sentence = f"the file takes {file_bytes / mib:,.1f} MiB"
    if free_bytes < FREE_LARGE or free_bytes < FREE_SHARE * file_bytes:
        return ok("size", sentence)
    sentence += f", of which {free_bytes / mib:,.1f} MiB are free, for jobs to come"
    if shortens:
        return note("size", sentence, "keep a worker running: it shortens the file bit by bit")
    return note(
        "size",
        f"{sentence}; an older release made it, so that workers cannot shorten it",
        "stop all programs that use it, then: sqlite3 FILE 'PRAGMA auto_vacuum = INCREMENTAL; "
        "VACUUM'",
    )


def judge_version(version: tuple[int, ...]) -> Finding:
    """The library. One that is too old is refused before anything is looked at.

    A checkpoint beside another process's commit may damage a file before MENDED; checkpoints of
    jobhost happen only in turn, so that only other programs can bring it about.
    """
    name = f"SQLite {'.'.join(map(str, version))}"
    if version >= MENDED:
        return ok("sqlite", name)
    mended = ".".join(map(str, MENDED))
    return ok("sqlite", f"{name}; before {mended} let only programs of jobhost write to the file")


def judge_durability(synchronous: str) -> Finding:
    """What a power cut may take."""
    if synchronous == "FULL":
        return ok("durability", "synchronous is full")
    return note(
        "durability",
        "synchronous is normal: a power cut may take the last accepted jobs",
        "leave synchronous=normal out of the address where none may be lost",
    )


def judge_journal(mode: str) -> Finding:
    """Whether readers and the writer stand in each other's way."""
    if mode == "wal":
        return ok("journal", "write-ahead log")
    return problem(
        "journal",
        f"the journal mode is {mode}: readers and writers block each other",
        "stop all programs that use the file, then: sqlite3 FILE 'PRAGMA journal_mode = WAL'",
    )


def judge_clock(ahead_us: int) -> Finding:
    """The machine's clock against what the store has seen."""
    ahead = ahead_us / 1_000_000
    if ahead <= SKEW_SECONDS:
        return ok("clock", "nothing in the store is later than this machine's clock")
    return warning(
        "clock",
        f"the store has seen a time {format_seconds(ahead)} later than this machine's clock: it "
        "was set back, and leases and due times wait for it",
        "set the clock by NTP",
    )
