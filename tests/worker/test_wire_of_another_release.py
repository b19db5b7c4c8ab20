"""An end of the wire hears of what it does not know, and goes on."""

import os
import socket
import struct
from multiprocessing.connection import Connection

import pytest

from jobhost.worker.wire import Other, Ready, Wire


def test_unknown_words_and_fields_are_told_as_such():
    ours, theirs = socket.socketpair()
    wire, other = Wire(ours.detach()), Connection(theirs.detach())
    for text in (b'["Dance", {}]', b'["Pong", {"n": 1}]', b'["Ready", {}]'):
        other.send_bytes(text)

    assert [wire.receive() for _ in range(3)] == [Other(name="Dance"), Other(name="Pong"), Ready()]
    other.close()
    wire.close()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"3",
        b"[1]",
        b'["Pong", {"running": 1}, 2]',
        b'[["Pong"], {"running": 1}]',
        b'["Pong", 3]',
        b'["Pong", {"running": "many"}]',
        b'["LeaveOut", {"tasks": 5}]',
        b'["Hello", {"url": "u", "tasks": [1], "queues": {}, "slots": 1, "version": "1"}]',
        b"[" * 200_000,
    ],
    ids=range(12),
)
def test_what_is_no_message_is_the_end_of_the_talk_for_both(text):
    ours, theirs = (Wire(end.detach()) for end in socket.socketpair())
    Connection.send_bytes(theirs._connection, text)
    theirs.send(Ready())

    assert ours.waits()
    assert [ours.receive(), ours.receive()] == [None, None]
    assert ours.waits()
    assert ours.fileno() >= 0, "a node still watches it until the worker is dead"
    assert theirs.receive() is None
    ours.close()
    theirs.close()


def test_a_message_that_claims_to_be_huge_is_not_waited_for():
    ours, theirs = socket.socketpair()
    wire = Wire(ours.detach())
    theirs.sendall(struct.pack("!i", 2**30))

    assert wire.receive() is None
    assert theirs.recv(1) == b""
    theirs.close()
    wire.close()


def test_children_do_not_inherit_an_end():
    ours, theirs = socket.socketpair()
    os.set_inheritable(ours.fileno(), True)
    wire = Wire(ours.detach())

    assert not os.get_inheritable(wire.fileno())
    theirs.close()
    wire.close()
