"""The steps of a move, in the order that makes each of them safe to be the last one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from jobhost.clock import Clock
from jobhost.errors import StoreError, UsageError
from jobhost.store.address import open_store
from jobhost.store.move.source import Moved, Source
from jobhost.store.move.tables import TABLES
from jobhost.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from jobhost.store.move.target import Hold, Target


class Phase(StrEnum):
    """What a move is doing; each goes over all rows once."""

    COPY = "copy"
    COMPARE = "compare"


OnRows = Callable[[Phase, int], None]
"""Hears of so many more rows that a phase is done with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What would be moved: rows by table.

    Args:
        rows: By table.
        workers: Have to be stopped before.
        makes_schema: The target has yet to get its schema.
        left: False when all has arrived before.
    """

    rows: Mapping[str, int]
    workers: Sequence[str] = ()
    makes_schema: bool = False
    left: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """How a move ended. `rows` by table; none when an earlier run had moved them `before`."""

    rows: Mapping[str, int]
    before: bool = False


def open_source(url: str, clock: Clock) -> Source:
    """The store to move away from. Raises InvalidOption, or UsageError if it is not SQLite."""
    store = open_store(url, clock)
    if not isinstance(store, SqliteStore):
        raise UsageError(
            f"a store is moved away from SQLite only; got {store.url}: expected "
            "--from sqlite:///FILE --to postgresql://…"
        )
    return Source(store)


def open_target(url: str, clock: Clock) -> "Target":
    """The store to move to. Raises InvalidOption, or UsageError if it is not PostgreSQL."""
    store = open_store(url, clock)
    if isinstance(store, SqliteStore):
        raise UsageError(
            f"a store is moved to PostgreSQL only; got {store.url}: expected "
            "--to postgresql://user@host/database"
        )
    from jobhost.store.move.target import Target  # noqa: PLC0415 - an extra
    from jobhost.store.postgres.store import PostgresStore  # noqa: PLC0415

    if not isinstance(store, PostgresStore):
        raise TypeError("there are two kinds of stores")
    return Target(store)


def survey(source: Source, target: "Target") -> Survey:
    """Everything that can be told before anything is changed.

    Raises what `move` would raise, but for workers: they may go on until the move begins.
    """
    known = source.moved()
    _refuse_elsewhere(known, source, target)
    found = Survey(rows=count_rows(source), workers=[] if known else source.workers())
    if known is not None and known.ended_at is not None:
        return replace(found, left=False)
    if target.lacks_schema:
        return replace(found, makes_schema=True)
    with target.opened() as hold:
        if known is not None and hold.has(known):
            return replace(found, left=False)
        hold.refuse_occupied()
    return found


def count_rows(source: Source) -> dict[str, int]:
    """The rows of each table that moves."""
    with source.reading() as reading:
        return {table.name: reading.count(table) for table in TABLES}


def move(source: Source, target: "Target", on_rows: OnRows) -> MoveReport:
    """Move all there is. Repeated, it ends what an earlier run has left undone.

    Raises UsageError for what must be put in order first: then nothing was changed. After any
    other error the source may stay frozen, as the message says.
    """
    known = source.moved()
    _refuse_elsewhere(known, source, target)
    if known is not None and known.ended_at is not None:
        return MoveReport(rows={}, before=True)
    if known is None:
        source.refuse_workers()
    try:
        return _move(source, target, on_rows)
    except StoreError as error:
        if source.moved() is None:
            raise
        raise type(error)(f"{error}; {stays_frozen(source)}") from error


def stays_frozen(source: Source) -> str:
    """The next step after a move that was broken off."""
    return (
        f"{source.url} stays frozen: run the same command again, or take it back with "
        "'jobhost move --undo' and the same addresses"
    )


def _move(source: Source, target: "Target", on_rows: OnRows) -> MoveReport:
    target.prepare()
    with target.opened() as hold:
        moved = source.moved()  # by another run, perhaps, that this one has waited for
        arrived = moved is not None and hold.has(moved)
        if moved is None or not arrived:
            hold.refuse_occupied()  # first without a lock, which would hold up a store in use
            hold.lock()
            hold.refuse_occupied()
            moved = source.freeze(target.url)
            _refuse_elsewhere(moved, source, target)
        rows = {} if arrived else _copy(source, hold, moved, on_rows)
    source.note_end(moved)
    return MoveReport(rows=rows, before=arrived)


def _copy(source: Source, hold: "Hold", moved: Moved, on_rows: OnRows) -> dict[str, int]:
    """Copy and compare. What follows is the commit."""
    hold.raise_number(source.last_number())
    with source.reading() as reading:
        sent = {
            table: hold.fill(table, reading.rows(table), lambda n: on_rows(Phase.COPY, n))
            for table in TABLES
        }
    for table, digest in sent.items():
        hold.compare(table, digest, lambda n: on_rows(Phase.COMPARE, n))
    hold.note_arrival(moved)
    source.note_copied(moved)
    return {table.name: digest.rows for table, digest in sent.items()}


def undo(source: Source, target: "Target") -> None:
    """Take back a freeze whose move has not ended: the source is used again.

    Raises UsageError when there is nothing to take back, or the jobs have arrived: from then on
    both sides would run them.
    """
    known = source.moved()
    if known is None:
        raise UsageError(f"{source.url} is not frozen: there is nothing to take back")
    _refuse_elsewhere(known, source, target)
    if known.copied_at is None and source.unfreeze(known):
        return  # the target cannot have committed, and will not
    known = source.moved() or known
    if known.ended_at is None:
        target.prepare()
        with target.opened() as hold:  # no move is between its note and its commit now
            if not hold.has(known) and source.unfreeze(known):
                return
    raise UsageError(
        f"the jobs of {source.url} have arrived at {known.to_url} and may have run there: use "
        "that store, and run the same command without --undo"
    )


def _refuse_elsewhere(known: Moved | None, source: Source, target: "Target") -> None:
    if known is not None and known.to_url != target.url:
        raise UsageError(
            f"{source.url} is frozen for its move to {known.to_url}, not to {target.url}: run "
            "the command with that address"
        )
