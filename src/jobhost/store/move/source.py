"""The side that is left: an SQLite file, frozen, read, and told how it ended."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

from jobhost.errors import StoreBusy, UsageError
from jobhost.plurals import counted
from jobhost.store.move.tables import TABLES, Table
from jobhost.store.plan import Plan, Reply, Row, Statement
from jobhost.store.plans.nodes import LiveNode, live_nodes
from jobhost.store.sqlite.connection import SqliteConnection
from jobhost.store.sqlite.faults import DRIVER_ERRORS, MOVED_TO, translate
from jobhost.store.sqlite.store import SqliteStore

T = TypeVar("T")

FROZEN: Final = ("sequence", *(table.name for table in TABLES))
"""The tables that nobody writes any more."""

_VERBS: Final = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move as both sides know it; instants.

    Args:
        id: Drawn by the freeze.
        from_url, to_url: Addresses without passwords.
        frozen_at: From when on nobody else writes the source.
        copied_at: All was copied and compared; the target may have committed since then.
        ended_at: The target has committed.
    """

    id: str
    from_url: str
    to_url: str
    frozen_at: int
    copied_at: int | None
    ended_at: int | None


class Source:
    """The store to move away from.

    Args:
        store: An SQLite store; that it is there shows at the first use.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    @property
    def url(self) -> str:
        """Its address."""
        return self._store.url

    def moved(self) -> Moved | None:
        """Where it was moved to; None while it is in use.

        Raises StoreUnavailable when there is no store.
        """
        return _moved(self._store.read(lambda: _one(Statement("moved"))))

    def workers(self) -> list[str]:
        """Workers that may still run jobs, as `host:pid`."""
        return [node.worker for node in self._living(self._store.read(live_nodes))]

    def refuse_workers(self) -> None:
        """Raise UsageError while a worker lives: it would lose what it has done."""
        _refuse_workers(self.url, self.workers())

    def freeze(self, to_url: str) -> Moved:
        """Refuse all other writes from now on; repeated, it finds the freeze that is there.

        Raises UsageError while a worker lives.
        """
        with self._writing() as connection:
            if found := _moved(connection.execute(Statement("moved"))):
                return found
            nodes = _driven(connection, live_nodes())
            _refuse_workers(self.url, [node.worker for node in self._living(nodes)])
            for node in nodes:
                connection.execute(Statement("lapse_node", {"node": node.number}))
            move = {"id": uuid4().hex, "from_url": self.url, "to_url": to_url}
            connection.execute(Statement("note_freeze", move))
            connection.script("".join(_triggers(to_url)))
            frozen = _moved(connection.execute(Statement("moved")))
        if frozen is None:
            raise TypeError("the freeze was noted in this transaction")
        return frozen

    def unfreeze(self, moved: Moved) -> bool:
        """Let others write again. False when the move has come further since it was looked at."""
        with self._writing() as connection:
            known = {"id": moved.id, "copied_at": moved.copied_at}
            if not connection.execute(Statement("forget_move", known)).changed:
                return False
            connection.script("".join(f"DROP TRIGGER {name};\n" for name in _trigger_names()))
        return True

    def note_copied(self, moved: Moved) -> None:
        """Right before the target's commit. Raises StoreBusy when the freeze was taken back."""
        if not self._store.write(lambda: _one(Statement("note_copied", {"id": moved.id}))).changed:
            raise StoreBusy(
                f"the freeze of {self.url} was taken back meanwhile, so nothing was moved: repeat"
            )

    def note_end(self, moved: Moved) -> None:
        """After the target's commit. Idempotent."""
        self._store.write(lambda: _one(Statement("note_end", {"id": moved.id})))

    def last_number(self) -> int:
        """The highest number drawn."""
        found: int = self._store.read(lambda: _one(Statement("last_number"))).rows[0][0]
        return found

    def close(self) -> None:
        """Close its connections. Idempotent."""
        self._store.close()

    @contextmanager
    def reading(self) -> Iterator["Reading"]:
        """Look at all tables as they are at one moment."""
        path = self._store.target.path
        try:
            address = path.as_uri() + "?mode=ro"
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as raw:
                raw.execute("BEGIN")
                yield Reading(raw)
        except DRIVER_ERRORS as error:
            if isinstance(error, sqlite3.Error):
                raise translate(error, path) from error
            raise

    @contextmanager
    def _writing(self) -> Iterator[SqliteConnection]:
        self._store.write(live_nodes)  # makes the folder of locks if need be, as every write does
        connection = SqliteConnection(self._store.target, writes=True)
        try:
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        finally:
            connection.close()

    def _living(self, nodes: list[LiveNode]) -> list[LiveNode]:
        """Nodes that may still work: neither is their process proven to be gone, nor has their
        lease run out."""
        dead = set(self._store.dead_nodes())
        return [node for node in nodes if not node.lapsed and node.id not in dead]


class Reading:
    """One consistent state of the source, read row by row."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def count(self, table: Table) -> int:
        """How many rows it has."""
        found = self._raw.execute(f"SELECT count(*) FROM jobhost_{table.name}")  # noqa: S608
        count: int = found.fetchone()[0]
        return count

    def rows(self, table: Table) -> Iterator[Row]:
        """Its rows in the order of the key; one at a time in memory."""
        columns = ", ".join(
            f"iif({name}, 't', 'f')" if name in table.flags else name for name in table.columns
        )
        key = ", ".join(table.key)
        return iter(
            self._raw.execute(f"SELECT {columns} FROM jobhost_{table.name} ORDER BY {key}")  # noqa: S608
        )


def _driven(connection: SqliteConnection, plan: Plan[T]) -> T:
    """Run a plan inside a transaction that is open."""
    reply: Reply | None = None
    try:
        while True:
            reply = connection.execute(next(plan) if reply is None else plan.send(reply))
    except StopIteration as end:
        result: T = end.value
        return result


def _one(statement: Statement) -> Plan[Reply]:
    return (yield statement)


def _moved(found: Reply) -> Moved | None:
    if found.first is None:
        return None
    move_id, from_url, to_url, frozen_at, copied_at, ended_at = found.first
    return Moved(
        id=move_id,
        from_url=from_url,
        to_url=to_url,
        frozen_at=frozen_at,
        copied_at=copied_at,
        ended_at=ended_at,
    )


def _refuse_workers(url: str, names: list[str]) -> None:
    if names:
        raise UsageError(
            f"{counted(len(names), 'worker')} of {url} may still run jobs ({', '.join(names)}): "
            "stop them with SIGTERM, then move"
        )


def _triggers(to_url: str) -> Iterator[str]:
    """They hold for connections that were opened before, too. A trigger takes no parameters, so
    the address stands in its text."""
    message = f"{MOVED_TO}{to_url}".replace("'", "''")
    for table in FROZEN:
        for verb in _VERBS:
            yield (
                f"CREATE TRIGGER {_trigger_name(table, verb)} BEFORE {verb} ON jobhost_{table} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END;\n"
            )


def _trigger_names() -> Iterator[str]:
    return (_trigger_name(table, verb) for table in FROZEN for verb in _VERBS)


def _trigger_name(table: str, verb: str) -> str:
    return f"jobhost_moved_{table}_{verb.lower()}"
