"""Finds the driver's connection below what a caller has, whichever library made that.

The libraries are known by the names of their classes, of which each base class counts, and are
not imported. First a proxy is replaced by what it stands for, then the library is asked for the
connection in the way in which it opens a transaction by itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from jobhost.errors import UsageError

PROXIES: Final[dict[str, Callable[[Any], object]]] = {
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": lambda scoped: scoped(),
    "sqlalchemy.orm.scoping.scoped_session": lambda scoped: scoped(),
    # Public in spite of its name: a proxy has no others of its own.
    "werkzeug.local.LocalProxy": lambda proxy: proxy._get_current_object(),  # noqa: SLF001
}
"""They stand for the one of this thread, task or request."""

_PROXIES_MAX: Final = 3
"""One of a request around one of a thread, and one to spare."""

_ASYNC: Final = frozenset(
    {
        "sqlalchemy.ext.asyncio.engine.AsyncConnection",
        "sqlalchemy.ext.asyncio.session.AsyncSession",
    }
)
"""They run a function with the synchronous object that they are made around."""

_BEGUN: Final = "with engine.begin() as connection"

INSTEAD: Final = {
    "django.db.backends.utils.CursorWrapper": "give django.db.connection instead",
    "django.db.utils.ConnectionHandler": "give one of them, such as connections['default']",
    "flask_sqlalchemy.extension.SQLAlchemy": "give db.session instead",
    "sqlalchemy.engine.base.Engine": f"give a connection of it instead: {_BEGUN}",
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": (
        f"give a connection of it instead: async {_BEGUN}"
    ),
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": "give a session that it made instead",
    "sqlalchemy.orm.session.sessionmaker": "give a session that it made instead",
}
"""By the name of a class: the next step of who has given one, whatever the store."""


def bare(connection: object) -> object:
    """What a proxy stands for; all others as they are."""
    for _ in range(_PROXIES_MAX):
        found = next((name for name in names(connection) if name in PROXIES), None)
        if found is None:
            break
        connection = PROXIES[found](connection)
    return connection


def unwrap(connection: object, *, begins: Callable[[object], bool]) -> object:
    """What the library's object is made around; all others as they are.

    Args:
        begins: Whether a connection of the driver begins a transaction with its first statement.
    """
    for name in names(connection):
        if name == "sqlalchemy.engine.base.Connection":
            return _of_sqlalchemy(connection, begins)
        if name == "sqlalchemy.orm.session.Session":
            session: Any = connection
            return _of_sqlalchemy(session.connection(), begins)
        if name in _OF_DJANGO:
            return _of_django(connection)
    return connection


def is_async(connection: object) -> bool:
    """Whether it is made around a synchronous object, and runs functions with that."""
    return not _ASYNC.isdisjoint(names(connection))


def names(connection: object) -> list[str]:
    """The qualified names of its class and of those that it derives from."""
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(connection).__mro__]


def name_of(connection: object) -> str:
    """The qualified name of its class."""
    return names(connection)[0]


def not_supported(
    connection: object, found: object, *, supported: str, instead: Mapping[str, str]
) -> UsageError:
    """The error for something else.

    Args:
        connection: What the caller gave.
        found: What it is made around.
        supported: What is accepted.
        instead: By the name of a class: the next step.
    """
    inner = "" if found is connection else f" around a {name_of(found)}"
    step = next((f"; {instead[name]}" for name in names(found) if name in instead), "")
    return UsageError(f"expected {supported}; got a {name_of(connection)}{inner}{step}")


_OF_DJANGO: Final = frozenset(
    {"django.db.backends.base.base.BaseDatabaseWrapper", "django.utils.connection.ConnectionProxy"}
)


def _of_sqlalchemy(connection: Any, begins: Callable[[object], bool]) -> object:
    """Its transaction begins here as with a first statement, or its commit would do nothing."""
    found: object = connection.connection.driver_connection
    if begins(found) and not connection.in_transaction():
        connection.begin()
    return found


def _of_django(connection: Any) -> object:
    """Django refuses each statement of a block of `atomic` that can only be rolled back."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    found: object = connection.connection
    return found
