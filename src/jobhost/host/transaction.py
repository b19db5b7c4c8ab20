"""What a task gets from `current_job().transaction()`."""

from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

C = TypeVar("C")


class JobTransaction(Generic[C]):
    """A transaction of a running job's own, that ends with the job's completion.

    Args:
        connection: For the task's own writes; the end of the block commits it. Of psycopg on
            PostgreSQL, in an `async def` task its AsyncConnection; of sqlite3 on SQLite.

    `result` is what the job hands back, None unless it is set before the block ends. What the
    task returns later must be None or equal to it.
    """

    __slots__ = ("connection", "result")

    def __init__(self, connection: C) -> None:
        self.connection = connection
        self.result: Any = None


class Completion(Protocol):
    """Enter it with `with`, or on an event loop with `async with`."""

    def __enter__(self) -> JobTransaction[Any]:
        """Open a connection and a transaction on it."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Complete the job and commit; after an exception roll back."""
        ...

    async def __aenter__(self) -> JobTransaction[Any]:
        """Likewise."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Likewise."""
        ...
