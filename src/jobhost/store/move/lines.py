"""Rows as PostgreSQL's COPY writes them: one line each, the same bytes in both directions.

That they are the same is what the comparison stands on: what was sent is equal to what comes
back, without a second opinion on what a value means.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from jobhost.store.plan import Row

BLOCK_CHARS: Final = 256 * 1024
"""Lines sent at once: far more than a packet, far less than memory."""

_SPECIAL: Final = re.compile("[\0\b\t\n\v\f\r\\\\]")
_ESCAPES: Final = str.maketrans(
    {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\v": r"\v", "\f": r"\f", "\r": r"\r", "\\": r"\\"}
    | {"\0": r"\\0"}  # as `outcomes.storable` words it: PostgreSQL keeps no NUL in a text
)


@dataclass(slots=True)
class Digest:
    """How many lines went by, and what was in them; two of the same lines are equal."""

    rows: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, lines: bytes, rows: int) -> None:
        """Whole lines."""
        self.rows += rows
        self._hash.update(lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Digest):
            return NotImplemented
        return self.rows == other.rows and self._hash.digest() == other._hash.digest()


def blocks(rows: Iterable[Row]) -> Iterator[tuple[bytes, int]]:
    """The lines of many rows in blocks, each with the number of its rows."""
    lines: list[str] = []
    size = 0
    for row in rows:
        line = "\t".join([_TEXTS[type(value)](value) for value in row])
        lines.append(line)
        size += len(line)
        if size >= BLOCK_CHARS:
            yield _joined(lines), len(lines)
            lines, size = [], 0
    if lines:
        yield _joined(lines), len(lines)


def _joined(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def _uuid(value: bytes) -> str:
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _number(value: float) -> str:
    """The shortest text that is this number, as PostgreSQL writes it: it goes over to powers of ten
    one digit sooner than Python."""
    text = repr(value).removesuffix(".0")
    if 1e15 <= abs(value) < 1e16:
        return f"{Decimal(text).normalize():e}"
    return text


def _null(_: None) -> str:
    return r"\N"


_TEXTS: Final[dict[type, Callable[[Any], str]]] = {
    int: str,
    float: _number,
    str: _escaped,
    bytes: _uuid,
    type(None): _null,
}
"""SQLite gives values of these types; 16 bytes are always an id."""
