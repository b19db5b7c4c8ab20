"""How much one transaction carries.

A statement has seconds, not minutes: one that cannot be sent in them is cut off, and repeated
unchanged it would be cut off for ever. So jobs go in portions, bounded in number and in bytes;
whatever stands alone in its portion may be longer, up to the limit of a payload. The limit of
time does not grow with the bytes instead: it is also how soon a server that hangs is noticed, how
long others wait for what a transaction has locked, and part of how soon a worker can leave.
"""

from collections.abc import Iterable, Iterator
from typing import Final

BATCH_MAX: Final = 1000
"""Jobs of one transaction: enough that its fixed cost vanishes, few enough that others wait
some milliseconds at most."""

BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of payloads or results of one transaction. A local server takes them in a small part of a
second, more of them are not faster; and a link of 4 Mbit/s carries them before the statement is
cut off."""


def byte_length(text: str) -> int:
    """Bytes of a text in UTF-8; of one that no store takes, too."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def portions(texts: Iterable[str], each_bytes: int = 0) -> Iterator[list[str]]:
    """All texts in their order, as lists of 1 to BATCH_MAX that together have at most
    BATCH_BYTES_MAX bytes, or of one text alone.

    Never holds more than one portion and the text after it, and asks for no text before
    the portion that was full without it was taken.

    Args:
        texts: Payloads, also from a generator.
        each_bytes: What goes along with each.
    """
    portion: list[str] = []
    size = 0
    for text in texts:
        more = byte_length(text) + each_bytes
        if portion and size + more > BATCH_BYTES_MAX:
            yield portion
            portion, size = [], 0
        portion.append(text)
        size += more
        if len(portion) == BATCH_MAX or size >= BATCH_BYTES_MAX:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
