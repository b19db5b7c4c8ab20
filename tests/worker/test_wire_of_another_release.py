"""An end of the wire hears of what it does not know, and goes on."""

import socket
from multiprocessing.connection import Connection

from jobhost.worker.wire import Other, Ready, Wire


def test_unknown_words_and_fields_are_told_as_such():
    ours, theirs = socket.socketpair()
    wire, other = Wire(ours.detach()), Connection(theirs.detach())
    for text in (b'["Dance", {}]', b'["Pong", {"n": 1}]', b'["Ready", {}]'):
        other.send_bytes(text)

    assert [wire.receive() for _ in range(3)] == [Other(name="Dance"), Other(name="Pong"), Ready()]
    other.close()
    wire.close()
