"""Whether a worker fits the others of its node. Pure."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from jobhost.worker.wire import Hello

_CREDENTIALS: Final = frozenset(
    {
        "user", "password", "passfile", "sslcert", "sslkey", "sslpassword", "requirepeer",
        "oauth_client_id", "oauth_client_secret", "scram_client_key", "scram_server_key",
    }
)  # fmt: skip
"""Options of an address that say who comes, and not where to."""


def difference(first: Hello, hello: Hello, *, lane: bool) -> str:
    """In what a worker differs from the first one of its node; empty: in nothing."""
    if place(hello.url) != place(first.url):
        return "its host has another store"
    if hello.version != first.version:
        return f"it runs jobhost {hello.version}, the node {first.version}"
    if changed := _changed({*hello.tasks}, {*first.tasks}):
        return f"its host has other tasks: {changed}"
    if not lane and (changed := _changed({*hello.queues.items()}, {*first.queues.items()})):
        return f"its host has other queues: {changed}"
    return ""


def place(url: str) -> tuple[object, ...]:
    """Where an address leads, whoever comes: a password that was changed, or a user with another
    name, finds the same store. Without the name of a database the user's is taken for it."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return (url,)
    login, _, server = parts.netloc.rpartition("@")
    options = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(options)
    database = parts.path.strip("/") or given.get("dbname", "")
    user = "" if database else given.get("user", login.partition(":")[0])
    where = sorted(option for option in options if option[0] not in _CREDENTIALS)
    return ("postgresql", server, database, user, *where)


def _changed(new: set[str] | set[tuple[str, int]], old: set[str] | set[tuple[str, int]]) -> str:
    """`+added -gone`; a queue is shown with its weight."""
    signed = [("+", item) for item in new - old] + [("-", item) for item in old - new]
    return " ".join(sorted(sign + _shown(item) for sign, item in signed))


def _shown(item: str | tuple[str, int]) -> str:
    return item if isinstance(item, str) else f"{item[0]}:{item[1]}"
