"""An end of the wire hears of what it does not know, and goes on."""

import os
import socket
import struct

import pytest

from jobhost.worker.framing import framed
from jobhost.worker.wire import Other, Ready, Wire


def test_unknown_words_and_fields_are_told_as_such():
    ours, theirs = socket.socketpair()
    wire = Wire(ours.detach())
    for text in (b'["Dance", {}]', b'["Pong", {"n": 1}]', b'["Ready", {}]'):
        theirs.sendall(framed(text))

    assert [wire.receive() for _ in range(3)] == [Other(name="Dance"), Other(name="Pong"), Ready()]
    theirs.close()
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
    ours, theirs = socket.socketpair()
    node, worker = Wire(ours.detach(), patient=False), Wire(theirs.detach())
    worker._socket.sendall(framed(text))
    worker.send(Ready())

    assert list(node.heard()) == [None]
    assert list(node.heard()) == [None]
    assert node.fileno() >= 0, "a node still watches it until the worker is dead"
    assert worker.receive() is None
    node.close()
    worker.close()


@pytest.mark.parametrize("length", [2**30, -1, 2**20 + 1])
def test_a_message_that_claims_to_be_huge_or_less_than_nothing_is_not_waited_for(length):
    ours, theirs = socket.socketpair()
    wire = Wire(ours.detach())
    theirs.sendall(struct.pack("!i", length))

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
