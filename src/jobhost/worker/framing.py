"""Messages in a stream of bytes: each is its length, in 4 bytes with the highest first, and its
text. Pure."""

import struct
from typing import Final

_LENGTH: Final = struct.Struct("!i")


def framed(text: bytes) -> bytes:
    """A message as it goes into the stream."""
    return _LENGTH.pack(len(text)) + text


class Frames:
    """Cuts a stream into its messages, in whatever pieces it comes.

    Args:
        bytes_max: Of one message. What claims to be longer is refused before it has come.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._come = bytearray()

    def add(self, piece: bytes) -> None:
        """The next bytes of the stream."""
        self._come += piece

    def take(self) -> bytes | None:
        """The next message; None while it has not come whole. Raises ValueError for a length that
        none can have: nothing after that can be read."""
        if len(self._come) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._come)
        if not 0 <= length <= self._bytes_max:
            raise ValueError(f"a message has up to {self._bytes_max} bytes; this one has {length}")
        end = _LENGTH.size + length
        if len(self._come) < end:
            return None
        text = bytes(self._come[_LENGTH.size : end])
        del self._come[:end]
        return text
