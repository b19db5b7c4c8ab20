"""From the address of a store to the store."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from jobhost.clock import Clock
from jobhost.errors import InvalidOption
from jobhost.store.seam import Store
from jobhost.store.sqlite.store import SqliteStore

_EXPECTED: Final = "sqlite:///jobhost.db (relative) or sqlite:////var/lib/app/jobhost.db (absolute)"
_SYNCHRONOUS: Final = ("full", "normal")
_POSTGRES: Final = ("postgresql", "postgres")
_PASSWORD: Final = re.compile(
    r"^((?!sqlite:)(?:[\w+.-]+:/+|(?![\w+.-]+:/))[^:]*:).*(?=@)"
    r"|([?&](?:(?:ssl)?password|oauth_client_secret)=)[^&#]*",
    re.DOTALL,
)
"""In an address: up to the last @, since it may hold one that should be written as %40; or as an
option."""


def open_store(url: str, clock: Clock) -> Store:
    """The store at this address; nothing is opened yet.

    `sqlite:///file.db?synchronous=normal` trades the last commits at a power cut for
    faster single enqueues.

    Raises InvalidOption for an address that cannot be read.
    """
    url = str(url)
    try:
        parts = urlsplit(url)
        url.encode()
    except ValueError as error:
        raise InvalidOption(_no_address(url, error)) from None
    if parts.scheme in _POSTGRES:
        return _open_postgres(url, clock)
    if parts.scheme != "sqlite":
        raise InvalidOption(
            f"a store's address looks like {_EXPECTED}, or "
            f"postgresql://user@host/database; got {without_password(url)!r}"
        )
    path = unquote(parts.path)[1:]
    misread = parts.netloc or parts.fragment or not url.startswith("sqlite:///")
    if misread or not path or path.endswith("/") or "\0" in path:
        raise InvalidOption(f"this address names no file; it should look like {_EXPECTED}: {url!r}")
    if path == ":memory:":
        raise InvalidOption(
            "jobs in memory would be lost with the process; for a test give a file in a temporary "
            f"folder, such as {_EXPECTED}"
        )
    options = parse_qs(parts.query, keep_blank_values=True)
    synchronous = options.pop("synchronous", ["full"])[-1].lower()
    if options or synchronous not in _SYNCHRONOUS:
        raise InvalidOption(
            f"the only option of an address is synchronous={'|'.join(_SYNCHRONOUS)}; got {url!r}"
        )
    return SqliteStore(Path(path).expanduser(), clock, synchronous=synchronous.upper())


def _no_address(url: str, error: ValueError) -> str:
    """What is wrong with it. One that may hold a password is not shown, nor what Python says of it,
    which quotes it."""
    if url.startswith("sqlite:"):
        return f"{url!a} is no address ({error}); expected {_EXPECTED}"
    return (
        "this is no address: the password or another part has a character that must be written as "
        "%XX, such as %5B for [; expected postgresql://user:password@host:5432/database, or "
        f"{_EXPECTED}"
    )


def _open_postgres(url: str, clock: Clock) -> Store:
    try:
        from jobhost.store.postgres.store import PostgresStore  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidOption(
            "an address of PostgreSQL needs the extra: pip install 'jobhost[postgres]'"
        ) from None
    return PostgresStore(url, clock)


def from_anywhere(url: str, store: Store) -> str:
    """The same address for a process that works in another folder.

    Args:
        url: As it was given, secrets included.
        store: What was opened from it.
    """
    if not url.startswith("sqlite:"):
        return url
    options = urlsplit(url).query
    return f"{store.url}?{options}" if options else store.url


def without_password(url: str) -> str:
    """An address as it may be shown."""
    return _PASSWORD.sub(r"\1\2***", url)
