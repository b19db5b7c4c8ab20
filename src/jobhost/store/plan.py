"""Plans and the runners that drive them.

    Plan[T] = Generator[Statement, Reply, T]

`yield Statement("name", {...})` reads as "execute and give me the reply". Plans
compose with `yield from`. A runner is handed a function that makes the plan, not the
plan itself, since a generator serves one transaction only.

Plans never catch store errors: a statement that failed has spoilt its transaction.
They use ON CONFLICT and RETURNING, and let the rows say what happened.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

Row = tuple[Any, ...]
S = TypeVar("S")
T = TypeVar("T")
Y = TypeVar("Y")


_NONE: Final[Mapping[str, Any]] = {}


class Statement(NamedTuple):
    """A named statement and its parameters.

    Args:
        name: Name of the `.sql` file.
        params: Values by name; the connection adds `now`.
        rows: For a statement with a group of VALUES: the rows to put there, each in the order
            of the group's columns.
        alone: It commits by itself, if it comes first in its transaction and the dialect can.
    """

    name: str
    params: Mapping[str, Any] = _NONE
    rows: Sequence[Row] | None = None
    alone: bool = False


class Reply(NamedTuple):
    """What a statement gave back: its rows, and how many rows it changed."""

    rows: list[Row]
    changed: int = 0

    @property
    def first(self) -> Row | None:
        """The first row, if there is one."""
        return self.rows[0] if self.rows else None


Plan = Generator[Statement, Reply, T]

Looks = Generator[Callable[[], Plan[Any]], Any, T]
"""Yields plans that read, and takes what they found: several looks, which are no snapshot."""


class Connection(Protocol):
    """What the synchronous runner needs of a connection."""

    def begin(self) -> None:
        """Open a transaction."""
        ...

    def execute(self, statement: Statement) -> Reply:
        """Execute one statement in it. Raises StoreError."""
        ...

    def commit(self) -> None:
        """Make it durable. An error here means that its outcome is unknown."""
        ...

    def rollback(self) -> None:
        """Undo it. Never raises."""
        ...


class Hop(Protocol):
    """A way to run a function elsewhere and await it, such as a connection's own thread."""

    def __call__(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run the function and give back what it returns or raises."""
        ...


def run(connection: Connection, make: Callable[[], Plan[T]]) -> T:
    """Drive one plan in one transaction.

    Raises what the plan or the connection raises, after a rollback. An error of the
    commit leaves the outcome unknown: the caller repeats under the same id, or reads back.
    """
    connection.begin()
    try:
        result = drive(connection.execute, make())
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return result


async def run_async(connection: Connection, make: Callable[[], Plan[T]], hop: Hop) -> T:
    """Drive one plan in one hop to where the connection lives, so that a plan of many
    statements costs the event loop a single wait."""
    return await hop(lambda: run(connection, make))


def drive(answer: Callable[[Y], S], plan: Generator[Y, S, T]) -> T:
    """Drive one plan in a transaction that somebody else begins and ends; or what else asks and is
    answered, such as `Looks`."""
    try:
        asked = next(plan)
        while True:
            asked = plan.send(answer(asked))
    except StopIteration as end:
        result: T = end.value
        return result


async def drive_async(answer: Callable[[Y], Awaitable[S]], plan: Generator[Y, S, T]) -> T:
    """`drive` over a driver that is awaited for each statement."""
    try:
        asked = next(plan)
        while True:
            asked = plan.send(await answer(asked))
    except StopIteration as end:
        result: T = end.value
        return result
