"""From the address of a store to the store."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from jobhost.clock import Clock
from jobhost.errors import InvalidOption
from jobhost.store.seam import Store
from jobhost.store.sqlite.store import SqliteStore

_EXPECTED: Final = "sqlite:///jobhost.db (relative) or sqlite:////var/lib/app/jobhost.db (absolute)"
_SYNCHRONOUS: Final = ("full", "normal")


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
        raise InvalidOption(f"{url!a} is no address ({error}); expected {_EXPECTED}") from None
    if parts.scheme != "sqlite":
        raise InvalidOption(f"a store's address looks like {_EXPECTED}; got {url!r}")
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
